//! From a name to a logged-in stream: TCP, STARTTLS, SASL. What follows is in `session`.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::{AsyncBufRead, AsyncWrite, BufStream};
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_xmpp::connect::AsyncReadAndWrite;
use tokio_xmpp::xmlstream::{
    ReadError, RecvFeaturesError, StreamHeader, Timeouts, XmlStream, XmppStream, XmppStreamElement,
    initiate_stream,
};
use xmpp_parsers::starttls::{Nonza, Request};
use xmpp_parsers::stream_features::StreamFeatures;

use crate::received::Received;
use crate::socket::Socket;
use crate::{ConnectionSettings, SecurityMode, xml};

/// A stream, over TLS or not.
pub(crate) type Stream = XmlStream<Transport, Received>;

type Transport = Box<dyn AsyncReadAndWrite + Send>;

/// Connects and logs in.
pub(crate) async fn log_in(
    settings: &ConnectionSettings,
    tls: &TlsConnector,
) -> Result<(StreamFeatures, Stream), LoginError> {
    let domain = settings.effective_domain();
    let socket = connect(settings).await?;
    let negotiated = timeout(NEGOTIATION_TIMEOUT, async {
        let (features, stream) = secure(settings, tls, socket).await?;
        authenticate(settings, domain, &features, stream).await
    });
    negotiated.await.map_err(|_| LoginError::TimedOut)?
}

/// Tries each address of the name.
async fn connect(settings: &ConnectionSettings) -> Result<Socket, LoginError> {
    let port = settings.effective_port();
    // An IPv6 address may be written with brackets, as in a URL.
    let host = settings.hostname.trim_matches(['[', ']']);
    let addresses = lookup_host((host, port)).await.map_err(LoginError::Resolve)?;
    let mut last = LoginError::NoAddress;
    for address in addresses.take(MAX_ADDRESSES) {
        match timeout(CONNECT_TIMEOUT, Socket::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => last = LoginError::Connect(error),
            Err(_) => last = LoginError::TimedOut,
        }
    }
    Err(last)
}

/// Opens the stream and upgrades it to TLS as the security mode asks for.
async fn secure(
    settings: &ConnectionSettings,
    tls: &TlsConnector,
    socket: Socket,
) -> Result<(StreamFeatures, XmppStream<Transport>), LoginError> {
    let domain = settings.effective_domain();
    let mode = settings.effective_security_mode();
    let (features, mut stream) = open(BufStream::new(socket), domain).await?;
    match (mode, &features.starttls) {
        (SecurityMode::Required, None) => return Err(LoginError::TlsNotOffered),
        (SecurityMode::Disabled, Some(starttls)) if starttls.required => {
            return Err(LoginError::TlsDemanded);
        }
        (SecurityMode::Disabled, _) | (SecurityMode::IfPossible, None) => {
            return Ok((features, stream.box_stream()));
        }
        (SecurityMode::Required | SecurityMode::IfPossible, Some(_)) => {}
    }
    request_tls(&mut stream).await?;
    // RFC 6120 section 5.4.3.3: nothing that was sent in the clear counts after this point, so
    // that what is left in the buffer is discarded with it.
    let socket = stream.into_inner().into_inner();
    let name = ServerName::try_from(domain.to_owned())
        .map_err(|_| LoginError::InvalidDomain(domain.to_owned()))?;
    let secured = tls.connect(name, socket).await.map_err(LoginError::Tls)?;
    let (features, stream) = open(BufStream::new(secured), domain).await?;
    Ok((features, stream.box_stream()))
}

async fn open<Io>(io: Io, domain: &str) -> Result<(StreamFeatures, XmppStream<Io>), LoginError>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    let stream = initiate_stream(io, xml::CLIENT, header(domain), TIMEOUTS).await?;
    Ok(stream.recv_features().await?)
}

async fn request_tls<Io>(stream: &mut XmppStream<Io>) -> Result<(), LoginError>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    stream.send(&XmppStreamElement::Starttls(Nonza::Request(Request))).await?;
    loop {
        match stream.next().await.map(|item| item.and_then(|item| item.into_read_error())) {
            Some(Ok(XmppStreamElement::Starttls(Nonza::Proceed(_)))) => return Ok(()),
            Some(Ok(_)) => return Err(LoginError::TlsRefused),
            Some(Err(ReadError::SoftTimeout)) => {}
            Some(Err(ReadError::HardError(error))) => return Err(LoginError::Stream(error)),
            Some(Err(ReadError::ParseError(_))) => return Err(LoginError::TlsRefused),
            None | Some(Err(ReadError::StreamFooterReceived)) => return Err(LoginError::Closed),
        }
    }
}

/// Logs in with the strongest mechanism that both sides have.
async fn authenticate(
    settings: &ConnectionSettings,
    domain: &str,
    features: &StreamFeatures,
    stream: XmppStream<Transport>,
) -> Result<(StreamFeatures, Stream), LoginError> {
    let mut mechanisms = features.sasl_mechanisms.clone();
    // The library would use it as the last resort, but it does not log in to the account.
    mechanisms.remove("ANONYMOUS");
    let credentials = Credentials::default()
        .with_username(settings.username.as_str())
        .with_password(settings.password.as_str())
        // Not "unsupported": that tells the server that this side would bind if it could, and a
        // server that does bind must then refuse (RFC 5802 section 6).
        .with_channel_binding(ChannelBinding::None);
    let stream = tokio_xmpp::client_login(stream, mechanisms, credentials).await?;
    let stream = stream.send_header(header(domain)).await?;
    Ok(stream.recv_features().await?)
}

const fn header(domain: &str) -> StreamHeader<'_> {
    StreamHeader { to: Some(Cow::Borrowed(domain)), from: None, id: None }
}

/// Why a connection was not established.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The name was not resolved.
    #[error("the host name cannot be resolved: {0}")]
    Resolve(#[source] io::Error),
    /// The name has no address.
    #[error("the host name has no address")]
    NoAddress,
    /// No TCP connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The server did not answer in time.
    #[error("timed out")]
    TimedOut,
    /// TLS is required and not offered.
    #[error("the server does not offer TLS, which is required")]
    TlsNotOffered,
    /// TLS is disabled and demanded.
    #[error("the server demands TLS, which is disabled")]
    TlsDemanded,
    /// The server offered TLS and then did not.
    #[error("the server refused to start TLS")]
    TlsRefused,
    /// TLS failed, for example over the certificate.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    /// The domain is none that a certificate can have.
    #[error("the domain {0:?} is not a host name")]
    InvalidDomain(String),
    /// The server refused the account.
    #[error("login refused: {0}")]
    Refused(String),
    /// The stream broke.
    #[error("{0}")]
    Stream(io::Error),
    /// The server closed the stream.
    #[error("the server closed the stream")]
    Closed,
    /// The server ended the stream with an error.
    #[error("stream error: {0}")]
    StreamError(String),
    /// The server does not let this side choose an address.
    #[error("the server refused to bind a resource: {0}")]
    Bind(String),
}

impl From<io::Error> for LoginError {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<RecvFeaturesError> for LoginError {
    fn from(error: RecvFeaturesError) -> Self {
        match error {
            RecvFeaturesError::Io(error) => Self::Stream(error),
            RecvFeaturesError::StreamError(error) => Self::StreamError(error.to_string()),
        }
    }
}

impl From<tokio_xmpp::Error> for LoginError {
    fn from(error: tokio_xmpp::Error) -> Self {
        match error {
            tokio_xmpp::Error::Auth(error) => Self::Refused(error.to_string()),
            tokio_xmpp::Error::Io(error) => Self::Stream(error),
            tokio_xmpp::Error::Disconnected => Self::Closed,
            other => Self::StreamError(other.to_string()),
        }
    }
}

/// JVB's (Smack's) limit for one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// All of STARTTLS, SASL and the stream headers. JVB waits 5 s for each of some eight answers.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried; more is not a server but a mistake.
const MAX_ADDRESSES: usize = 16;
/// After 30 s of silence this side asks for a sign of life, and waits for it for another 120 s.
/// Smack's `PingManager` as JVB configures it.
pub(crate) const TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(30), response_timeout: Duration::from_secs(120) };
