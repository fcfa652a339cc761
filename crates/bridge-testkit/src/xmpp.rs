use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bridge_demo::{ColibriAnswer, ColibriHandler};
use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition, ns};
use futures_util::StreamExt;
use sasl::common::ChannelBinding;
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_xmpp::connect::ServerConnector;
use tokio_xmpp::jid::{BareJid, Jid};
use tokio_xmpp::xmlstream::{PendingFeaturesRecv, StreamHeader, Timeouts, initiate_stream};
use tokio_xmpp::{Client, Event, IqRequest, IqResponse, Stanza};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type as PresenceType};

use crate::TestkitError;

/// How the focus logs in and where it meets the bridges.
#[derive(Clone, Debug)]
pub struct XmppAccount {
    /// Where the server listens for clients. The connection is not encrypted: it stays on loopback.
    pub server: SocketAddr,
    /// The account, for example `focus@auth.localhost`.
    pub jid: String,
    /// Its password.
    pub password: String,
    /// The room of the bridges.
    pub brewery: String,
}

/// A bridge that is reached over XMPP as Jicofo does: a member of the brewery that publishes
/// statistics, addressed by its occupant JID.
pub struct XmppBridge {
    requests: mpsc::Sender<Request>,
    bridges: watch::Receiver<Bridges>,
    task: JoinHandle<()>,
}

/// The occupants of the brewery that published statistics, with the newest.
type Bridges = BTreeMap<String, BTreeMap<String, String>>;

struct Request {
    payload: Element,
    answer: oneshot::Sender<Result<ConferenceModified, ErrorAnswer>>,
}

impl XmppBridge {
    /// Logs in and joins the brewery; logs in again whenever the server comes back.
    pub fn connect(account: &XmppAccount) -> Result<Self, TestkitError> {
        let bad =
            |detail: &dyn ToString| TestkitError::unexpected("XMPP account", detail.to_string());
        let jid: Jid = account.jid.parse().map_err(|error| bad(&error))?;
        let brewery: BareJid = account.brewery.parse().map_err(|error| bad(&error))?;
        let connector = PlainConnector(account.server);
        let password = account.password.as_str();
        let client = Client::new_with_connector(jid, password, connector, Timeouts::default());
        let (requests, inbox) = mpsc::channel(QUEUE_LEN);
        let (seen, bridges) = watch::channel(Bridges::new());
        let focus = Focus { client, brewery, seen };
        let task = tokio::spawn(focus.run(inbox));
        Ok(Self { requests, bridges, task })
    }

    /// Waits until a bridge is in the brewery; its occupant JID.
    pub async fn wait_for_bridge(&self, patience: Duration) -> Result<String, TestkitError> {
        let mut bridges = self.bridges.clone();
        let found = bridges.wait_for(|bridges| !bridges.is_empty());
        let what = "the presence of a bridge in the brewery".to_owned();
        let found = tokio::time::timeout(patience, found)
            .await
            .map_err(|_| TestkitError::Timeout { what, patience })?;
        let found = found.ok().and_then(|bridges| bridges.keys().next().cloned());
        found.ok_or_else(|| TestkitError::unexpected("XMPP", "the connection task has ended"))
    }

    /// Waits until no bridge is in the brewery.
    pub async fn wait_for_no_bridge(&self, patience: Duration) -> Result<(), TestkitError> {
        let mut bridges = self.bridges.clone();
        let gone = bridges.wait_for(Bridges::is_empty);
        let what = "the absence of all bridges from the brewery".to_owned();
        let result = tokio::time::timeout(patience, gone).await;
        result.map(drop).map_err(|_| TestkitError::Timeout { what, patience })
    }

    /// The newest statistics that the bridge published.
    pub fn stats(&self, occupant: &str) -> BTreeMap<String, String> {
        self.bridges.borrow().get(occupant).cloned().unwrap_or_default()
    }
}

impl ColibriHandler for XmppBridge {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let requests = self.requests.clone();
        Box::pin(async move {
            let (answer, receiver) = oneshot::channel();
            let payload = request.to_element();
            let lost = |_| failure("the connection task has ended");
            requests.send(Request { payload, answer }).await.map_err(|_| lost(()))?;
            let answer = tokio::time::timeout(ANSWER_PATIENCE, receiver).await;
            answer.map_err(|_| failure("no answer in time"))?.map_err(|_| lost(()))?
        })
    }
}

impl Drop for XmppBridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that owns the connection.
struct Focus {
    client: Client,
    brewery: BareJid,
    seen: watch::Sender<Bridges>,
}

impl Focus {
    async fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        loop {
            tokio::select! {
                event = self.client.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
                request = inbox.recv() => match request {
                    Some(request) => self.send(request).await,
                    None => return,
                },
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Online { .. } => self.join().await,
            Event::Disconnected(_) => {
                self.seen.send_replace(Bridges::new());
            }
            Event::Stanza(Stanza::Presence(presence)) => self.on_presence(&presence),
            Event::Stanza(_) => {}
        }
    }

    async fn join(&mut self) {
        let Ok(occupant) = self.brewery.with_resource_str("focus") else { return };
        let muc = Element::builder("x", "http://jabber.org/protocol/muc").build();
        let mut presence = Presence::new(PresenceType::None).with_to(Jid::from(occupant));
        presence.payloads.push(muc);
        // When it fails the connection is down, and the next login joins again.
        let _ = self.client.send_stanza(presence.into()).await;
    }

    fn on_presence(&self, presence: &Presence) {
        let Some(from) = presence.from.as_ref().filter(|from| from.to_bare() == self.brewery)
        else {
            return;
        };
        let occupant = from.to_string();
        if presence.type_ == PresenceType::Unavailable {
            self.seen.send_if_modified(|seen| seen.remove(&occupant).is_some());
            return;
        }
        let stats = presence.payloads.iter().find(|payload| payload.is("stats", ns::COLIBRI));
        if let Some(stats) = stats {
            self.seen.send_modify(|seen| {
                seen.insert(occupant, read_stats(stats));
            });
        }
    }

    async fn send(&mut self, request: Request) {
        let bridge = self.seen.borrow().keys().next().cloned();
        let Some(bridge) = bridge.and_then(|occupant| occupant.parse::<Jid>().ok()) else {
            // Nobody to tell: the asker has given up when this fails.
            let _ = request.answer.send(Err(failure("no bridge in the brewery")));
            return;
        };
        let token = self.client.send_iq(Some(bridge), IqRequest::Get(request.payload)).await;
        tokio::spawn(async move {
            let answer = match token.await {
                Ok(IqResponse::Result(Some(payload))) => ConferenceModified::from_element(&payload)
                    .map_err(|error| failure(&format!("unreadable answer: {error:?}"))),
                Ok(IqResponse::Result(None)) => Err(failure("an empty answer")),
                Ok(IqResponse::Error(error)) => Err(read_error(error)),
                Err(error) => Err(failure(&error.to_string())),
            };
            let _ = request.answer.send(answer);
        });
    }
}

/// TCP without TLS.
#[derive(Clone, Debug)]
struct PlainConnector(SocketAddr);

impl ServerConnector for PlainConnector {
    type Stream = BufStream<TcpStream>;

    async fn connect(
        &self,
        jid: &Jid,
        ns: &'static str,
        timeouts: Timeouts,
    ) -> Result<(PendingFeaturesRecv<Self::Stream>, ChannelBinding), tokio_xmpp::Error> {
        let stream = BufStream::new(TcpStream::connect(self.0).await?);
        let to = Some(jid.domain().as_str().into());
        let header = StreamHeader { to, from: None, id: None };
        let stream = initiate_stream(stream, ns, header, timeouts).await?;
        Ok((stream, ChannelBinding::None))
    }
}

fn read_stats(stats: &Element) -> BTreeMap<String, String> {
    let read = |stat: &Element| Some((stat.attr("name")?.into(), stat.attr("value")?.into()));
    stats.children().filter_map(read).collect()
}

fn read_error(error: xmpp_parsers::stanza_error::StanzaError) -> ErrorAnswer {
    let element = Element::from(error);
    ErrorAnswer::from_element(&element)
        .unwrap_or_else(|_| failure(&format!("unreadable error: {element:?}")))
}

fn failure(text: &str) -> ErrorAnswer {
    ErrorAnswer::new(StanzaErrorCondition::InternalServerError).with_text(text)
}

/// As Jicofo: what takes longer is a lost bridge.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);

/// More requests at a time than any test has participants.
const QUEUE_LEN: usize = 64;
