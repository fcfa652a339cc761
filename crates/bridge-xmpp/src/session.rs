use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_xmpp::xmlstream::ReadError;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stream_features::StreamFeatures;

use crate::login::{LoginError, Stream};
use crate::received::Received;
use crate::stream_management::{StreamManagement, StreamManagementError};
use crate::xml;

/// A stream that stanzas can be exchanged on: resource bound or session resumed, stanzas counted.
pub(crate) struct Session {
    stream: Stream,
    management: Option<StreamManagement>,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Event {
    /// An IQ, presence or message.
    Stanza(Element),
    /// The header of a stanza that was discarded for its size.
    TooLarge(Element),
    /// Nothing came in for a while: the server is to be asked for a sign of life.
    Quiet,
}

/// What [`Session::next`] read.
pub(crate) type Item = Option<Result<Received, ReadError>>;

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The connection was closed without closing the stream.
    #[error("the connection was closed")]
    Eof,
    /// The server closed the stream.
    #[error("the server closed the stream")]
    Closed,
    /// The server ended the stream with an error.
    #[error("stream error: {0}")]
    StreamError(String),
    /// The server does not take what is sent.
    #[error("the server does not read")]
    WriteTimeout,
    /// The server's counters do not fit.
    #[error("{0}")]
    Management(#[from] StreamManagementError),
}

impl SessionError {
    /// Whether the server may still know the session, and would not end it in the same way: with
    /// the resumption it sends again what was not acknowledged, even what is not XML to this side.
    fn is_resumable(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Eof | Self::Closed | Self::WriteTimeout => true,
            Self::StreamError(_) | Self::Management(_) => false,
        }
    }
}

impl Session {
    /// Resumes `previous` or binds a resource, after the login. Says whether it was resumed.
    pub(crate) async fn start(
        features: &StreamFeatures,
        mut stream: Stream,
        resource: Option<&str>,
        previous: Option<StreamManagement>,
    ) -> Result<(Self, bool), LoginError> {
        let started = timeout(START_TIMEOUT, async {
            let has_management = features.stream_management.is_some();
            if let Some(management) = previous.filter(|_| has_management)
                && let Some(management) = resume(&mut stream, management).await?
            {
                return Ok((Self { stream, management: Some(management) }, true));
            }
            bind(&mut stream, features, resource).await?;
            let management = if has_management { enable(&mut stream).await? } else { None };
            Ok((Self { stream, management }, false))
        });
        started.await.map_err(|_| LoginError::TimedOut)?
    }

    /// Reads. Nothing is lost if it is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Item {
        self.stream.next().await
    }

    /// Looks at what was read; answers and counts what belongs to the stream itself.
    pub(crate) async fn accept(&mut self, item: Item) -> Result<Option<Event>, SessionError> {
        let element = match item {
            Some(Ok(Received::Element(element))) => element,
            Some(Ok(Received::TooLarge(header))) => {
                return Ok(self.note_received(&header).then_some(Event::TooLarge(header)));
            }
            Some(Err(ReadError::SoftTimeout)) => return Ok(Some(Event::Quiet)),
            Some(Err(ReadError::HardError(error))) => return Err(error.into()),
            Some(Err(ReadError::ParseError(_))) => return Ok(None),
            Some(Err(ReadError::StreamFooterReceived)) => return Err(SessionError::Closed),
            None => return Err(SessionError::Eof),
        };
        if self.note_received(&element) {
            return Ok(Some(Event::Stanza(element)));
        }
        if let Some(condition) = stream_error(&element) {
            return Err(SessionError::StreamError(condition));
        }
        if let Some(management) = &mut self.management {
            if element.is("r", xml::SM) {
                let acknowledgement = management.acknowledgement();
                self.write(&acknowledgement).await?;
            } else if element.is("a", xml::SM) {
                management.note_acknowledged(&element)?;
            }
        }
        Ok(None)
    }

    /// Sends a stanza, with the next [`Session::flush`] at the latest.
    pub(crate) async fn send(&mut self, stanza: &Element) -> Result<(), SessionError> {
        self.write(stanza).await?;
        let Some(management) = &mut self.management else { return Ok(()) };
        if management.note_sent(stanza)? {
            self.write(&StreamManagement::request()).await?;
        }
        Ok(())
    }

    /// Writes what was sent to the connection.
    pub(crate) async fn flush(&mut self) -> Result<(), SessionError> {
        let flushed = SinkExt::<&Element>::flush(&mut self.stream);
        timeout(WRITE_TIMEOUT, flushed).await.map_err(|_| SessionError::WriteTimeout)??;
        Ok(())
    }

    /// Ends the session after `error`. Answers what is needed to resume it, if that is possible.
    /// If not, the server is told to forget it: else it would route requests to it, instead of
    /// the next session, until it gives it up.
    pub(crate) async fn end(mut self, error: &SessionError) -> Option<StreamManagement> {
        if error.is_resumable() {
            return self.management.take();
        }
        // Below the stream, which may not be able to read any further. What comes in is read to
        // its end: a socket that is closed before resets the connection, goodbye included.
        let mut io = self.stream.into_inner();
        let ended = async {
            io.write_all(STREAM_END).await?;
            io.shutdown().await?;
            tokio::io::copy(&mut io, &mut tokio::io::sink()).await
        };
        drop(timeout(CLOSE_TIMEOUT, ended).await);
        None
    }

    /// Closes the stream in an orderly way, so that the server forgets the session at once. Takes
    /// [`CLOSE_TIMEOUT`] at most.
    pub(crate) async fn close(mut self) {
        let closed = async {
            if self.stream.shutdown().await.is_err() {
                return;
            }
            // Everything up to the end of the other direction is of no interest any more.
            while let Some(item) = self.stream.next().await {
                if matches!(item, Err(ReadError::HardError(_) | ReadError::StreamFooterReceived)) {
                    return;
                }
            }
        };
        drop(timeout(CLOSE_TIMEOUT, closed).await);
    }

    async fn write(&mut self, element: &Element) -> Result<(), SessionError> {
        let written = SinkExt::<&Element>::feed(&mut self.stream, element);
        timeout(WRITE_TIMEOUT, written).await.map_err(|_| SessionError::WriteTimeout)??;
        Ok(())
    }

    /// Counts a stanza. Answers whether `element` is one.
    fn note_received(&mut self, element: &Element) -> bool {
        let is_stanza =
            element.has_ns(xml::CLIENT) && matches!(element.name(), "iq" | "presence" | "message");
        if let Some(management) = self.management.as_mut().filter(|_| is_stanza) {
            management.note_received();
        }
        is_stanza
    }
}

/// Asks the server to go on with the old session. None if it has forgotten it.
async fn resume(
    stream: &mut Stream,
    mut management: StreamManagement,
) -> Result<Option<StreamManagement>, LoginError> {
    let Some(request) = management.resume() else { return Ok(None) };
    stream.send(&request).await?;
    let answer = answer(stream, |e| e.is("resumed", xml::SM) || e.is("failed", xml::SM)).await?;
    if answer.name() == "failed" || management.note_acknowledged(&answer).is_err() {
        return Ok(None);
    }
    for stanza in management.unacknowledged() {
        SinkExt::<&Element>::feed(stream, stanza).await?;
    }
    SinkExt::<&Element>::flush(stream).await?;
    Ok(Some(management))
}

/// Lets the server choose a resource (RFC 6120 section 7.6), or asks for one (7.7).
async fn bind(
    stream: &mut Stream,
    features: &StreamFeatures,
    resource: Option<&str>,
) -> Result<(), LoginError> {
    let mut bind = xml::element("bind", xml::BIND, &[]);
    if let Some(resource) = resource {
        bind.append_child(xml::text_element("resource", xml::BIND, resource));
    }
    request(stream, "bind", bind).await?;
    // RFC 3921 section 3, which RFC 6121 dropped: only servers that demand it are asked.
    let session = features.others.iter().find(|feature| feature.is("session", xml::SESSION));
    if session.is_some_and(|session| !session.has_child("optional", xml::SESSION)) {
        request(stream, "session", xml::element("session", xml::SESSION, &[])).await?;
    }
    Ok(())
}

async fn request(stream: &mut Stream, id: &str, payload: Element) -> Result<(), LoginError> {
    let iq = xml::element("iq", xml::CLIENT, &[("type", "set"), ("id", id)]);
    stream.send(&xml::with_child(iq, payload)).await?;
    let answer = answer(stream, |e| e.is("iq", xml::CLIENT) && e.attr("id") == Some(id)).await?;
    if answer.attr("type") == Some("result") {
        return Ok(());
    }
    Err(LoginError::Bind(xml::error_condition(&answer).unwrap_or("unknown error").to_owned()))
}

async fn enable(stream: &mut Stream) -> Result<Option<StreamManagement>, LoginError> {
    stream.send(&StreamManagement::enable()).await?;
    let answer = answer(stream, |e| e.is("enabled", xml::SM) || e.is("failed", xml::SM)).await?;
    Ok((answer.name() == "enabled").then(|| StreamManagement::from_enabled(&answer)))
}

/// Waits for the element that is looked for. Nothing else that comes before matters.
async fn answer(
    stream: &mut Stream,
    is_wanted: impl Fn(&Element) -> bool,
) -> Result<Element, LoginError> {
    loop {
        match stream.next().await {
            Some(Ok(Received::Element(element))) if is_wanted(&element) => return Ok(element),
            Some(Ok(Received::Element(element))) => {
                if let Some(condition) = stream_error(&element) {
                    return Err(LoginError::StreamError(condition));
                }
            }
            Some(
                Ok(Received::TooLarge(_)) | Err(ReadError::SoftTimeout | ReadError::ParseError(_)),
            ) => {}
            Some(Err(ReadError::HardError(error))) => return Err(LoginError::Stream(error)),
            Some(Err(ReadError::StreamFooterReceived)) | None => return Err(LoginError::Closed),
        }
    }
}

/// The condition of a stream error (RFC 6120 section 4.9).
fn stream_error(element: &Element) -> Option<String> {
    element.is("error", xml::STREAMS).then(|| {
        element
            .children()
            .find(|child| child.has_ns(xml::STREAM_ERRORS) && child.name() != "text")
            .map_or("unknown", Element::name)
            .to_owned()
    })
}

/// RFC 6120 section 4.4.
const STREAM_END: &[u8] = b"</stream:stream>";
/// All answers between login and session. Smack waits 5 s for each of the three.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// A server that takes nothing for so long is not worth waiting for: Jicofo has given up by then.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// For the server's half of the goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tokio::io::{BufStream, DuplexStream};
    use tokio::time::Instant;
    use tokio_xmpp::xmlstream::{StreamHeader, XmlStream, accept_stream, initiate_stream};

    use super::*;
    use crate::login::TIMEOUTS;

    type Server = XmlStream<BufStream<DuplexStream>, Element>;

    /// Both ends of a stream that is logged in.
    async fn streams(features: &StreamFeatures) -> (StreamFeatures, Stream, Server) {
        let (client, server) = tokio::io::duplex(1 << 16);
        let client = async {
            let io = BufStream::new(client);
            let header = StreamHeader { to: None, from: None, id: None };
            let stream = initiate_stream(io, xml::CLIENT, header, TIMEOUTS).await.unwrap();
            let (features, stream) = stream.recv_features().await.unwrap();
            (features, stream.box_stream())
        };
        let server = async {
            let stream =
                accept_stream(BufStream::new(server), xml::CLIENT, TIMEOUTS).await.unwrap();
            let header = StreamHeader { to: None, from: None, id: None };
            let stream = stream.send_header(header).await.unwrap();
            stream.send_features(features).await.unwrap()
        };
        let ((features, stream), server) = tokio::join!(client, server);
        (features, stream, server)
    }

    fn features(children: &str) -> StreamFeatures {
        let features: Element =
            format!("<features xmlns='http://etherx.jabber.org/streams'>{children}</features>")
                .parse()
                .unwrap();
        StreamFeatures::try_from(features).unwrap()
    }

    fn managed() -> StreamFeatures {
        features("<sm xmlns='urn:xmpp:sm:3'/>")
    }

    async fn receive(server: &mut Server) -> Element {
        server.next().await.unwrap().unwrap()
    }

    async fn answer(server: &mut Server, answer: &str) -> Element {
        let request = receive(server).await;
        server.send(&answer.parse::<Element>().unwrap()).await.unwrap();
        request
    }

    const BOUND: &str = "<iq xmlns='jabber:client' type='result' id='bind'/>";
    const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='s1' resume='true'/>";

    async fn started(previous: Option<StreamManagement>) -> (Session, Server) {
        let (features, stream, mut server) = streams(&managed()).await;
        let start = Session::start(&features, stream, None, previous);
        let serve = async {
            answer(&mut server, BOUND).await;
            answer(&mut server, ENABLED).await;
        };
        let (result, ()) = tokio::join!(start, serve);
        let (session, resumed) = result.unwrap();
        assert!(!resumed);
        (session, server)
    }

    fn stanza(id: &str) -> Element {
        xml::element("iq", xml::CLIENT, &[("id", id)])
    }

    #[tokio::test]
    async fn the_server_chooses_the_resource_unless_one_is_asked_for() {
        for (resource, asked) in [(None, None), (Some("jvb"), Some("jvb".to_owned()))] {
            let (features, stream, mut server) = streams(&features("")).await;
            let start = Session::start(&features, stream, resource, None);
            let (result, request) = tokio::join!(start, answer(&mut server, BOUND));
            assert!(result.unwrap().0.management.is_none(), "not offered");
            let bind = request.get_child("bind", xml::BIND).unwrap();
            assert_eq!(bind.get_child("resource", xml::BIND).map(Element::text), asked);
        }
    }

    #[tokio::test]
    async fn a_refused_resource_is_an_error() {
        let (features, stream, mut server) = streams(&features("")).await;
        let refusal = "<iq xmlns='jabber:client' type='error' id='bind'><error type='cancel'>\
            <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
        let start = Session::start(&features, stream, None, None);
        let (result, _) = tokio::join!(start, answer(&mut server, refusal));
        assert!(
            matches!(result.err(), Some(LoginError::Bind(condition)) if condition == "conflict")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up_while_starting() {
        let (features, stream, _server) = streams(&managed()).await;
        let since = Instant::now();
        let result = Session::start(&features, stream, None, None).await;
        assert!(matches!(result.err(), Some(LoginError::TimedOut)));
        assert_eq!(since.elapsed().as_secs(), START_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn a_resumed_session_sends_again_what_was_not_acknowledged() {
        let (mut session, server) = started(None).await;
        for id in ["1", "2", "3"] {
            session.send(&stanza(id)).await.unwrap();
        }
        drop(server);
        let previous = session.end(&SessionError::Eof).await;
        let (features, stream, mut server) = streams(&managed()).await;
        let start = Session::start(&features, stream, None, previous);
        let serve = async {
            let resumed = "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='1'/>";
            let resume = answer(&mut server, resumed).await;
            assert_eq!((resume.name(), resume.attr("previd")), ("resume", Some("s1")));
            [receive(&mut server).await, receive(&mut server).await]
        };
        let (result, again) = tokio::join!(start, serve);
        assert!(result.unwrap().1, "resumed");
        assert_eq!(again.map(|stanza| stanza.attr("id").unwrap().to_owned()), ["2", "3"]);
    }

    #[tokio::test]
    async fn a_session_that_the_server_forgot_is_replaced() {
        for refusal in [
            "<failed xmlns='urn:xmpp:sm:3'><item-not-found \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
            "<failed xmlns='urn:xmpp:sm:3' h='7'/>",
            "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='99'/>",
        ] {
            let (session, server) = started(None).await;
            drop(server);
            let previous = session.end(&SessionError::Closed).await;
            assert!(previous.is_some());
            let (features, stream, mut server) = streams(&managed()).await;
            let start = Session::start(&features, stream, None, previous);
            let serve = async {
                for reply in [refusal, BOUND, ENABLED] {
                    answer(&mut server, reply).await;
                }
            };
            let (result, ()) = tokio::join!(start, serve);
            assert!(!result.unwrap().1, "{refusal}");
        }
    }

    #[tokio::test]
    async fn acknowledgements_are_given_and_stream_errors_told() {
        let (mut session, mut server) = started(None).await;
        for element in [
            "<message xmlns='jabber:client'/>",
            "<iq xmlns='jabber:client'/>",
            "<unknown xmlns='jabber:client'/>",
            "<r xmlns='urn:xmpp:sm:3'/>",
            "<error xmlns='http://etherx.jabber.org/streams'>\
             <conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>",
        ] {
            server.send(&element.parse::<Element>().unwrap()).await.unwrap();
        }
        let error = loop {
            let item = session.next().await;
            if let Err(error) = session.accept(item).await {
                break error;
            }
        };
        assert_eq!(error.to_string(), "stream error: conflict");
        session.flush().await.unwrap();
        assert_eq!(receive(&mut server).await.attr("h"), Some("2"));
        let (previous, ()) = tokio::join!(session.end(&error), async {
            assert!(matches!(server.next().await, Some(Err(ReadError::StreamFooterReceived))));
            drop(server);
        });
        assert!(previous.is_none(), "not resumable");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_and_then_ends_the_session() {
        let (mut session, _server) = started(None).await;
        let since = Instant::now();
        let item = session.next().await;
        assert!(matches!(session.accept(item).await, Ok(Some(Event::Quiet))));
        assert_eq!(since.elapsed().as_secs(), 30);
        let item = session.next().await;
        assert!(matches!(session.accept(item).await, Err(SessionError::Io(_))));
        assert_eq!(since.elapsed().as_secs(), 150);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_read_ends_the_session() {
        let (mut session, _server) = started(None).await;
        let long = xml::text_element("message", xml::CLIENT, &"x".repeat(1 << 17));
        session.send(&long).await.unwrap();
        assert!(matches!(session.flush().await, Err(SessionError::WriteTimeout)));
    }
}
