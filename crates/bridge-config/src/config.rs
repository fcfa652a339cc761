use std::collections::BTreeMap;
use std::path::Path;

use crate::document::HoconFile;
use crate::error::ConfigError;
use crate::layers::Layers;
use crate::legacy::Legacy;
use crate::loader::read_file;
use crate::notice::Notice;
use crate::reader::Reader;
use crate::section::audio::{AudioConfig, LoudestConfig, SpeechActivityConfig};
use crate::section::bwe::{BweConfig, KeyframeConfig};
use crate::section::cc::CcConfig;
use crate::section::debug::{DebugConfig, TracingConfig};
use crate::section::dtls::{CryptexConfig, DtlsConfig, QueueConfig, SctpConfig, SrtpConfig};
use crate::section::http::{HttpConfig, RestConfig, WebSocketConfig};
use crate::section::ice::{ConsentConfig, HarvestConfig, IceConfig, ShardConfig};
use crate::section::lifecycle::{
    ConnectionStatusConfig, ExpirationConfig, ExporterConfig, HealthConfig, ShutdownConfig,
    VersionConfig,
};
use crate::section::load::{ConnectionStatsConfig, LoadConfig, SsrcLimitConfig, StatsConfig};
use crate::section::relay::RelayConfig;
use crate::section::xmpp::XmppConfig;
use crate::{Sources, keys};

section! {
    /// The whole configuration: every value typed and checked.
    ///
    /// The first two are first because other keys default to them: a complaint should name the key
    /// that was written.
    Config {
        /// Collection of statistics.
        stats: StatsConfig = "videobridge.stats",
        /// Whether remote addresses are shortened in the log.
        redact_remote_addresses: bool = "videobridge.redact-remote-addresses",
        /// Threads of the media path.
        shard: ShardConfig = "videobridge.shard",
        /// ICE: port, strategies, limits.
        ice: IceConfig = "",
        /// Which local addresses become candidates, and how public ones are found.
        harvest: HarvestConfig = "ice4j.harvest",
        /// Consent checks (RFC 7675).
        consent: ConsentConfig = "ice4j.consent-freshness",
        /// XMPP connections and what they publish.
        xmpp: XmppConfig = "videobridge.apis.xmpp-client",
        /// The two HTTP servers.
        http: HttpConfig = "videobridge.http-servers",
        /// Which paths of the private server answer.
        rest: RestConfig = "videobridge",
        /// The bridge channel over WebSockets.
        websockets: WebSocketConfig = "videobridge.websockets",
        /// Links to other bridges, and the region.
        relay: RelayConfig = "videobridge",
        /// The bridge channel over data channels.
        sctp: SctpConfig = "videobridge.sctp",
        /// Encrypted header extensions (RFC 9335).
        cryptex: CryptexConfig = "videobridge.cryptex",
        /// Lengths of packet queues.
        queues: QueueConfig = "",
        /// DTLS.
        dtls: DtlsConfig = "jmt.dtls",
        /// SRTP.
        srtp: SrtpConfig = "jmt.srtp",
        /// Bandwidth allocation.
        cc: CcConfig = "videobridge.cc",
        /// Bandwidth estimation.
        bwe: BweConfig = "jmt",
        /// Limits of keyframe requests.
        keyframe: KeyframeConfig = "jmt.keyframe",
        /// Redundant audio and silence.
        audio: AudioConfig = "jmt.audio",
        /// Forwarding of the loudest speakers only.
        loudest: LoudestConfig = "videobridge.loudest",
        /// Who speaks.
        speech_activity: SpeechActivityConfig = "videobridge.speech-activity",
        /// Removal of inactive endpoints.
        expiration: ExpirationConfig = "videobridge.entity-expiration",
        /// When an endpoint counts as disconnected.
        connection_status: ConnectionStatusConfig = "videobridge.ep-connection-status",
        /// Health checks.
        health: HealthConfig = "videobridge.health",
        /// Graceful shutdown.
        shutdown: ShutdownConfig = "videobridge.shutdown",
        /// Whether the bridge starts drained.
        initial_drain_mode: bool = "videobridge.initial-drain-mode",
        /// Load, stress, and what is done about them.
        load: LoadConfig = "videobridge.load-management",
        /// Conference size from which EndpointStats messages are filtered.
        stats_filter_threshold: u32 = "videobridge.stats-filter-threshold",
        /// ConnectionStats messages.
        connection_stats: ConnectionStatsConfig = "videobridge.connection-stats",
        /// SSRC rewriting.
        ssrc_limit: SsrcLimitConfig = "videobridge.ssrc-limit",
        /// What is said about the version.
        version: VersionConfig = "videobridge.version",
        /// Whether headers of colibri requests over HTTP are hidden in the log.
        redact_colibri_http_headers: bool = "videobridge.redact-colibri-http-headers",
        /// Media over WebSockets to an external service.
        exporter: ExporterConfig = "videobridge.exporter",
        /// Captures and losses made on purpose.
        debug: DebugConfig = "jmt.debug",
        /// OpenTelemetry.
        tracing: TracingConfig = "tracing",
    }
}

/// A configuration and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One line each for the log, in a stable order and without repetitions.
    pub notices: Vec<Notice>,
}

impl Config {
    /// Reads, stacks and checks everything that `sources` names.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let path = sources.config_file();
        let file = match &path {
            Some(path) => Some(HoconFile {
                name: path.display().to_string(),
                text: read_file(path)?,
                directory: path.parent().unwrap_or_else(|| Path::new(".")),
            }),
            None => None,
        };
        Self::load_layers(file, sources)
    }

    /// As [`Config::load`], but with `text` in the place of jvb.conf; `directory` is where its
    /// relative includes are.
    pub fn load_text(
        text: &str,
        directory: &Path,
        sources: &Sources,
    ) -> Result<Loaded, ConfigError> {
        let file = HoconFile { name: "jvb.conf".to_owned(), text: text.to_owned(), directory };
        Self::load_layers(Some(file), sources)
    }

    fn load_layers(file: Option<HoconFile<'_>>, sources: &Sources) -> Result<Loaded, ConfigError> {
        let properties: BTreeMap<_, _> = sources
            .system_properties()
            .iter()
            .filter(|(name, _)| keys::is_hocon_property(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut layers = Layers::new(file, &properties, sources.environment())?;
        let legacy = Legacy::collect(sources, &layers)?;
        let mut notices = sources.notices().to_vec();
        notices.extend(legacy.notices);
        layers.set_legacy(legacy.overlay, legacy.connections);
        keys::review(&layers, &mut notices)?;

        let reader = Reader::new(&layers);
        let config = reader.read("")?;
        notices.extend(reader.into_notices());
        notices.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        notices.dedup();
        Ok(Loaded { config, notices })
    }
}

#[cfg(test)]
pub(crate) fn asked_paths() -> std::collections::BTreeSet<String> {
    let layers = Layers::new(None, &BTreeMap::new(), &BTreeMap::new()).expect("defaults stack");
    let reader = Reader::new(&layers);
    let _: Config = reader.read("").expect("defaults are valid");
    reader.asked()
}
