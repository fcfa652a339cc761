use hocon::HoconValue;

use crate::error::ConfigError;
use crate::layers::Layers;
use crate::notice::{Notice, NoticeKind};

/// Whether setting a key changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what it says.
    Active,
    /// It is checked, and does nothing in this version.
    NotYet,
    /// It is checked, and does nothing, since this bridge has nothing of the kind: why.
    Without(&'static str),
    /// It only means something to the Java bridge.
    JavaOnly,
    /// It is the old name of another key, which is given, and works.
    Renamed(&'static str),
}

/// A key that may appear in jvb.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its full name.
    pub path: &'static str,
    /// What it does in this version.
    pub effect: Effect,
}

/// Every key that is known. A feature that comes alive changes its line here from `not_yet` to
/// `active`, and nothing else.
pub const KEYS: &[Key] = &[
    active("videobridge.shard.count"),
    active("videobridge.shard.pin"),
    active("videobridge.shard.coalescing.window"),
    active("videobridge.shard.coalescing.min-fan-out"),
    active("videobridge.ice.udp.port"),
    active("videobridge.ice.ufrag-prefix"),
    active("videobridge.ice.keep-alive-strategy"),
    not_yet("videobridge.ice.resolve-remote-candidates"),
    not_yet("videobridge.ice.nomination-strategy"),
    active("videobridge.ice.advertise-private-candidates"),
    active("videobridge.ice.restart.enabled"),
    not_yet("videobridge.ice.restart.transition-window"),
    not_yet("videobridge.ice.restart.timeout"),
    not_yet("ice4j.ice.max-check-list-size"),
    active("ice4j.ice.termination-delay"),
    active("ice4j.software"),
    java_only("ice4j.use-component-socket"),
    not_yet("ice4j.send-to-last-received-from-address"),
    not_yet("ice4j.redact-remote-addresses"),
    active("ice4j.consent-freshness.interval"),
    not_yet("ice4j.consent-freshness.original-wait-interval"),
    not_yet("ice4j.consent-freshness.max-wait-interval"),
    not_yet("ice4j.consent-freshness.max-retransmissions"),
    not_yet("ice4j.consent-freshness.randomize-interval"),
    active("ice4j.harvest.use-ipv6"),
    active("ice4j.harvest.use-link-local-addresses"),
    active("ice4j.harvest.use-loopback-addresses"),
    not_yet("ice4j.harvest.timeout"),
    active("ice4j.harvest.udp.receive-buffer-size"),
    java_only("ice4j.harvest.udp.use-dynamic-ports"),
    java_only("ice4j.harvest.udp.socket-pool-size"),
    active("ice4j.harvest.allowed-addresses"),
    active("ice4j.harvest.blocked-addresses"),
    active("ice4j.harvest.allowed-interfaces"),
    active("ice4j.harvest.blocked-interfaces"),
    not_yet("ice4j.harvest.mapping.aws.enabled"),
    not_yet("ice4j.harvest.mapping.aws.force"),
    not_yet("ice4j.harvest.mapping.stun.addresses"),
    active("ice4j.harvest.mapping.static-mappings"),
    active("videobridge.apis.xmpp-client.presence-interval"),
    active("videobridge.apis.xmpp-client.stats-filter.enabled"),
    active("videobridge.apis.xmpp-client.stats-filter.whitelist"),
    java_only("videobridge.apis.xmpp-client.jid-cache-size"),
    active("videobridge.apis.xmpp-client.configs"),
    active("videobridge.apis.rest.enabled"),
    not_yet("videobridge.http-servers.public.port"),
    not_yet("videobridge.http-servers.public.tls-port"),
    not_yet("videobridge.http-servers.public.host"),
    not_yet("videobridge.http-servers.public.key-store-path"),
    not_yet("videobridge.http-servers.public.key-store-password"),
    not_yet("videobridge.http-servers.public.need-client-auth"),
    not_yet("videobridge.http-servers.public.send-server-version"),
    not_yet("videobridge.http-servers.public.tls-protocols"),
    not_yet("videobridge.http-servers.public.tls-cipher-suites"),
    active("videobridge.http-servers.private.port"),
    not_yet("videobridge.http-servers.private.tls-port"),
    active("videobridge.http-servers.private.host"),
    not_yet("videobridge.http-servers.private.key-store-path"),
    not_yet("videobridge.http-servers.private.key-store-password"),
    not_yet("videobridge.http-servers.private.need-client-auth"),
    not_yet("videobridge.http-servers.private.send-server-version"),
    not_yet("videobridge.http-servers.private.tls-protocols"),
    not_yet("videobridge.http-servers.private.tls-cipher-suites"),
    active("videobridge.rest.shutdown.enabled"),
    active("videobridge.rest.debug.enabled"),
    active("videobridge.rest.drain.enabled"),
    active("videobridge.rest.health.enabled"),
    active("videobridge.rest.prometheus.enabled"),
    not_yet("videobridge.rest.rtcstats.enabled"),
    active("videobridge.rest.version.enabled"),
    not_yet("videobridge.websockets.enabled"),
    not_yet("videobridge.websockets.server-id"),
    not_yet("videobridge.websockets.domains"),
    not_yet("videobridge.websockets.domain"),
    not_yet("videobridge.websockets.relay-domains"),
    not_yet("videobridge.websockets.relay-domain"),
    not_yet("videobridge.websockets.tls"),
    not_yet("videobridge.websockets.enable-compression"),
    not_yet("videobridge.websockets.send-keepalive-pings"),
    not_yet("videobridge.websockets.keepalive-ping-interval"),
    not_yet("videobridge.websockets.idle-timeout"),
    not_yet("videobridge.relay.enabled"),
    active("videobridge.relay.region"),
    not_yet("videobridge.relay.relay-id"),
    renamed("videobridge.octo.enabled", "videobridge.relay.enabled"),
    renamed("videobridge.octo.region", "videobridge.relay.region"),
    renamed("videobridge.octo.relay-id", "videobridge.relay.relay-id"),
    renamed("videobridge.octo.bind-address", "videobridge.relay.relay-id"),
    active("videobridge.sctp.enabled"),
    not_yet("videobridge.sctp.max-channels"),
    not_yet("videobridge.cryptex.endpoint"),
    not_yet("videobridge.cryptex.relay"),
    without("videobridge.transport.send.queue-size", SEND_QUEUE),
    without("jmt.transceiver.recv.queue-size", RECEIVE_QUEUE),
    without("jmt.transceiver.send.queue-size", SEND_QUEUE),
    active("jmt.dtls.handshake-timeout"),
    active("jmt.dtls.cipher-suites"),
    active("jmt.dtls.local-fingerprint-hash-function"),
    active("jmt.dtls.accepted-fingerprint-hash-functions"),
    java_only("jmt.srtp.max-consecutive-packets-discarded-early"),
    active("jmt.srtp.protection-profiles"),
    java_only("jmt.srtp.factory-class"),
    active("videobridge.cc.bwe-change-threshold"),
    renamed("videobridge.cc.bwe-change-threshold-pct", "videobridge.cc.bwe-change-threshold"),
    active("videobridge.cc.default-max-height-px"),
    active("videobridge.cc.initial-max-height-px"),
    renamed("videobridge.cc.thumbnail-max-height-px", "videobridge.cc.default-max-height-px"),
    active("videobridge.cc.onstage-preferred-height-px"),
    active("videobridge.cc.onstage-preferred-framerate"),
    active("videobridge.cc.allow-oversend-onstage"),
    renamed("videobridge.cc.enable-onstage-video-suspend", "videobridge.cc.allow-oversend-onstage"),
    active("videobridge.cc.max-oversend-bitrate"),
    active("videobridge.cc.trust-bwe"),
    active("videobridge.cc.padding-period"),
    active("videobridge.cc.max-time-between-calculations"),
    active("videobridge.cc.jvb-last-n"),
    active("videobridge.cc.initial-last-n"),
    active("videobridge.cc.assumed-bandwidth-limit"),
    active("videobridge.cc.use-vla-target-bitrate"),
    active("videobridge.cc.initial-ignore-bwe-period"),
    active("jmt.bwe.estimator.engine"),
    active("jmt.bwe.estimator.initial-bw"),
    active("jmt.bwe.estimator.min-bw"),
    active("jmt.bwe.estimator.max-bw"),
    renamed("jmt.bwe.google-cc.min-bw", "jmt.bwe.estimator.min-bw"),
    renamed("jmt.bwe.google-cc.max-bw", "jmt.bwe.estimator.max-bw"),
    without("jmt.bwe.estimator.GoogleCc.default-window-size", BITRATE_WINDOW),
    without("jmt.bwe.estimator.GoogleCc.default-bucket-size", BITRATE_WINDOW),
    active("jmt.bwe.estimator.GoogleCc.default-initial-ignore-bwe-period"),
    without("jmt.bwe.estimator.GoogleCc2.default-window-size", BITRATE_WINDOW),
    without("jmt.bwe.estimator.GoogleCc2.default-bucket-size", BITRATE_WINDOW),
    active("jmt.bwe.estimator.GoogleCc2.default-initial-ignore-bwe-period"),
    active("jmt.bwe.send-side.low-loss-threshold"),
    active("jmt.bwe.send-side.high-loss-threshold"),
    active("jmt.bwe.send-side.bitrate-threshold"),
    java_only("jmt.bwe.send-side.loss-experiment.probability"),
    java_only("jmt.bwe.send-side.loss-experiment.low-loss-threshold"),
    java_only("jmt.bwe.send-side.loss-experiment.high-loss-threshold"),
    java_only("jmt.bwe.send-side.loss-experiment.bitrate-threshold"),
    java_only("jmt.bwe.send-side.timeout-experiment.probability"),
    active("jmt.bwe.overuse-detector.initial-threshold"),
    active("jmt.bwe.overuse-detector.overusing-time-threshold"),
    without("jmt.rtp.bitrate-calculator.window-size", BITRATE_WINDOW),
    without("jmt.rtp.bitrate-calculator.bucket-size", BITRATE_WINDOW),
    active("jmt.keyframe.min-interval"),
    active("jmt.keyframe.max-requests"),
    active("jmt.keyframe.max-request-interval"),
    active("jmt.keyframe.source-wide-min-interval"),
    active("jmt.keyframe.source-wide-max-requests"),
    active("jmt.keyframe.source-wide-max-request-interval"),
    active("videobridge.loudest.route-loudest-only"),
    active("videobridge.loudest.num-loudest"),
    active("videobridge.loudest.always-route-dominant"),
    active("videobridge.loudest.energy-expire-time"),
    active("videobridge.loudest.energy-alpha-pct"),
    active("videobridge.speech-activity.recent-speakers-count"),
    active("videobridge.speech-activity.enable-silence-detection"),
    active("videobridge.speech-activity.silence-detection-timeout"),
    active("jmt.audio.red.policy"),
    active("jmt.audio.red.distance"),
    active("jmt.audio.red.vad-only"),
    active("jmt.audio.level.forwarded-silence-packets-limit"),
    active("jmt.audio.level.discard-silence"),
    active("videobridge.entity-expiration.timeout"),
    active("videobridge.entity-expiration.check-interval"),
    active("videobridge.ep-connection-status.first-transfer-timeout"),
    active("videobridge.ep-connection-status.max-inactivity-limit"),
    active("videobridge.ep-connection-status.check-interval"),
    active("videobridge.health.interval"),
    active("videobridge.health.timeout"),
    not_yet("videobridge.health.max-check-duration"),
    not_yet("videobridge.health.sticky-failures"),
    active("videobridge.health.require-valid-address"),
    not_yet("videobridge.health.require-stun"),
    active("videobridge.shutdown.graceful-shutdown-max-duration"),
    active("videobridge.shutdown.graceful-shutdown-min-participants"),
    active("videobridge.shutdown.shutting-down-delay"),
    active("videobridge.initial-drain-mode"),
    active("videobridge.load-management.reducer-enabled"),
    active("videobridge.load-management.load-measurements.load-measurement"),
    active("videobridge.load-management.load-measurements.packet-rate.load-threshold"),
    active("videobridge.load-management.load-measurements.packet-rate.recovery-threshold"),
    active("videobridge.load-management.load-measurements.cpu-usage.load-threshold"),
    active("videobridge.load-management.load-measurements.cpu-usage.recovery-threshold"),
    active("videobridge.load-management.load-measurements.cpu-usage.detect-cpu-steal"),
    active("videobridge.load-management.load-reducers.last-n.reduction-scale"),
    active("videobridge.load-management.load-reducers.last-n.recover-scale"),
    active("videobridge.load-management.load-reducers.last-n.impact-time"),
    active("videobridge.load-management.load-reducers.last-n.minimum-last-n-value"),
    active("videobridge.load-management.load-reducers.last-n.maximum-enforced-last-n-value"),
    active("videobridge.load-management.conference-last-n-limits"),
    active("videobridge.load-management.average-participant-stress"),
    active("videobridge.stats.interval"),
    not_yet("videobridge.stats.transit-time.enable-json"),
    not_yet("videobridge.stats.transit-time.enable-prometheus"),
    not_yet("videobridge.stats.transit-time.enable-jitter"),
    java_only("videobridge.stats.jvm.enabled"),
    active("videobridge.stats-filter-threshold"),
    active("videobridge.connection-stats.enabled"),
    active("videobridge.connection-stats.interval"),
    active("videobridge.ssrc-limit.video"),
    active("videobridge.ssrc-limit.audio"),
    active("videobridge.version.announce"),
    active("videobridge.version.release"),
    not_yet("videobridge.redact-remote-addresses"),
    not_yet("videobridge.redact-colibri-http-headers"),
    not_yet("videobridge.exporter.max-reconnect-attempts"),
    not_yet("videobridge.exporter.base-delay"),
    not_yet("videobridge.exporter.max-delay"),
    not_yet("videobridge.exporter.stable-connection-threshold"),
    not_yet("jmt.debug.pcap.enabled"),
    not_yet("jmt.debug.pcap.start-enabled"),
    not_yet("jmt.debug.pcap.directory"),
    not_yet("jmt.debug.packet-loss.incoming.uniform-rate"),
    not_yet("jmt.debug.packet-loss.incoming.burst-size"),
    not_yet("jmt.debug.packet-loss.incoming.burst-interval"),
    not_yet("jmt.debug.packet-loss.outgoing.uniform-rate"),
    not_yet("jmt.debug.packet-loss.outgoing.burst-size"),
    not_yet("jmt.debug.packet-loss.outgoing.burst-interval"),
    java_only("jmt.debug.packet-timeline.enabled"),
    java_only("jmt.debug.packet-timeline.log-fraction"),
    java_only("jmt.debug.payload-verification.enabled"),
    not_yet("tracing.enabled"),
    not_yet("tracing.service-name"),
];

const fn active(path: &'static str) -> Key {
    Key { path, effect: Effect::Active }
}

const fn not_yet(path: &'static str) -> Key {
    Key { path, effect: Effect::NotYet }
}

const fn without(path: &'static str, why: &'static str) -> Key {
    Key { path, effect: Effect::Without(why) }
}

const fn java_only(path: &'static str) -> Key {
    Key { path, effect: Effect::JavaOnly }
}

const fn renamed(path: &'static str, to: &'static str) -> Key {
    Key { path, effect: Effect::Renamed(to) }
}

/// Whether a Java system property of this name is looked up as a key of the configuration.
pub(crate) fn is_hocon_property(name: &str) -> bool {
    HOCON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The effect of `path`, seen through a renaming.
pub(crate) fn effect(path: &str) -> Option<Effect> {
    KEYS.iter().find(|key| key.path == path).map(|key| key.effect)
}

/// Notices for all keys that an operator set; an error where a value stands in place of a section.
pub(crate) fn review(layers: &Layers, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
    for key in KEYS {
        let Some(origin) = layers.origin(key.path) else { continue };
        let notice = |kind, detail: &str| Notice::new(kind, &origin.key, &origin.file, detail);
        match key.effect {
            Effect::Active => {}
            Effect::NotYet => notices.push(notice(NoticeKind::NotYet, "")),
            Effect::Without(why) => notices.push(notice(NoticeKind::Ignored, why)),
            Effect::JavaOnly => notices.push(notice(NoticeKind::JavaOnly, "")),
            Effect::Renamed(to) => {
                if origin.key == key.path {
                    notices.push(notice(NoticeKind::Deprecated, to));
                }
                if effect(to) == Some(Effect::NotYet) {
                    notices.push(notice(NoticeKind::NotYet, ""));
                }
            }
        }
    }
    for (root, value) in layers.roots() {
        review_unknown(layers, root, value, notices)?;
    }
    Ok(())
}

/// Descends while names are parts of known keys. Bounded: no known key has more than seven parts.
fn review_unknown(
    layers: &Layers,
    path: &str,
    value: &HoconValue,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    if effect(path).is_some() || ACCEPTED_WITHOUT_EFFECT.contains(&path) {
        return Ok(());
    }
    let section = format!("{path}.");
    let mut known = KEYS.iter().map(|key| key.path).chain(ACCEPTED_WITHOUT_EFFECT.iter().copied());
    if !known.any(|key| key.starts_with(&section)) {
        let file = layers.origin(path).map_or_else(|| layers.main_file(), |origin| origin.file);
        notices.push(Notice::new(NoticeKind::Unknown, path, &file, ""));
        return Ok(());
    }
    let HoconValue::Object(fields) = value else {
        return Err(layers.refuse(path, "a section in braces"));
    };
    for (name, field) in fields {
        // What only the reference has cannot be unknown.
        let path = format!("{path}.{name}");
        if layers.origin(&path).is_some() {
            review_unknown(layers, &path, field, notices)?;
        }
    }
    Ok(())
}

/// Differs from JVB, where a packet passes three queues on its way out.
const SEND_QUEUE: &str = "packets are sent in the turn in which they come, and what waits for the \
                          receiver's link is bounded by time";

/// Differs from JVB, where a packet passes two queues on its way in.
const RECEIVE_QUEUE: &str = "packets wait in the socket only: \
                             ice4j.harvest.udp.receive-buffer-size";

/// Differs from JVB, which takes five seconds with GoogleCc: so late it would be noticed, too, that a
/// layer has ended.
const BITRATE_WINDOW: &str = "rates are measured over one second in steps of 20 ms";

const HOCON_PREFIXES: &[&str] = &["videobridge.", "ice4j.", "jmt.", "tracing.", "org.ice4j."];

/// Names that real files contain and no bridge reads: older versions, or misunderstandings. They
/// are not worth a line in the log. `org.ice4j` holds legacy names, which are looked at elsewhere.
const ACCEPTED_WITHOUT_EFFECT: &[&str] = &[
    "org.ice4j",
    "videobridge.stats.enabled",
    "videobridge.stats.transports",
    "videobridge.stats.callstats",
    "videobridge.ice.tcp",
    "videobridge.ice.use-component-socket",
    "videobridge.sctp.use-usrsctp",
    "videobridge.sctp.debug-enabled",
    "videobridge.sctp.debug-mask",
    "videobridge.apis.jvb-api",
    "videobridge.multi-stream",
    "videobridge.octo.bind-port",
    "videobridge.octo.public-address",
    "videobridge.octo.recv-queue-size",
    "videobridge.octo.send-queue-size",
    "videobridge.cc.onstage-ideal-height-px",
    "videobridge.graceful-shutdown-delay",
    "videobridge.shutdown-poll-interval",
    "ice4j.harvest.mapping.stun.enabled",
    "ice4j.udp.receive-buffer-size",
    "videobridge.udp.receive-buffer-size",
    "videobridge.ice.udp.receive-buffer-size",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::asked_paths;
    use crate::legacy::{NAT_LOCAL, NAT_PUBLIC, REST_COLIBRI};

    #[test]
    fn exactly_the_keys_of_the_table_are_read() {
        let mut asked = asked_paths();
        for legacy in [NAT_LOCAL, NAT_PUBLIC, REST_COLIBRI] {
            assert!(asked.remove(legacy), "{legacy} is not read");
        }
        let table: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(table.len(), KEYS.len(), "a key is in the table twice");
        let unread: Vec<_> = table.difference(&asked).collect();
        let unlisted: Vec<_> = asked.difference(&table).collect();
        assert!(unread.is_empty() && unlisted.is_empty(), "{unread:?} {unlisted:?}");
    }

    #[test]
    fn renamed_keys_lead_to_present_ones() {
        for key in KEYS {
            if let Effect::Renamed(to) = key.effect {
                assert!(matches!(effect(to), Some(Effect::Active | Effect::NotYet)), "{to}");
            }
        }
    }
}
