//! From a configuration to a running bridge, and its orderly end.

use crate::health::Health;
use crate::load::{self, Load};
use crate::media::{self, Media, MediaError};
use crate::service::Service;
use crate::settings;
use crate::statistics::Statistics;
use crate::version::VERSION;
use crate::videobridge::Videobridge;
use crate::wall_clock;
use bridge_conference::{
    ConferenceEnvironment, ConferenceSettings, CurrentCertificate, LocalAddresses, Placement,
    SessionIds,
};
use bridge_config::{Config, HttpListen};
use bridge_demo::{Demo, Limits};
use bridge_dtls::Certificate;
use bridge_io::{Clock, UdpShards};
use bridge_xmpp::{PresenceSource, XmppConnections};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long open HTTP requests may keep the bridge from ending.
const HTTP_STOP_LIMIT: Duration = Duration::from_millis(500);

/// How often rates are measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// How often the certificate's age is looked at.
const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(600);

/// How often the demo looks for pages that have vanished.
const DEMO_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Why the bridge could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data plane.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The certificate.
    #[error("cannot make a DTLS certificate: {0}")]
    Certificate(#[from] bridge_dtls::CertificateError),
    /// The HTTP server's address.
    #[error("cannot listen for HTTP on {address}: {error}")]
    Http {
        /// Where.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The runtime or a signal handler.
    #[error("the system refused a resource: {0}")]
    System(#[from] std::io::Error),
}

/// Why the bridge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A shutdown that was requested over HTTP is complete.
    Shutdown,
    /// A signal, by its number.
    Signal(u8),
}

impl Ending {
    /// The process's exit code: 0, or 128 and the signal, as the Java machine has it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Shutdown => 0,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// A bridge that is up.
struct Running {
    bridge: Arc<Videobridge>,
    service: Arc<Service>,
    shards: UdpShards,
    xmpp: Arc<XmppConnections>,
    /// Never end by themselves.
    tasks: JoinSet<()>,
    /// Ends when it is told to and its requests are answered.
    http: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Runs a bridge until it is told to end.
///
/// # Errors
/// When it cannot start.
pub fn run(config: &Config, demo: bool) -> Result<Ending, RunError> {
    let clock = Clock::start();
    let context = media::transport_context(config, clock)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before anything is bound, so that no signal finds the default action.
        let mut signals = Signals::new()?;
        let listener = bind_http(config).await?;
        let media = media::start(config, context, clock)?;
        let mut running = Running::start(config, media, clock)?;
        running.serve_http(config, listener, demo);
        running.connect_xmpp(config).await;
        // Without systemd there is nobody to notify.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        tracing::info!(version = VERSION, "the bridge is up");
        let ending = running.wait(&mut signals).await;
        tracing::info!(?ending, "the bridge ends");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        running.stop().await;
        Ok(ending)
    })
}

impl Running {
    fn start(config: &Config, media: Media, clock: Clock) -> Result<Self, RunError> {
        let Media { shards, addresses, events, shard_died } = media;
        let environment = environment(config, &addresses, shards.group().inboxes().len())?;
        let bridge = Videobridge::new(
            environment,
            Arc::clone(shards.group()),
            clock,
            settings::shutdown_times(config),
            config.initial_drain_mode,
        );
        let health = Arc::new(Health::new(settings::health(config, &addresses, shard_died)));
        let statistics = Arc::new(Statistics::new(
            Arc::clone(&bridge),
            Arc::clone(&health),
            settings::identity(config),
            Arc::new(Load::new(Arc::clone(&bridge), &settings::load(config))),
        ));
        let service = Arc::new(Service {
            bridge: Arc::clone(&bridge),
            health,
            statistics,
            xmpp: OnceLock::new(),
            runtime: tokio::runtime::Handle::current(),
        });
        let (stop, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&bridge).dispatch_events(events));
        tasks.spawn(check_health(Arc::clone(&service)));
        tasks.spawn(measure(Arc::clone(&service)));
        tasks.spawn(sample_load(Arc::clone(&service)));
        tasks.spawn(rotate_certificate(Arc::clone(&bridge)));
        let presence = publish_presence(Arc::clone(&service), config, &mut tasks);
        let xmpp = Arc::new(XmppConnections::new(Arc::clone(&service) as _, presence));
        // Nobody has set them before: this is the only place.
        let _ = service.xmpp.set(Arc::clone(&xmpp));
        let _ = service.statistics.xmpp.set(Arc::clone(&xmpp));
        Ok(Self { bridge, service, shards, xmpp, tasks, http: None, stop })
    }

    fn serve_http(&mut self, config: &Config, listener: Option<TcpListener>, demo: bool) {
        let Some(listener) = listener else { return };
        let service: Arc<dyn bridge_http::BridgeService> = Arc::clone(&self.service) as _;
        let mut router = bridge_http::router(service, settings::http(config));
        if demo {
            let focus = Demo::new(Arc::clone(&self.service) as _, Limits::default());
            router = router.merge(focus.router());
            self.tasks.spawn(async move {
                let mut ticks = tokio::time::interval(DEMO_CHECK_INTERVAL);
                loop {
                    ticks.tick().await;
                    focus.expire_vanished().await;
                }
            });
        }
        let mut stopped = self.stop.subscribe();
        let stop = async move {
            // An error means that the sender is gone, which is a stop as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        self.http = Some(tokio::spawn(async move {
            if let Err(error) = bridge_http::serve(listener, router, stop).await {
                tracing::error!(%error, "the HTTP server has failed");
            }
        }));
    }

    async fn connect_xmpp(&self, config: &Config) {
        for client in &config.xmpp.clients {
            self.xmpp.add(&client.id, settings::xmpp_connection(client)).await;
        }
    }

    /// Waits for a signal or the end of a shutdown.
    async fn wait(&self, signals: &mut Signals) -> Ending {
        loop {
            let deadline = self.bridge.index().shutdown().poll_timeout();
            let mut changes = self.bridge.state_changes();
            tokio::select! {
                number = signals.next() => return Ending::Signal(number),
                () = self.bridge.sleep_until(deadline) => {
                    let now = self.bridge.now();
                    self.bridge.index().handle_timeout(now);
                    if self.bridge.index().shutdown().is_due() {
                        return Ending::Shutdown;
                    }
                    self.bridge.note_state_change();
                }
                _ = changes.changed() => {}
            }
        }
    }

    /// Leaves the rooms, then HTTP, then the media port (JVB: `Main`).
    async fn stop(mut self) {
        self.xmpp.stop().await;
        self.stop.send_replace(true);
        if let Some(http) = self.http.take() {
            // A request that takes longer, such as the demo's long poll, is cut off.
            let _ = tokio::time::timeout(HTTP_STOP_LIMIT, http).await;
        }
        self.tasks.abort_all();
        self.shards.stop();
    }
}

/// SIGTERM, SIGINT and SIGHUP.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 15,
            _ = self.interrupt.recv() => 2,
            _ = self.hangup.recv() => 1,
        }
    }
}

fn environment(
    config: &Config,
    addresses: &[SocketAddr],
    shards: usize,
) -> Result<ConferenceEnvironment, RunError> {
    let shards = u16::try_from(shards).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
    let settings: ConferenceSettings = settings::conference(config, VERSION);
    Ok(ConferenceEnvironment {
        shards,
        placement: Placement::RoundRobin,
        certificate: CurrentCertificate::new(Arc::new(Certificate::generate(wall_clock::now())?)),
        addresses: LocalAddresses::new(
            addresses.iter().copied(),
            settings::address_mappings(config),
            config.ice.advertise_private_candidates,
        ),
        settings,
        session_ids: SessionIds::default(),
    })
}

async fn bind_http(config: &Config) -> Result<Option<TcpListener>, RunError> {
    if config.http.public.is_some() {
        tracing::warn!(
            "videobridge.http-servers.public: no server yet, the bridge channel uses SCTP"
        );
    }
    let Some(server) = &config.http.private else { return Ok(None) };
    let HttpListen::Plain(port) = &server.listen else {
        tracing::warn!(
            "videobridge.http-servers.private: TLS is not there yet, no server is started"
        );
        return Ok(None);
    };
    let host = server.host.as_deref().unwrap_or("0.0.0.0");
    let address = format!("{host}:{port}");
    match TcpListener::bind((host, *port)).await {
        Ok(listener) => {
            tracing::info!(%address, "listening for HTTP");
            Ok(Some(listener))
        }
        Err(error) => Err(RunError::Http { address, error }),
    }
}

async fn check_health(service: Arc<Service>) {
    let mut ticks = tokio::time::interval(service.health.interval());
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if service.health.check(service.bridge.now()) {
            service.bridge.note_state_change();
        }
    }
}

async fn measure(service: Arc<Service>) {
    let mut ticks = tokio::time::interval(MEASURE_INTERVAL);
    loop {
        ticks.tick().await;
        service.statistics.measure();
    }
}

async fn sample_load(service: Arc<Service>) {
    let mut ticks = tokio::time::interval(load::SAMPLE_INTERVAL);
    loop {
        ticks.tick().await;
        service.statistics.load.sample().await;
    }
}

/// Gives sessions that begin a day from now another certificate (JVB: `DtlsStack`).
async fn rotate_certificate(bridge: Arc<Videobridge>) {
    let mut ticks = tokio::time::interval(CERTIFICATE_CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let certificates = bridge.certificates();
        if certificates.current().is_due_for_rotation(wall_clock::now()) {
            match Certificate::generate(wall_clock::now()) {
                Ok(certificate) => certificates.replace(Arc::new(certificate)),
                Err(error) => tracing::error!(%error, "cannot make a new DTLS certificate"),
            }
        }
    }
}

/// Keeps the statistics that the presence tells up to date.
fn publish_presence(
    service: Arc<Service>,
    config: &Config,
    tasks: &mut JoinSet<()>,
) -> PresenceSource {
    let interval = config.xmpp.presence_interval;
    let filter = &config.xmpp.stats_filter;
    let whitelist = filter.enabled.then(|| filter.whitelist.clone());
    let gather = move |service: &Service| {
        let mut pairs = service.statistics.presence();
        if let Some(whitelist) = &whitelist {
            pairs.retain(|(name, _)| whitelist.contains(name));
        }
        Arc::new(pairs.into_iter().collect::<bridge_xmpp::Statistics>())
    };
    let (sender, statistics) = watch::channel(gather(&service));
    let mut changes = service.bridge.state_changes();
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = changes.changed() => {}
            }
            sender.send_replace(gather(&service));
        }
    });
    PresenceSource { interval, statistics }
}

/// Threads of the control plane: it decides, it does not forward.
const CONTROL_THREADS: usize = 2;
