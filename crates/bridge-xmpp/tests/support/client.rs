use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bridge_testkit::prosody::{AUTH_DOMAIN, Account, BREWERY, FOCUS};
use futures_util::{SinkExt, StreamExt};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_xmpp::xmlstream::{StreamHeader, Timeouts, XmlStream, XmppStream, initiate_stream};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::minidom::rxml::{Namespace, NcName};

use super::PATIENCE;

/// A client that says what it is told to, without TLS.
pub(crate) struct Client {
    stream: XmlStream<BufStream<TcpStream>, Element>,
    /// Came in while something else was waited for.
    skipped: Vec<Element>,
}

impl Client {
    /// The focus, in the brewery.
    pub(crate) async fn focus(address: SocketAddr) -> Self {
        let mut client = Self::log_in(address, FOCUS).await;
        client.join(BREWERY, "focus").await;
        client
    }

    /// Logs in and binds a resource.
    pub(crate) async fn log_in(address: SocketAddr, account: Account) -> Self {
        let header = || StreamHeader { to: Some(Cow::Borrowed(AUTH_DOMAIN)), from: None, id: None };
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let stream =
            initiate_stream(BufStream::new(socket), "jabber:client", header(), Timeouts::default())
                .await
                .unwrap();
        let (features, stream): (_, XmppStream<_>) = stream.recv_features().await.unwrap();
        let credentials = Credentials::default()
            .with_username(account.username)
            .with_password(account.password)
            .with_channel_binding(ChannelBinding::None);
        let stream =
            tokio_xmpp::client_login(stream, features.sasl_mechanisms, credentials).await.unwrap();
        let stream = stream.send_header(header()).await.unwrap();
        let (_, stream) = stream.recv_features().await.unwrap();
        let mut client = Self { stream, skipped: Vec::new() };
        client
            .send(
                "<iq xmlns='jabber:client' type='set' id='bind'>\
                 <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            )
            .await;
        client.wait("bind", |e| e.attr("id") == Some("bind")).await;
        client.send("<presence xmlns='jabber:client'/>").await;
        client
    }

    /// Joins a room; answers the own presence in it.
    pub(crate) async fn join(&mut self, room: &str, nickname: &str) -> Element {
        self.send(&format!(
            "<presence xmlns='jabber:client' to='{room}/{nickname}'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await;
        let occupant = format!("{room}/{nickname}");
        self.wait("own presence", |e| {
            e.name() == "presence" && e.attr("from") == Some(occupant.as_str())
        })
        .await
    }

    pub(crate) async fn send(&mut self, stanza: &str) {
        let element: Element = stanza.parse().expect("well-formed");
        self.stream.send(&element).await.unwrap();
    }

    /// Sends a request without waiting for the answer; answers its id.
    pub(crate) async fn request(&mut self, to: &str, kind: &str, payload: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("<{}> & 'ä'", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut iq: Element =
            format!("<iq xmlns='jabber:client' to='{to}' type='{kind}'>{payload}</iq>")
                .parse()
                .expect("well-formed");
        set(&mut iq, "id", &id);
        self.stream.send(&iq).await.unwrap();
        id
    }

    /// Sends a request with an attribute that the reader of these tests would refuse as well.
    pub(crate) async fn send_long_attribute(&mut self, to: &str) {
        let mut iq: Element =
            format!("<iq xmlns='jabber:client' to='{to}' type='get' id='long'><a xmlns='x'/></iq>")
                .parse()
                .expect("well-formed");
        set(iq.get_child_mut("a", "x").expect("is there"), "b", &"x".repeat(100_000));
        self.stream.send(&iq).await.unwrap();
    }

    /// The answer to a request.
    pub(crate) async fn answer(&mut self, id: &str) -> Element {
        self.wait("answer", |e| e.name() == "iq" && e.attr("id") == Some(id)).await
    }

    /// Sends a request and waits for the answer.
    pub(crate) async fn ask(&mut self, to: &str, kind: &str, payload: &str) -> Element {
        let id = self.request(to, kind, payload).await;
        self.answer(&id).await
    }

    /// Waits for a stanza; what comes in before is kept for later.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        is_wanted: impl Fn(&Element) -> bool,
    ) -> Element {
        if let Some(index) = self.skipped.iter().position(&is_wanted) {
            return self.skipped.remove(index);
        }
        timeout(PATIENCE, async {
            loop {
                let element = self.stream.next().await.expect("connected").expect("readable");
                if is_wanted(&element) {
                    return element;
                }
                self.skipped.push(element);
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {what}; instead {} stanzas", self.skipped.len()))
    }

    /// All that comes in within `duration`, and came in before.
    pub(crate) async fn drain(&mut self, duration: Duration) -> Vec<Element> {
        let mut all = std::mem::take(&mut self.skipped);
        let deadline = tokio::time::Instant::now() + duration;
        while let Ok(Some(Ok(element))) =
            tokio::time::timeout_at(deadline, self.stream.next()).await
        {
            all.push(element);
        }
        all
    }
}

fn set(element: &mut Element, name: &str, value: &str) {
    let name = NcName::try_from(name).expect("a name");
    element.set_attr(Namespace::NONE, name, value);
}

/// The condition of an error answer; `None` for a result.
pub(crate) fn iq_error(answer: &Element) -> Option<String> {
    let error = answer.get_child("error", "jabber:client")?;
    let condition = error
        .children()
        .find(|e| e.has_ns("urn:ietf:params:xml:ns:xmpp-stanzas") && e.name() != "text")?;
    Some(condition.name().to_owned())
}
