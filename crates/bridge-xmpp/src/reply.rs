use std::sync::Arc;

use bridge_signaling::ErrorAnswer;
use bridge_signaling::colibri2::ConferenceModified;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use xmpp_parsers::minidom::Element;

use crate::iq::IqHeader;
use crate::status::IqCounters;

/// What a colibri2 request is answered with.
pub type Reply = Result<ConferenceModified, ErrorAnswer>;

/// Where the answer to one request goes. It can be used once, from any thread, without waiting.
///
/// Dropped without an answer, none is sent: the other side runs into its time-out.
#[derive(Debug)]
pub struct ReplySender(Target);

impl ReplySender {
    /// A sender whose answer comes out of the receiver: for requests that come in another way than
    /// over XMPP.
    pub fn oneshot() -> (Self, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Target::Oneshot(sender)), receiver)
    }

    pub(crate) fn new(pending: PendingIq) -> Self {
        Self(Target::Iq(Box::new(pending)))
    }

    /// Answers. It is lost if nobody waits for it any more.
    pub fn send(self, reply: Reply) {
        match self.0 {
            Target::Oneshot(sender) => drop(sender.send(reply)),
            Target::Iq(pending) => (*pending).answer(&reply),
        }
    }
}

#[derive(Debug)]
enum Target {
    Oneshot(oneshot::Sender<Reply>),
    Iq(Box<PendingIq>),
}

/// A request that was not answered yet.
#[derive(Debug)]
pub(crate) struct PendingIq {
    pub(crate) header: IqHeader,
    /// The stream on which the request came in.
    pub(crate) epoch: u64,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) counters: Arc<IqCounters>,
    /// Given back when the answer was written. None once it is on its way.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl PendingIq {
    fn answer(self, reply: &Reply) {
        let answer = match reply {
            Ok(modified) => self.header.result(Some(modified.to_element())),
            Err(error) => self.header.error(error),
        };
        self.send(answer);
    }

    /// Answers with an element.
    pub(crate) fn send(mut self, answer: Element) {
        let permit = self.permit.take();
        let outgoing = Outgoing { epoch: self.epoch, answer, permit };
        // The queue has a place for each permit: it is full never, closed after the connection
        // was removed.
        if self.outgoing.try_send(outgoing).is_err() {
            self.counters.answers_lost.add_one();
        }
    }
}

impl Drop for PendingIq {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.counters.unanswered.add_one();
        }
    }
}

/// An answer on its way to the stream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) epoch: u64,
    pub(crate) answer: Element,
    /// Held until the answer was written, so that requests and answers together are bounded.
    #[expect(dead_code, reason = "given back by being dropped")]
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Requests of one connection that wait for their answer, from the moment they came in until it is
/// written. A conference start with 500 participants on this bridge sends 1,000 at once; with
/// more in hand the bridge is stuck, and Jicofo had better go elsewhere.
pub(crate) const MAX_PENDING_IQS: usize = 4096;

#[cfg(test)]
mod tests {
    use bridge_signaling::StanzaErrorCondition;
    use tokio::sync::Semaphore;

    use super::*;

    fn pending() -> (PendingIq, mpsc::Receiver<Outgoing>, Arc<IqCounters>) {
        let (outgoing, receiver) = mpsc::channel(1);
        let counters = Arc::new(IqCounters::default());
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let header = IqHeader { id: "1".into(), from: Some("r@m/focus".into()) };
        let pending = PendingIq {
            header,
            epoch: 3,
            outgoing,
            counters: Arc::clone(&counters),
            permit: Some(permit),
        };
        (pending, receiver, counters)
    }

    #[test]
    fn an_answer_carries_id_and_address() {
        let (pending, mut receiver, counters) = pending();
        ReplySender::new(pending).send(Ok(ConferenceModified::default()));
        let outgoing = receiver.try_recv().unwrap();
        assert_eq!(outgoing.epoch, 3);
        assert_eq!(outgoing.answer.attr("to"), Some("r@m/focus"));
        assert!(outgoing.answer.get_child("conference-modified", "jitsi:colibri2").is_some());
        assert_eq!(counters.snapshot(), crate::IqCounts::default());
    }

    #[test]
    fn what_is_not_answered_or_not_deliverable_is_counted() {
        let (dropped, _receiver, counters) = pending();
        drop(ReplySender::new(dropped));
        assert_eq!(counters.unanswered.value(), 1);

        let (late, receiver, counters) = pending();
        drop(receiver);
        ReplySender::new(late).send(Err(ErrorAnswer::new(StanzaErrorCondition::Conflict)));
        assert_eq!((counters.answers_lost.value(), counters.unanswered.value()), (1, 0));
    }

    #[test]
    fn a_oneshot_hands_over_the_reply() {
        let (sender, mut receiver) = ReplySender::oneshot();
        sender.send(Ok(ConferenceModified::default()));
        assert!(receiver.try_recv().unwrap().is_ok());
    }
}
