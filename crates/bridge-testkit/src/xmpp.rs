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
    commands: mpsc::Sender<Command>,
    brewery: watch::Receiver<Brewery>,
    task: JoinHandle<()>,
}

/// What the focus sees of its room.
#[derive(Default)]
struct Brewery {
    /// How often the focus has logged in.
    logins: u64,
    /// The occupants that published statistics, with the newest.
    bridges: BTreeMap<String, BTreeMap<String, String>>,
}

enum Command {
    Request(Request),
    LogInAgain,
}

struct Request {
    payload: Element,
    answer: oneshot::Sender<Result<ConferenceModified, ErrorAnswer>>,
}

impl XmppBridge {
    /// Logs in and joins the brewery.
    pub fn connect(account: &XmppAccount) -> Result<Self, TestkitError> {
        let bad =
            |detail: &dyn ToString| TestkitError::unexpected("XMPP account", detail.to_string());
        let login = Login {
            jid: account.jid.parse().map_err(|error| bad(&error))?,
            password: account.password.clone(),
            connector: PlainConnector(account.server),
        };
        let room: BareJid = account.brewery.parse().map_err(|error| bad(&error))?;
        let (commands, inbox) = mpsc::channel(QUEUE_LEN);
        let (seen, brewery) = watch::channel(Brewery::default());
        let focus = Focus { client: login.client(), login, room, seen };
        let task = tokio::spawn(focus.run(inbox));
        Ok(Self { commands, brewery, task })
    }

    /// Gives up the connection and logs in again, as after a restart of the server: the library would
    /// try to resume its stream, which a server that was killed does not remember, and stay silent.
    pub async fn log_in_again(&self) {
        // Without the task every later request fails and says so.
        let _ = self.commands.send(Command::LogInAgain).await;
    }

    /// Waits until a bridge is in the brewery; its occupant JID.
    pub async fn wait_for_bridge(&self, patience: Duration) -> Result<String, TestkitError> {
        self.wait_for_bridge_after(0, patience).await
    }

    /// Waits for a bridge in the brewery after more than `logins` logins.
    pub async fn wait_for_bridge_after(
        &self,
        logins: u64,
        patience: Duration,
    ) -> Result<String, TestkitError> {
        let mut brewery = self.brewery.clone();
        let found = brewery.wait_for(|seen| seen.logins > logins && !seen.bridges.is_empty());
        let what = "the presence of a bridge in the brewery".to_owned();
        let found = tokio::time::timeout(patience, found)
            .await
            .map_err(|_| TestkitError::Timeout { what, patience })?;
        let found = found.ok().and_then(|seen| seen.bridges.keys().next().cloned());
        found.ok_or_else(|| TestkitError::unexpected("XMPP", "the connection task has ended"))
    }

    /// How often the focus has logged in.
    pub fn logins(&self) -> u64 {
        self.brewery.borrow().logins
    }

    /// The newest statistics that the bridge published.
    pub fn stats(&self, occupant: &str) -> BTreeMap<String, String> {
        self.brewery.borrow().bridges.get(occupant).cloned().unwrap_or_default()
    }
}

impl ColibriHandler for XmppBridge {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let commands = self.commands.clone();
        Box::pin(async move {
            let (answer, receiver) = oneshot::channel();
            let payload = request.to_element();
            let lost = |_| failure("the connection task has ended");
            let command = Command::Request(Request { payload, answer });
            commands.send(command).await.map_err(|_| lost(()))?;
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

/// All it takes to log in.
struct Login {
    jid: Jid,
    password: String,
    connector: PlainConnector,
}

impl Login {
    fn client(&self) -> Client {
        let (jid, password) = (self.jid.clone(), self.password.as_str());
        Client::new_with_connector(jid, password, self.connector.clone(), Timeouts::default())
    }
}

/// The task that owns the connection.
struct Focus {
    login: Login,
    client: Client,
    room: BareJid,
    seen: watch::Sender<Brewery>,
}

impl Focus {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                event = self.client.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
                command = inbox.recv() => match command {
                    Some(Command::Request(request)) => self.send(request).await,
                    Some(Command::LogInAgain) => self.client = self.login.client(),
                    None => return,
                },
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Online { .. } => {
                // A new login knows nobody. A resumed one is rare enough to be treated alike.
                let logins = self.seen.borrow().logins + 1;
                self.seen.send_replace(Brewery { logins, bridges: BTreeMap::new() });
                self.join().await;
            }
            Event::Disconnected(_) => {}
            Event::Stanza(Stanza::Presence(presence)) => self.on_presence(&presence),
            Event::Stanza(_) => {}
        }
    }

    async fn join(&mut self) {
        let Ok(occupant) = self.room.with_resource_str("focus") else { return };
        let muc = Element::builder("x", "http://jabber.org/protocol/muc").build();
        let mut presence = Presence::new(PresenceType::None).with_to(Jid::from(occupant));
        presence.payloads.push(muc);
        // When it fails the connection is down, and the next login joins again.
        let _ = self.client.send_stanza(presence.into()).await;
    }

    fn on_presence(&self, presence: &Presence) {
        let Some(from) = presence.from.as_ref().filter(|from| from.to_bare() == self.room) else {
            return;
        };
        let occupant = from.to_string();
        if presence.type_ == PresenceType::Unavailable {
            self.seen.send_if_modified(|seen| seen.bridges.remove(&occupant).is_some());
            return;
        }
        let stats = presence.payloads.iter().find(|payload| payload.is("stats", ns::COLIBRI));
        if let Some(stats) = stats {
            self.seen.send_modify(|seen| {
                seen.bridges.insert(occupant, read_stats(stats));
            });
        }
    }

    async fn send(&mut self, request: Request) {
        let bridge = self.seen.borrow().bridges.keys().next().cloned();
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
