//! Stream management (XEP-0198): stanzas are counted on both sides, so that a stream whose TCP
//! connection broke can be resumed without loss and without anybody noticing.

use std::collections::VecDeque;

use xmpp_parsers::minidom::Element;

use crate::xml;

/// The counters and unacknowledged stanzas of one stream.
#[derive(Debug)]
pub(crate) struct StreamManagement {
    /// Under which the server resumes the stream; none if it does not.
    id: Option<String>,
    /// Stanzas received, modulo 2^32.
    received: u32,
    /// Stanzas that the server acknowledged, modulo 2^32.
    acknowledged: u32,
    /// Stanzas sent after these, oldest first.
    unacknowledged: VecDeque<Element>,
    since_request: u32,
}

impl StreamManagement {
    /// Starts counting with the server's `enabled`.
    pub(crate) fn from_enabled(enabled: &Element) -> Self {
        let resumable = matches!(enabled.attr("resume"), Some("true" | "1"));
        Self {
            id: enabled.attr("id").filter(|_| resumable).map(str::to_owned),
            received: 0,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            since_request: 0,
        }
    }

    /// The element that asks for stream management.
    pub(crate) fn enable() -> Element {
        xml::element("enable", xml::SM, &[("resume", "true")])
    }

    /// The element that asks for an acknowledgement.
    pub(crate) fn request() -> Element {
        xml::element("r", xml::SM, &[])
    }

    /// A stanza came in.
    pub(crate) const fn note_received(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// A stanza was sent. Answers whether an acknowledgement is to be asked for.
    pub(crate) fn note_sent(&mut self, stanza: &Element) -> Result<bool, StreamManagementError> {
        if self.unacknowledged.len() >= MAX_UNACKNOWLEDGED {
            return Err(StreamManagementError::TooManyUnacknowledged);
        }
        self.unacknowledged.push_back(stanza.clone());
        self.since_request += 1;
        let due = self.since_request >= STANZAS_PER_REQUEST;
        if due {
            self.since_request = 0;
        }
        Ok(due)
    }

    /// The server acknowledged what it got so far, in an `a` or a `resumed`.
    pub(crate) fn note_acknowledged(
        &mut self,
        element: &Element,
    ) -> Result<(), StreamManagementError> {
        let count = element
            .attr("h")
            .and_then(|h| h.parse::<u32>().ok())
            .ok_or(StreamManagementError::InvalidCount)?;
        let newly = count.wrapping_sub(self.acknowledged) as usize;
        if newly > self.unacknowledged.len() {
            return Err(StreamManagementError::InvalidCount);
        }
        self.unacknowledged.drain(..newly);
        self.acknowledged = count;
        Ok(())
    }

    /// The answer to the server's request for an acknowledgement.
    pub(crate) fn acknowledgement(&self) -> Element {
        xml::element("a", xml::SM, &[("h", &self.received.to_string())])
    }

    /// The element that asks to resume the stream, if it can be resumed.
    pub(crate) fn resume(&self) -> Option<Element> {
        let id = self.id.as_deref()?;
        let received = self.received.to_string();
        Some(xml::element("resume", xml::SM, &[("h", &received), ("previd", id)]))
    }

    /// What has to be sent again on the resumed stream, in order. It stays unacknowledged.
    pub(crate) fn unacknowledged(&self) -> impl Iterator<Item = &Element> {
        self.unacknowledged.iter()
    }
}

/// Why a stream cannot go on. Both ends the stream for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamManagementError {
    /// The server acknowledged nothing for too long.
    #[error("the server does not acknowledge stanzas")]
    TooManyUnacknowledged,
    /// The server acknowledged what was not sent, or not a number.
    #[error("the server acknowledged stanzas that were not sent")]
    InvalidCount,
}

/// Stanzas kept until they are acknowledged. Smack's limit.
const MAX_UNACKNOWLEDGED: usize = 1024;
/// As in Smack: an acknowledgement is asked for after five stanzas.
const STANZAS_PER_REQUEST: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(attributes: &[(&'static str, &str)]) -> StreamManagement {
        StreamManagement::from_enabled(&xml::element("enabled", xml::SM, attributes))
    }

    fn stanza(id: &str) -> Element {
        xml::element("iq", xml::CLIENT, &[("id", id)])
    }

    fn acknowledge(count: &str) -> Element {
        xml::element("a", xml::SM, &[("h", count)])
    }

    fn left(state: &StreamManagement) -> Vec<&str> {
        state.unacknowledged().filter_map(|stanza| stanza.attr("id")).collect()
    }

    #[test]
    fn acknowledged_stanzas_are_forgotten() {
        let mut state = enabled(&[("id", "x"), ("resume", "true")]);
        for id in ["1", "2", "3"] {
            assert_eq!(state.note_sent(&stanza(id)), Ok(false));
        }
        assert_eq!(state.note_acknowledged(&acknowledge("2")), Ok(()));
        assert_eq!(left(&state), ["3"]);
        assert_eq!(state.note_acknowledged(&acknowledge("2")), Ok(()));
        assert_eq!(left(&state), ["3"]);
    }

    #[test]
    fn counters_wrap_around() {
        let mut state = enabled(&[("id", "x"), ("resume", "1")]);
        state.acknowledged = u32::MAX;
        state.received = u32::MAX;
        state.note_sent(&stanza("1")).unwrap();
        state.note_sent(&stanza("2")).unwrap();
        assert_eq!(state.note_acknowledged(&acknowledge("0")), Ok(()));
        assert_eq!(left(&state), ["2"]);
        state.note_received();
        assert_eq!(state.acknowledgement().attr("h"), Some("0"));
    }

    #[test]
    fn impossible_counts_are_refused() {
        for count in ["3", "4294967295", "-1", "", "x"] {
            let mut state = enabled(&[("id", "x"), ("resume", "true")]);
            state.note_sent(&stanza("1")).unwrap();
            state.note_sent(&stanza("2")).unwrap();
            let result = state.note_acknowledged(&acknowledge(count));
            assert_eq!(result, Err(StreamManagementError::InvalidCount), "{count}");
        }
    }

    #[test]
    fn every_fifth_stanza_asks_and_the_queue_is_bounded() {
        let mut state = enabled(&[("id", "x"), ("resume", "true")]);
        let asked: Vec<_> = (0..10).map(|_| state.note_sent(&stanza("1")).unwrap()).collect();
        assert_eq!(asked.iter().filter(|&&asked| asked).count(), 2);
        assert!(asked[4] && asked[9]);
        for _ in 10..MAX_UNACKNOWLEDGED {
            state.note_sent(&stanza("1")).unwrap();
        }
        assert_eq!(
            state.note_sent(&stanza("1")),
            Err(StreamManagementError::TooManyUnacknowledged)
        );
    }

    #[test]
    fn only_what_the_server_keeps_is_resumed() {
        let mut state = enabled(&[("id", "x"), ("resume", "true")]);
        state.note_received();
        let resume = state.resume().unwrap();
        assert_eq!((resume.attr("previd"), resume.attr("h")), (Some("x"), Some("1")));
        assert!(enabled(&[("id", "x")]).resume().is_none());
        assert!(enabled(&[("resume", "true")]).resume().is_none());
    }
}
