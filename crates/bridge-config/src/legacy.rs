//! The names of the old `sip-communicator.properties`, which win over jvb.conf.
//!
//! Names under `org.jitsi` are looked up in that file, then among the system properties. Names
//! under `org.ice4j` are looked up as paths in jvb.conf, then among the system properties, then in
//! the file (JVB class `JitsiConfig`, and the copying of such lines at start).

use std::collections::BTreeMap;

use bridge_units::Bitrate;
use hocon::{HoconValue, ScalarValue};

use crate::Sources;
use crate::error::ConfigError;
use crate::layers::{Layers, Origin, SYSTEM_PROPERTIES};
use crate::loader::read_file_if_present;
use crate::notice::{Notice, NoticeKind};
use crate::value::{boolean, number, text, whole};
use crate::{keys, properties};

/// A value that hides the one in jvb.conf.
pub(crate) struct Overlay {
    pub(crate) value: HoconValue,
    pub(crate) origin: Origin,
}

/// An XMPP connection in legacy form: its id, and its properties with names as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct LegacyConnection {
    pub(crate) id: String,
    pub(crate) file: String,
    pub(crate) properties: Vec<(String, String)>,
}

/// Everything that was set under an old name.
pub(crate) struct Legacy {
    pub(crate) overlay: BTreeMap<String, Overlay>,
    pub(crate) connections: Vec<LegacyConnection>,
    pub(crate) notices: Vec<Notice>,
}

/// An old name and the key it sets.
struct Name {
    old: &'static str,
    path: &'static str,
    conversion: Conversion,
}

/// What an old value looks like.
#[derive(Clone, Copy)]
enum Conversion {
    Text,
    Whole,
    Number,
    Bool,
    InvertedBool,
    Millis,
    Seconds,
    Kbps,
    List(char),
}

impl Legacy {
    /// Reads the legacy file, if there is one, and gathers all old names.
    pub(crate) fn collect(sources: &Sources, layers: &Layers) -> Result<Self, ConfigError> {
        let (file, lines) = read_legacy_file(sources)?;
        let mut legacy =
            Self { overlay: BTreeMap::new(), connections: Vec::new(), notices: Vec::new() };
        let mut entries: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, value) in sources.system_properties() {
            entries.insert(name.clone(), (SYSTEM_PROPERTIES.to_owned(), value.clone()));
        }
        for (name, value) in lines {
            let ice4j = name.starts_with("org.ice4j.");
            if !(ice4j && entries.contains_key(&name)) {
                entries.insert(name, (file.clone(), value));
            }
        }
        for name in NAMES.iter().filter(|name| name.old.starts_with("org.ice4j.")) {
            if let (Some(value), Some(origin)) = (layers.value(name.old), layers.origin(name.old)) {
                entries.insert(name.old.to_owned(), (origin.file, flat_text(value)));
            }
        }
        for (name, (file, value)) in entries {
            legacy.take(&name, file, value.trim());
        }
        Ok(legacy)
    }

    fn take(&mut self, old: &str, file: String, value: &str) {
        if let Some(property) = old.strip_prefix(XMPP_PREFIX) {
            self.take_connection(property, file, value);
            return;
        }
        if old == PREFER_IPV4 && boolean(value) != Some(true) {
            return;
        }
        let names: Vec<_> = NAMES.iter().filter(|name| name.old == old).collect();
        for name in &names {
            match name.conversion.convert(value) {
                Ok(value) => {
                    if name.path != name.old {
                        let kind = NoticeKind::Deprecated;
                        self.notices.push(Notice::new(kind, old, &file, name.path));
                    }
                    let origin = Origin { file: file.clone(), key: old.to_owned() };
                    self.overlay.insert(name.path.to_owned(), Overlay { value, origin });
                }
                Err(expected) => self.notices.push(Notice::new(
                    NoticeKind::Ignored,
                    old,
                    &file,
                    format!("its value is not {expected}"),
                )),
            }
        }
        if names.is_empty() {
            self.notices.extend(notice_without_key(old, &file));
        }
    }

    /// `property` is `<id>.<NAME>` or, with the empty id, `<NAME>`.
    fn take_connection(&mut self, property: &str, file: String, value: &str) {
        let (id, name) = property.split_once('.').unwrap_or(("", property));
        let entry = (name.to_owned(), value.to_owned());
        match self.connections.iter_mut().find(|connection| connection.id == id) {
            Some(connection) => connection.properties.push(entry),
            None => self.connections.push(LegacyConnection {
                id: id.to_owned(),
                file,
                properties: vec![entry],
            }),
        }
    }
}

impl Conversion {
    fn convert(self, value: &str) -> Result<HoconValue, &'static str> {
        let scalar = |text: Option<String>, expected| {
            text.map(|text| HoconValue::Scalar(ScalarValue::string(text))).ok_or(expected)
        };
        let amount = whole(value);
        match self {
            Self::Text => scalar(Some(value.to_owned()), "a text"),
            Self::Whole => scalar(amount.map(|n| n.to_string()), "a whole number"),
            Self::Number => scalar(number(value).map(|n| n.to_string()), "a number"),
            Self::Bool => scalar(boolean(value).map(|b| b.to_string()), "true or false"),
            Self::InvertedBool => scalar(boolean(value).map(|b| (!b).to_string()), "true or false"),
            Self::Millis => scalar(amount.map(|n| format!("{n} ms")), "a number of milliseconds"),
            Self::Seconds => scalar(amount.map(|n| format!("{n} s")), "a number of seconds"),
            Self::Kbps => {
                let rate = amount.and_then(|n| u64::try_from(n).ok()).map(Bitrate::from_kbps);
                scalar(rate.map(|rate| format!("{} bps", rate.bps())), "a number of kbps")
            }
            Self::List(separator) => {
                let items = value.split(separator).map(str::trim).filter(|item| !item.is_empty());
                let items = items.map(|item| HoconValue::Scalar(ScalarValue::string(item.into())));
                Ok(HoconValue::Array(items.collect()))
            }
        }
    }
}

/// The legacy file's name and properties. A file that does not exist is none: packages always name
/// one.
fn read_legacy_file(sources: &Sources) -> Result<(String, BTreeMap<String, String>), ConfigError> {
    let Some(path) = sources.legacy_file() else { return Ok(Default::default()) };
    let Some(text) = read_file_if_present(&path)? else { return Ok(Default::default()) };
    Ok((path.display().to_string(), properties::parse(&text)))
}

/// A list in jvb.conf under an `org.ice4j` name is as good as a separated text.
fn flat_text(value: &HoconValue) -> String {
    match value.as_array() {
        Some(items) => items.iter().filter_map(text).collect::<Vec<_>>().join(";"),
        None => text(value).unwrap_or_default().to_owned(),
    }
}

/// What is said about a name that sets nothing.
fn notice_without_key(old: &str, file: &str) -> Option<Notice> {
    let read_elsewhere = keys::is_hocon_property(old) && !old.starts_with("org.ice4j.")
        || READ_BY_SOURCES.contains(&old);
    if read_elsewhere || SILENT.iter().any(|prefix| old.starts_with(prefix)) {
        return None;
    }
    if file == SYSTEM_PROPERTIES && !old.starts_with("org.") {
        return Some(Notice::new(NoticeKind::Ignored, old, file, "a property of the Java machine"));
    }
    let kind =
        if old.starts_with("org.ice4j.") { NoticeKind::JavaOnly } else { NoticeKind::Unknown };
    Some(Notice::new(kind, old, file, ""))
}

/// One line of the table below.
const fn name(old: &'static str, path: &'static str, conversion: Conversion) -> Name {
    Name { old, path, conversion }
}

use Conversion::{Bool, InvertedBool, Kbps, List, Millis, Number, Seconds, Text, Whole};

/// A pair of one static mapping, and the switch that is combined with its key: these are read by
/// their old names.
pub(crate) const NAT_LOCAL: &str = "org.ice4j.ice.harvest.NAT_HARVESTER_LOCAL_ADDRESS";
pub(crate) const NAT_PUBLIC: &str = "org.ice4j.ice.harvest.NAT_HARVESTER_PUBLIC_ADDRESS";
pub(crate) const REST_COLIBRI: &str = "org.jitsi.videobridge.ENABLE_REST_COLIBRI";

/// How operators switch IPv6 off for the whole Java machine. Only `true` says anything.
const PREFER_IPV4: &str = "java.net.preferIPv4Stack";

const XMPP_PREFIX: &str = "org.jitsi.videobridge.xmpp.user.";

/// Where a present key has an even older name in jvb.conf that precedes it, the legacy name goes
/// to that one, so that it wins over both.
const NAMES: &[Name] = &[
    name("org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT", "videobridge.ice.udp.port", Whole),
    name("org.jitsi.videobridge.ICE_UFRAG_PREFIX", "videobridge.ice.ufrag-prefix", Text),
    name("org.jitsi.videobridge.KEEP_ALIVE_STRATEGY", "videobridge.ice.keep-alive-strategy", Text),
    name("org.jitsi.videobridge.REGION", "videobridge.octo.region", Text),
    name(
        "org.jitsi.videobridge.BWE_CHANGE_THRESHOLD_PCT",
        "videobridge.cc.bwe-change-threshold-pct",
        Number,
    ),
    name(
        "org.jitsi.videobridge.ONSTAGE_PREFERRED_HEIGHT",
        "videobridge.cc.onstage-preferred-height-px",
        Whole,
    ),
    name(
        "org.jitsi.videobridge.ONSTAGE_PREFERRED_FRAME_RATE",
        "videobridge.cc.onstage-preferred-framerate",
        Number,
    ),
    name(
        "org.jitsi.videobridge.ENABLE_ONSTAGE_VIDEO_SUSPEND",
        "videobridge.cc.enable-onstage-video-suspend",
        Bool,
    ),
    name("org.jitsi.videobridge.TRUST_BWE", "videobridge.cc.trust-bwe", Bool),
    name("org.jitsi.videobridge.PADDING_PERIOD_MS", "videobridge.cc.padding-period", Millis),
    name(
        "org.jitsi.videobridge.EXPIRE_CHECK_SLEEP_SEC",
        "videobridge.entity-expiration.check-interval",
        Seconds,
    ),
    name("org.jitsi.videobridge.health.INTERVAL", "videobridge.health.interval", Millis),
    name("org.jitsi.videobridge.health.TIMEOUT", "videobridge.health.timeout", Millis),
    name(
        "org.jitsi.videobridge.health.STICKY_FAILURES",
        "videobridge.health.sticky-failures",
        Bool,
    ),
    name(
        "org.jitsi.videobridge.EndpointConnectionStatus.FIRST_TRANSFER_TIMEOUT",
        "videobridge.ep-connection-status.first-transfer-timeout",
        Millis,
    ),
    name(
        "org.jitsi.videobridge.EndpointConnectionStatus.MAX_INACTIVITY_LIMIT",
        "videobridge.ep-connection-status.max-inactivity-limit",
        Millis,
    ),
    name(REST_COLIBRI, REST_COLIBRI, Bool),
    name("org.jitsi.videobridge.ENABLE_REST_SHUTDOWN", "videobridge.rest.shutdown.enabled", Bool),
    name(
        "org.jitsi.videobridge.rest.COLIBRI_WS_DISABLE",
        "videobridge.websockets.enabled",
        InvertedBool,
    ),
    name("org.jitsi.videobridge.rest.COLIBRI_WS_DOMAIN", "videobridge.websockets.domain", Text),
    name("org.jitsi.videobridge.rest.COLIBRI_WS_TLS", "videobridge.websockets.tls", Bool),
    name(
        "org.jitsi.videobridge.rest.COLIBRI_WS_SERVER_ID",
        "videobridge.websockets.server-id",
        Text,
    ),
    name("org.jitsi.videobridge.rest.jetty.port", "videobridge.http-servers.public.port", Whole),
    name("org.jitsi.videobridge.rest.jetty.host", "videobridge.http-servers.public.host", Text),
    name(
        "org.jitsi.videobridge.rest.jetty.tls.port",
        "videobridge.http-servers.public.tls-port",
        Whole,
    ),
    name(
        "org.jitsi.videobridge.rest.jetty.sslContextFactory.keyStorePath",
        "videobridge.http-servers.public.key-store-path",
        Text,
    ),
    name(
        "org.jitsi.videobridge.rest.jetty.sslContextFactory.keyStorePassword",
        "videobridge.http-servers.public.key-store-password",
        Text,
    ),
    name(
        "org.jitsi.videobridge.rest.jetty.sslContextFactory.needClientAuth",
        "videobridge.http-servers.public.need-client-auth",
        Bool,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.port",
        "videobridge.http-servers.private.port",
        Whole,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.host",
        "videobridge.http-servers.private.host",
        Text,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.tls.port",
        "videobridge.http-servers.private.tls-port",
        Whole,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.sslContextFactory.keyStorePath",
        "videobridge.http-servers.private.key-store-path",
        Text,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.sslContextFactory.keyStorePassword",
        "videobridge.http-servers.private.key-store-password",
        Text,
    ),
    name(
        "org.jitsi.videobridge.rest.private.jetty.sslContextFactory.needClientAuth",
        "videobridge.http-servers.private.need-client-auth",
        Bool,
    ),
    name(
        "org.ice4j.ice.harvest.DISABLE_AWS_HARVESTER",
        "ice4j.harvest.mapping.aws.enabled",
        InvertedBool,
    ),
    // Inverted in ice4j as well.
    name(
        "org.ice4j.ice.harvest.FORCE_AWS_HARVESTER",
        "ice4j.harvest.mapping.aws.force",
        InvertedBool,
    ),
    name(
        "org.ice4j.ice.harvest.STUN_MAPPING_HARVESTER_ADDRESSES",
        "ice4j.harvest.mapping.stun.addresses",
        List(','),
    ),
    name(NAT_LOCAL, NAT_LOCAL, Text),
    name(NAT_PUBLIC, NAT_PUBLIC, Text),
    name("org.ice4j.ice.harvest.ALLOWED_INTERFACES", "ice4j.harvest.allowed-interfaces", List(';')),
    name("org.ice4j.ice.harvest.BLOCKED_INTERFACES", "ice4j.harvest.blocked-interfaces", List(';')),
    name("org.ice4j.ice.harvest.ALLOWED_ADDRESSES", "ice4j.harvest.allowed-addresses", List(';')),
    name("org.ice4j.ice.harvest.BLOCKED_ADDRESSES", "ice4j.harvest.blocked-addresses", List(';')),
    name("org.ice4j.ipv6.DISABLED", "ice4j.harvest.use-ipv6", InvertedBool),
    name(PREFER_IPV4, "ice4j.harvest.use-ipv6", InvertedBool),
    name(
        "org.ice4j.ice.harvest.DISABLE_LINK_LOCAL_ADDRESSES",
        "ice4j.harvest.use-link-local-addresses",
        InvertedBool,
    ),
    name(
        "org.ice4j.ice.harvest.AbstractUdpListener.SO_RCVBUF",
        "ice4j.harvest.udp.receive-buffer-size",
        Whole,
    ),
    name(
        "org.ice4j.ice.harvest.USE_DYNAMIC_HOST_HARVESTER",
        "ice4j.harvest.udp.use-dynamic-ports",
        Bool,
    ),
    name("org.ice4j.ice.harvest.HARVESTING_TIMEOUT", "ice4j.harvest.timeout", Seconds),
    name("org.ice4j.ice.CONSENT_FRESHNESS_INTERVAL", "ice4j.consent-freshness.interval", Millis),
    name(
        "org.ice4j.ice.CONSENT_FRESHNESS_WAIT_INTERVAL",
        "ice4j.consent-freshness.original-wait-interval",
        Millis,
    ),
    name(
        "org.ice4j.ice.CONSENT_FRESHNESS_MAX_WAIT_INTERVAL",
        "ice4j.consent-freshness.max-wait-interval",
        Millis,
    ),
    name(
        "org.ice4j.ice.CONSENT_FRESHNESS_MAX_RETRANSMISSIONS",
        "ice4j.consent-freshness.max-retransmissions",
        Whole,
    ),
    name("org.ice4j.TERMINATION_DELAY", "ice4j.ice.termination-delay", Millis),
    name("org.ice4j.MAX_CHECK_LIST_SIZE", "ice4j.ice.max-check-list-size", Whole),
    name("org.ice4j.SOFTWARE", "ice4j.software", Text),
    name("org.ice4j.REDACT_REMOTE_ADDRESSES", "ice4j.redact-remote-addresses", Bool),
    name("org.ice4j.ice.USE_COMPONENT_SOCKET", "ice4j.use-component-socket", Bool),
    // The three thresholds set those of the experiment, as in JVB class `SendSideBandwidthEstimation`.
    name(
        "org.jitsi.impl.neomedia.rtp.sendsidebandwidthestimation.SendSideBandwidthEstimation.lossExperimentProbability",
        "jmt.bwe.send-side.loss-experiment.probability",
        Number,
    ),
    name(
        "org.jitsi.impl.neomedia.rtp.sendsidebandwidthestimation.SendSideBandwidthEstimation.lowLossThreshold",
        "jmt.bwe.send-side.loss-experiment.low-loss-threshold",
        Number,
    ),
    name(
        "org.jitsi.impl.neomedia.rtp.sendsidebandwidthestimation.SendSideBandwidthEstimation.highLossThreshold",
        "jmt.bwe.send-side.loss-experiment.high-loss-threshold",
        Number,
    ),
    name(
        "org.jitsi.impl.neomedia.rtp.sendsidebandwidthestimation.SendSideBandwidthEstimation.bitrateThresholdKbps",
        "jmt.bwe.send-side.loss-experiment.bitrate-threshold",
        Kbps,
    ),
    name(
        "org.jitsi.impl.neomedia.rtp.sendsidebandwidthestimation.SendSideBandwidthEstimation.timeoutExperimentProbability",
        "jmt.bwe.send-side.timeout-experiment.probability",
        Number,
    ),
];

/// Consumed where the files are found.
const READ_BY_SOURCES: &[&str] = &[
    "config.file",
    "java.util.logging.config.file",
    "net.java.sip.communicator.SC_HOME_DIR_LOCATION",
    "net.java.sip.communicator.SC_HOME_DIR_NAME",
    "net.java.sip.communicator.SC_LOG_DIR_LOCATION",
    "java.io.tmpdir",
    "jna.tmpdir",
];

/// Beginnings of names that real files contain and no bridge reads.
const SILENT: &[&str] = &[
    "org.jitsi.videobridge.ENABLE_STATISTICS",
    "org.jitsi.videobridge.STATISTICS_TRANSPORT",
    "org.jitsi.videobridge.STATISTICS_INTERVAL",
    "org.jitsi.videobridge.DISABLE_TCP_HARVESTER",
    "org.jitsi.videobridge.TCP_HARVESTER_",
    "org.jitsi.videobridge.AUTHORIZED_SOURCE_REGEXP",
    "org.jitsi.videobridge.octo.",
    "org.jitsi.jicofo.",
];
