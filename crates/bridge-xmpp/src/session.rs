use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
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
    /// Whether the server may still know the session.
    const fn is_resumable(&self) -> bool {
        !matches!(self, Self::StreamError(_) | Self::Management(_))
    }
}

impl Session {
    /// Resumes `previous` or binds a resource, after the login. Says whether it was resumed.
    pub(crate) async fn start(
        features: &StreamFeatures,
        mut stream: Stream,
        previous: Option<StreamManagement>,
    ) -> Result<(Self, bool), LoginError> {
        let started = timeout(START_TIMEOUT, async {
            let has_management = features.stream_management.is_some();
            if let Some(management) = previous.filter(|_| has_management)
                && let Some(management) = resume(&mut stream, management).await?
            {
                return Ok((Self { stream, management: Some(management) }, true));
            }
            bind(&mut stream, features).await?;
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

    /// What is needed to resume the session after `error`, if that is possible.
    pub(crate) fn into_resumption(self, error: &SessionError) -> Option<StreamManagement> {
        self.management.filter(|_| error.is_resumable())
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

/// Lets the server choose a resource (RFC 6120 section 7.6).
async fn bind(stream: &mut Stream, features: &StreamFeatures) -> Result<(), LoginError> {
    request(stream, "bind", xml::element("bind", xml::BIND, &[])).await?;
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

/// All answers between login and session. Smack waits 5 s for each of the three.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// A server that takes nothing for so long is not worth waiting for: Jicofo has given up by then.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// For the server's half of the goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
