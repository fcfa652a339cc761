//! Every key of the bridge that this one replaces exists, with the same default.

use bridge_config::{KEYS, REFERENCE};
use hocon::{HoconValue, ScalarType};

/// Every key with its default as text; lists with commas; `-` for unset.
const DEFAULTS: &str = "
videobridge.ice.udp.port 10000
videobridge.ice.ufrag-prefix -
videobridge.ice.keep-alive-strategy selected_only
videobridge.ice.resolve-remote-candidates false
videobridge.ice.nomination-strategy NominateFirstHostOrReflexiveValid
videobridge.ice.advertise-private-candidates true
videobridge.ice.restart.enabled true
videobridge.ice.restart.transition-window 3s
videobridge.ice.restart.timeout 20s
ice4j.ice.max-check-list-size 100
ice4j.ice.termination-delay 3s
ice4j.software ice4j.org
ice4j.use-component-socket true
ice4j.send-to-last-received-from-address false
ice4j.redact-remote-addresses true
ice4j.consent-freshness.interval 5s
ice4j.consent-freshness.original-wait-interval 500ms
ice4j.consent-freshness.max-wait-interval 500ms
ice4j.consent-freshness.max-retransmissions 5
ice4j.consent-freshness.randomize-interval true
ice4j.harvest.use-ipv6 true
ice4j.harvest.use-link-local-addresses false
ice4j.harvest.timeout 15s
ice4j.harvest.udp.receive-buffer-size 10485760
ice4j.harvest.udp.use-dynamic-ports false
ice4j.harvest.udp.socket-pool-size 0
ice4j.harvest.allowed-addresses []
ice4j.harvest.blocked-addresses []
ice4j.harvest.allowed-interfaces []
ice4j.harvest.blocked-interfaces []
ice4j.harvest.mapping.aws.enabled true
ice4j.harvest.mapping.aws.force false
ice4j.harvest.mapping.stun.addresses []
ice4j.harvest.mapping.static-mappings []
videobridge.apis.xmpp-client.presence-interval 5s
videobridge.apis.xmpp-client.stats-filter.enabled false
videobridge.apis.xmpp-client.stats-filter.whitelist [average_participant_stress,colibri2,current_timestamp,drain,graceful_shutdown,healthy,region,relay_id,release,shutting_down,stress_level,version]
videobridge.apis.xmpp-client.jid-cache-size 1000
videobridge.apis.xmpp-client.configs {}
videobridge.apis.rest.enabled false
videobridge.http-servers.public.port -1
videobridge.http-servers.public.tls-port -1
videobridge.http-servers.public.host -
videobridge.http-servers.public.key-store-path -
videobridge.http-servers.public.key-store-password -
videobridge.http-servers.public.need-client-auth false
videobridge.http-servers.public.send-server-version false
videobridge.http-servers.public.tls-protocols [TLSv1.2,TLSv1.3]
videobridge.http-servers.public.tls-cipher-suites [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256]
videobridge.http-servers.private.port 8080
videobridge.http-servers.private.tls-port 8443
videobridge.http-servers.private.host 127.0.0.1
videobridge.http-servers.private.key-store-path -
videobridge.http-servers.private.key-store-password -
videobridge.http-servers.private.need-client-auth false
videobridge.http-servers.private.send-server-version false
videobridge.http-servers.private.tls-protocols [TLSv1.2,TLSv1.3]
videobridge.http-servers.private.tls-cipher-suites [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256]
videobridge.rest.shutdown.enabled false
videobridge.rest.debug.enabled true
videobridge.rest.drain.enabled true
videobridge.rest.health.enabled true
videobridge.rest.prometheus.enabled true
videobridge.rest.rtcstats.enabled true
videobridge.rest.version.enabled true
videobridge.websockets.enabled false
videobridge.websockets.server-id default-id
videobridge.websockets.domains []
videobridge.websockets.domain -
videobridge.websockets.relay-domains []
videobridge.websockets.relay-domain -
videobridge.websockets.tls -
videobridge.websockets.enable-compression true
videobridge.websockets.send-keepalive-pings true
videobridge.websockets.keepalive-ping-interval 15s
videobridge.websockets.idle-timeout 60s
videobridge.relay.enabled false
videobridge.relay.region -
videobridge.relay.relay-id -
videobridge.octo.enabled -
videobridge.octo.region -
videobridge.octo.relay-id -
videobridge.octo.bind-address -
videobridge.sctp.enabled true
videobridge.sctp.max-channels 1
videobridge.cryptex.endpoint false
videobridge.cryptex.relay false
videobridge.transport.send.queue-size 1024
jmt.transceiver.recv.queue-size 1024
jmt.transceiver.send.queue-size 1024
jmt.dtls.handshake-timeout 30s
jmt.dtls.cipher-suites [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256]
jmt.dtls.local-fingerprint-hash-function sha-256
jmt.dtls.accepted-fingerprint-hash-functions [sha-512,sha-384,sha-256,sha-1]
jmt.srtp.max-consecutive-packets-discarded-early -1
jmt.srtp.protection-profiles [SRTP_AEAD_AES_128_GCM,SRTP_AES128_CM_HMAC_SHA1_80]
jmt.srtp.factory-class OpenSSL
videobridge.cc.bwe-change-threshold 0.15
videobridge.cc.bwe-change-threshold-pct -
videobridge.cc.default-max-height-px 180
videobridge.cc.initial-max-height-px 0
videobridge.cc.thumbnail-max-height-px -
videobridge.cc.onstage-preferred-height-px 360
videobridge.cc.onstage-preferred-framerate 30
videobridge.cc.allow-oversend-onstage true
videobridge.cc.enable-onstage-video-suspend -
videobridge.cc.max-oversend-bitrate 500kbps
videobridge.cc.trust-bwe true
videobridge.cc.padding-period 15ms
videobridge.cc.max-time-between-calculations 5s
videobridge.cc.jvb-last-n -1
videobridge.cc.initial-last-n -1
videobridge.cc.assumed-bandwidth-limit -
videobridge.cc.use-vla-target-bitrate false
videobridge.cc.initial-ignore-bwe-period -
jmt.bwe.estimator.engine GoogleCc2
jmt.bwe.estimator.initial-bw 2500kbps
jmt.bwe.estimator.min-bw 30kbps
jmt.bwe.estimator.max-bw 20mbps
jmt.bwe.google-cc.min-bw -
jmt.bwe.google-cc.max-bw -
jmt.bwe.estimator.GoogleCc.default-window-size 5s
jmt.bwe.estimator.GoogleCc.default-bucket-size 100ms
jmt.bwe.estimator.GoogleCc.default-initial-ignore-bwe-period 10s
jmt.bwe.estimator.GoogleCc2.default-window-size 1s
jmt.bwe.estimator.GoogleCc2.default-bucket-size 20ms
jmt.bwe.estimator.GoogleCc2.default-initial-ignore-bwe-period 0s
jmt.bwe.send-side.low-loss-threshold 0.02
jmt.bwe.send-side.high-loss-threshold 0.1
jmt.bwe.send-side.bitrate-threshold 100kbps
jmt.bwe.send-side.loss-experiment.probability 0
jmt.bwe.send-side.loss-experiment.low-loss-threshold 0.02
jmt.bwe.send-side.loss-experiment.high-loss-threshold 0.1
jmt.bwe.send-side.loss-experiment.bitrate-threshold 100kbps
jmt.bwe.send-side.timeout-experiment.probability 0
jmt.bwe.overuse-detector.initial-threshold 25.0
jmt.bwe.overuse-detector.overusing-time-threshold 100.0
jmt.rtp.bitrate-calculator.window-size -
jmt.rtp.bitrate-calculator.bucket-size -
jmt.keyframe.min-interval 200ms
jmt.keyframe.max-requests 3
jmt.keyframe.max-request-interval 10s
jmt.keyframe.source-wide-min-interval 200ms
jmt.keyframe.source-wide-max-requests 1
jmt.keyframe.source-wide-max-request-interval 200ms
videobridge.loudest.route-loudest-only false
videobridge.loudest.num-loudest 3
videobridge.loudest.always-route-dominant true
videobridge.loudest.energy-expire-time 150ms
videobridge.loudest.energy-alpha-pct 50
videobridge.speech-activity.recent-speakers-count 10
videobridge.speech-activity.enable-silence-detection false
videobridge.speech-activity.silence-detection-timeout 3s
jmt.audio.red.policy NOOP
jmt.audio.red.distance TWO
jmt.audio.red.vad-only true
jmt.audio.level.forwarded-silence-packets-limit 3
jmt.audio.level.discard-silence true
videobridge.entity-expiration.timeout 1m
videobridge.entity-expiration.check-interval 1m
videobridge.ep-connection-status.first-transfer-timeout 15s
videobridge.ep-connection-status.max-inactivity-limit 8s
videobridge.ep-connection-status.check-interval 500ms
videobridge.health.interval 1m
videobridge.health.timeout 90s
videobridge.health.max-check-duration 3s
videobridge.health.sticky-failures false
videobridge.health.require-valid-address true
videobridge.health.require-stun false
videobridge.shutdown.graceful-shutdown-max-duration 24h
videobridge.shutdown.graceful-shutdown-min-participants 0
videobridge.shutdown.shutting-down-delay 1m
videobridge.initial-drain-mode false
videobridge.load-management.reducer-enabled false
videobridge.load-management.load-measurements.load-measurement cpu-usage
videobridge.load-management.load-measurements.packet-rate.load-threshold 50000
videobridge.load-management.load-measurements.packet-rate.recovery-threshold 40000
videobridge.load-management.load-measurements.cpu-usage.load-threshold 0.9
videobridge.load-management.load-measurements.cpu-usage.recovery-threshold 0.72
videobridge.load-management.load-measurements.cpu-usage.detect-cpu-steal true
videobridge.load-management.load-reducers.last-n.reduction-scale 0.75
videobridge.load-management.load-reducers.last-n.recover-scale 1.25
videobridge.load-management.load-reducers.last-n.impact-time 1m
videobridge.load-management.load-reducers.last-n.minimum-last-n-value 1
videobridge.load-management.load-reducers.last-n.maximum-enforced-last-n-value 40
videobridge.load-management.conference-last-n-limits {}
videobridge.load-management.average-participant-stress 0.01
videobridge.stats.interval 5s
videobridge.stats.transit-time.enable-json true
videobridge.stats.transit-time.enable-prometheus false
videobridge.stats.transit-time.enable-jitter false
videobridge.stats.jvm.enabled true
videobridge.stats-filter-threshold 20
videobridge.connection-stats.enabled true
videobridge.connection-stats.interval 10s
videobridge.ssrc-limit.video 50
videobridge.ssrc-limit.audio 50
videobridge.version.announce false
videobridge.version.release -
videobridge.redact-remote-addresses true
videobridge.redact-colibri-http-headers true
videobridge.exporter.max-reconnect-attempts -
videobridge.exporter.base-delay 1s
videobridge.exporter.max-delay 30s
videobridge.exporter.stable-connection-threshold 30s
jmt.debug.pcap.enabled false
jmt.debug.pcap.start-enabled false
jmt.debug.pcap.directory /tmp
jmt.debug.packet-loss.incoming.uniform-rate 0
jmt.debug.packet-loss.incoming.burst-size 0
jmt.debug.packet-loss.incoming.burst-interval 0
jmt.debug.packet-loss.outgoing.uniform-rate 0
jmt.debug.packet-loss.outgoing.burst-size 0
jmt.debug.packet-loss.outgoing.burst-interval 0
jmt.debug.packet-timeline.enabled false
jmt.debug.packet-timeline.log-fraction 10000
jmt.debug.payload-verification.enabled false
tracing.enabled false
tracing.service-name jvb
";

/// Keys that only this bridge has.
const OURS: &str = "
ice4j.harvest.use-loopback-addresses false
videobridge.shard.coalescing.min-fan-out 5
videobridge.shard.coalescing.window 500microseconds
videobridge.shard.count 0
videobridge.shard.pin true
";

#[test]
fn every_key_has_the_stated_default() {
    let reference = hocon::parse_with_env(REFERENCE, &Default::default()).expect("valid HOCON");
    for (key, expected) in table() {
        let found = reference.get(key).map_or_else(|| "-".to_owned(), short);
        assert_eq!(found, expected, "{key}");
        let leaf = key.rsplit('.').next().expect("a name");
        assert!(REFERENCE.contains(leaf), "{key} is not even in a comment");
    }
}

#[test]
fn the_table_of_keys_is_complete() {
    let mut expected: Vec<_> = table().map(|(key, _)| key).collect();
    let mut known: Vec<_> = KEYS.iter().map(|key| key.path).collect();
    expected.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, expected);
}

fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = DEFAULTS.lines().chain(OURS.lines()).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(' ').expect("a key and a default"))
}

/// A value as the tables have it: no spaces, short units.
fn short(value: &HoconValue) -> String {
    match value {
        HoconValue::Scalar(scalar) if scalar.value_type == ScalarType::Null => "null".to_owned(),
        HoconValue::Scalar(scalar) => {
            let (amount, unit) = scalar.raw.split_once(' ').unwrap_or((&scalar.raw, ""));
            let unit = match unit {
                "second" | "seconds" => "s",
                "minute" => "m",
                "hours" => "h",
                other => other,
            };
            format!("{amount}{unit}")
        }
        HoconValue::Array(items) => {
            format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(","))
        }
        HoconValue::Object(fields) if fields.is_empty() => "{}".to_owned(),
        other => format!("{other:?}"),
    }
}
