//! From the configuration to what each part wants to know.

use crate::health::HealthSettings;
use crate::load::{LoadSettings, Measurement};
use crate::statistics::Identity;
use bridge_cc::{EstimatorConfig, EstimatorEngine, GoogCcClassicConfig};
use bridge_conference::{
    AddressMapping, AllocationConfig, ConferenceSettings, ConferenceSizeLimits, ConnectivityConfig,
    LastN, LastNReduction, LoadConfig, LoudestConfig, MappedPorts, MaxHeight, ShutdownTimes,
    SpeechActivityConfig,
};
use bridge_config::{
    BweConfig, BweEngine, Config, KeepAliveStrategy, KeyframeConfig, LoadMeasurement,
    XmppClientConfig,
};
use bridge_dtls::{CipherSuite, DtlsSettings, FingerprintHash};
use bridge_http::HttpSettings;
use bridge_io::{AddressFilter, CoalescingSettings, UdpSettings};
use bridge_media::{RedConfig, RedDistance, RedPolicy, SilenceConfig};
use bridge_shard::{KeyframeLimits, MAX_SHARDS, MediaSettings, RequestLimit, SsrcLimits};
use bridge_srtp::Profile;
use bridge_transport::{IceSettings, IceTimers, KeepAlive};
use bridge_xmpp::{ConnectionSettings, SecurityMode};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(crate) fn udp(config: &Config) -> UdpSettings {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = match config.shard.count {
        0 => u16::try_from(cores).unwrap_or(MAX_SHARDS),
        count => count,
    };
    UdpSettings {
        port: config.ice.port,
        shards: wanted.clamp(1, MAX_SHARDS),
        pin: config.shard.pin,
        receive_buffer: usize::try_from(config.harvest.receive_buffer_size.bytes())
            .unwrap_or(usize::MAX),
    }
}

pub(crate) fn coalescing(config: &Config) -> CoalescingSettings {
    CoalescingSettings {
        window: config.shard.coalescing_window,
        min_fan_out: config.shard.coalescing_min_fan_out,
    }
}

pub(crate) fn address_filter(config: &Config) -> AddressFilter {
    let harvest = &config.harvest;
    AddressFilter {
        allowed_interfaces: harvest.allowed_interfaces.clone(),
        blocked_interfaces: harvest.blocked_interfaces.clone(),
        allowed_addresses: harvest.allowed_addresses.clone(),
        blocked_addresses: harvest.blocked_addresses.clone(),
        ipv6: harvest.use_ipv6,
        link_local: harvest.use_link_local_addresses,
        loopback: harvest.use_loopback_addresses,
    }
}

pub(crate) fn address_mappings(config: &Config) -> Vec<AddressMapping> {
    let mappings = config.harvest.mapping.static_mappings.iter();
    mappings
        .map(|mapping| AddressMapping {
            local: mapping.local,
            public: mapping.public,
            ports: mapping
                .ports
                .map(|ports| MappedPorts { local: ports.local, public: ports.public }),
        })
        .collect()
}

/// The settings of DTLS. Suites that our backends do not have are left out, as JVB's library does
/// with its own; a profile that is left out is named in the log.
pub(crate) fn dtls(config: &Config) -> DtlsSettings {
    let suites = config.dtls.cipher_suites.iter();
    let profiles = config.srtp.protection_profiles.iter();
    let hashes = config.dtls.accepted_fingerprint_hash_functions.iter();
    DtlsSettings {
        handshake_timeout: config.dtls.handshake_timeout,
        cipher_suites: suites.filter_map(|suite| CipherSuite::from_name(suite.name)).collect(),
        srtp_profiles: profiles.filter_map(|profile| srtp_profile(profile.name())).collect(),
        accepted_hashes: hashes
            .filter_map(|hash| FingerprintHash::from_name(hash.name()))
            .collect(),
        ..DtlsSettings::default()
    }
}

fn srtp_profile(name: &str) -> Option<Profile> {
    let profile = Profile::from_name(name);
    if profile.is_none() {
        tracing::warn!(
            profile = name,
            "jmt.srtp.protection-profiles: not in this version, skipped"
        );
    }
    profile
}

pub(crate) fn ice(config: &Config) -> IceSettings {
    IceSettings {
        software: config.ice.software.clone(),
        keep_alive: match config.ice.keep_alive_strategy {
            KeepAliveStrategy::AllSucceeded => KeepAlive::AllSucceeded,
            KeepAliveStrategy::SelectedOnly | KeepAliveStrategy::SelectedAndTcp => {
                KeepAlive::SelectedOnly
            }
        },
        timers: IceTimers {
            termination_delay: config.ice.termination_delay,
            consent_interval: config.consent.interval,
            ..IceTimers::default()
        },
    }
}

pub(crate) fn conference(config: &Config, version: &str) -> ConferenceSettings {
    let stats = &config.connection_stats;
    ConferenceSettings {
        ufrag_prefix: config
            .ice
            .ufrag_prefix
            .as_ref()
            .map(|prefix| prefix.as_str().to_owned())
            .unwrap_or_default(),
        fingerprint_hash: FingerprintHash::from_name(
            config.dtls.local_fingerprint_hash_function.name(),
        )
        .unwrap_or(FingerprintHash::Sha256),
        sctp: config.sctp.enabled,
        ice_restart: config.ice.restart.enabled,
        expiry_check_interval: config.expiration.check_interval,
        inactivity_timeout: config.expiration.timeout,
        allocation: Arc::new(allocation(config)),
        speech: speech(&config.speech_activity),
        loudest: loudest(&config.loudest),
        connectivity: ConnectivityConfig {
            first_transfer_timeout: config.connection_status.first_transfer_timeout,
            max_inactivity_limit: config.connection_status.max_inactivity_limit,
            check_interval: config.connection_status.check_interval,
        },
        connection_stats_interval: stats.enabled.then_some(stats.interval),
        stats_filter_threshold: config.stats_filter_threshold as usize,
        announced_version: config.version.announce.then(|| version.to_owned()),
    }
}

/// `videobridge.cc`, with the limits of other sections on the number of sources.
fn allocation(config: &Config) -> AllocationConfig {
    let (cc, keys) = (&config.cc, &config.cc.allocation);
    let by_size = config.load.conference_last_n_limits.iter();
    AllocationConfig {
        bwe_change_threshold: cc.bwe_change_threshold,
        default_max_height: MaxHeight::from_pixels(cc.default_max_height_px),
        initial_max_height: MaxHeight::from_pixels(cc.initial_max_height_px),
        onstage_preferred_height: keys.onstage_preferred_height_px,
        onstage_preferred_frame_rate: keys.onstage_preferred_framerate,
        allow_oversend_onstage: cc.allow_oversend_onstage,
        max_oversend_bitrate: keys.max_oversend_bitrate,
        trust_bwe: keys.trust_bwe,
        max_time_between_calculations: keys.max_time_between_calculations,
        bridge_last_n: LastN::from_signaled(keys.jvb_last_n),
        initial_last_n: LastN::from_signaled(keys.initial_last_n),
        assumed_bandwidth_limit: keys.assumed_bandwidth_limit,
        use_vla_target_bitrate: keys.use_vla_target_bitrate,
        initial_ignore_bwe_period: keys
            .initial_ignore_bwe_period
            .unwrap_or(config.bwe.default_initial_ignore_bwe_period),
        ssrc_limit: LastN::new(config.ssrc_limit.video),
        conference_size_limits: ConferenceSizeLimits::new(
            by_size.map(|(&size, &limit)| (size, LastN::new(limit))),
        ),
    }
}

/// What is the same for all receivers of media.
pub(crate) fn media(config: &Config) -> MediaSettings {
    let level = &config.audio.level;
    MediaSettings {
        estimator: estimator(&config.bwe),
        red: red(&config.audio.red),
        silence: SilenceConfig {
            discard_silence: level.discard_silence,
            forwarded_silence_packets_limit: level.forwarded_silence_packets_limit,
        },
        trusts_estimate: config.cc.allocation.trust_bwe,
        padding_interval: config.cc.allocation.padding_period,
        keyframes: keyframes(&config.keyframe),
        ssrc_limits: SsrcLimits {
            audio: config.ssrc_limit.audio as usize,
            video: config.ssrc_limit.video as usize,
        },
    }
}

/// `jmt.bwe`.
fn estimator(keys: &BweConfig) -> EstimatorConfig {
    let (loss, delay) = (&keys.send_side, &keys.overuse_detector);
    EstimatorConfig {
        engine: match keys.engine {
            BweEngine::GoogleCc2 => EstimatorEngine::GoogleCc2,
            BweEngine::GoogleCc => EstimatorEngine::GoogleCc,
        },
        initial: keys.initial_bw,
        min: keys.min_bw,
        max: keys.max_bw,
        classic: GoogCcClassicConfig {
            low_loss: loss.low_loss_threshold,
            high_loss: loss.high_loss_threshold,
            bitrate_threshold: loss.bitrate_threshold,
            overuse_threshold: delay.initial_threshold,
            min_overuse: Duration::from_secs_f64(delay.overusing_time_threshold / 1_000.0),
            ..GoogCcClassicConfig::new(keys.initial_bw, keys.min_bw, keys.max_bw)
        },
    }
}

/// `jmt.keyframe`.
fn keyframes(keys: &KeyframeConfig) -> KeyframeLimits {
    let limit = |min_interval, max_requests, window| RequestLimit {
        min_interval,
        max_requests: max_requests as usize,
        window,
    };
    KeyframeLimits {
        receiver: limit(keys.min_interval, keys.max_requests, keys.max_request_interval),
        source: limit(
            keys.source_wide_min_interval,
            keys.source_wide_max_requests,
            keys.source_wide_max_request_interval,
        ),
    }
}

fn red(keys: &bridge_config::RedConfig) -> RedConfig {
    RedConfig {
        policy: match keys.policy {
            bridge_config::RedPolicy::Noop => RedPolicy::Noop,
            bridge_config::RedPolicy::Strip => RedPolicy::Strip,
            bridge_config::RedPolicy::ProtectAll => RedPolicy::ProtectAll,
        },
        distance: match keys.distance {
            bridge_config::RedDistance::One => RedDistance::One,
            bridge_config::RedDistance::Two => RedDistance::Two,
        },
        vad_only: keys.vad_only,
    }
}

fn speech(keys: &bridge_config::SpeechActivityConfig) -> SpeechActivityConfig {
    SpeechActivityConfig {
        recent_speakers_count: keys.recent_speakers_count as usize,
        silence_timeout: keys.enable_silence_detection.then_some(keys.silence_detection_timeout),
    }
}

fn loudest(keys: &bridge_config::LoudestConfig) -> LoudestConfig {
    LoudestConfig {
        route_loudest_only: keys.route_loudest_only,
        num_loudest: keys.num_loudest as usize,
        always_route_dominant: keys.always_route_dominant,
        energy_expire_time: keys.energy_expire_time,
        energy_alpha_pct: keys.energy_alpha_pct,
    }
}

pub(crate) fn shutdown_times(config: &Config) -> ShutdownTimes {
    ShutdownTimes {
        graceful_max: config.shutdown.graceful_shutdown_max_duration,
        graceful_min_participants: config.shutdown.graceful_shutdown_min_participants as usize,
        shutting_down_delay: config.shutdown.shutting_down_delay,
    }
}

pub(crate) fn health(
    config: &Config,
    bound: &[SocketAddr],
    shard_died: Arc<AtomicBool>,
) -> HealthSettings {
    let mapped = config.harvest.mapping.static_mappings.iter().map(|mapping| mapping.public);
    let addresses: Vec<IpAddr> = bound.iter().map(SocketAddr::ip).chain(mapped).collect();
    HealthSettings {
        interval: config.health.interval,
        timeout: config.health.timeout,
        require_valid_address: config.health.require_valid_address,
        addresses,
        bound: !bound.is_empty(),
        shard_died,
    }
}

pub(crate) fn identity(config: &Config) -> Identity {
    Identity {
        release: config.version.release.clone(),
        region: config.relay.region.clone(),
        relay_id: config.relay.relay_id.clone().filter(|_| config.relay.enabled),
        average_participant_stress: config.load.average_participant_stress,
    }
}

/// `videobridge.load-management`.
pub(crate) fn load(config: &Config) -> LoadSettings {
    let keys = &config.load;
    let (measurement, thresholds) = match keys.measurement {
        LoadMeasurement::CpuUsage => {
            (Measurement::CpuUsage { with_steal: keys.detect_cpu_steal }, &keys.cpu_usage)
        }
        LoadMeasurement::PacketRate => (Measurement::PacketRate, &keys.packet_rate),
    };
    let last_n = &keys.last_n;
    LoadSettings {
        measurement,
        config: LoadConfig {
            load_threshold: thresholds.load,
            recovery_threshold: thresholds.recovery,
            reducer: keys.reducer_enabled.then_some(LastNReduction {
                reduction_scale: last_n.reduction_scale,
                recover_scale: last_n.recover_scale,
                impact_time: last_n.impact_time,
                minimum: last_n.minimum_last_n,
                maximum_enforced: last_n.maximum_enforced_last_n,
            }),
        },
    }
}

pub(crate) fn http(config: &Config) -> HttpSettings {
    let rest = &config.rest;
    HttpSettings {
        colibri: rest.colibri,
        health: rest.health,
        version: rest.version,
        metrics: rest.prometheus,
        drain: rest.drain,
        shutdown: rest.shutdown,
        debug: rest.debug,
    }
}

pub(crate) fn xmpp_connection(client: &XmppClientConfig) -> ConnectionSettings {
    ConnectionSettings {
        hostname: client.hostname.clone(),
        port: Some(client.port),
        domain: Some(client.domain.clone()),
        username: client.username.clone(),
        password: client.password.expose().to_owned(),
        muc_jids: client.muc_jids.clone(),
        muc_nickname: client.muc_nickname.clone(),
        resource: None,
        disable_certificate_verification: client.disable_certificate_verification,
        security_mode: SecurityMode::from_name(client.security_mode.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_config::Sources;
    use bridge_units::Bitrate;
    use std::path::Path;

    fn settings(text: &str) -> ConferenceSettings {
        let loaded = Config::load_text(text, Path::new("."), &Sources::new());
        conference(&loaded.expect("the text is valid").config, "2.3")
    }

    #[test]
    fn without_a_configuration_conferences_are_as_they_say_they_are() {
        assert_eq!(settings(""), ConferenceSettings::default());
    }

    fn media_settings(text: &str) -> MediaSettings {
        let loaded = Config::load_text(text, Path::new("."), &Sources::new());
        media(&loaded.expect("the text is valid").config)
    }

    #[test]
    fn without_a_configuration_shards_are_as_they_say_they_are() {
        let (media, default) = (media_settings(""), MediaSettings::default());
        assert_eq!(media.estimator, default.estimator);
        assert_eq!((media.red, media.silence), (default.red, default.silence));
        assert_eq!(media.ssrc_limits, default.ssrc_limits);
        assert_eq!(media.keyframes, default.keyframes);
        assert_eq!(media.padding_interval, default.padding_interval);
        assert!(media.trusts_estimate);
    }

    #[test]
    fn the_keys_of_the_media_plane_reach_shards() {
        let media = media_settings(
            r#"jmt { bwe { estimator { engine = GoogleCc, initial-bw = 700 kbps, min-bw = 50 kbps
                                       max-bw = 5 mbps }
                           send-side { low-loss-threshold = 0.03, bitrate-threshold = 200 kbps }
                           overuse-detector { initial-threshold = 20, overusing-time-threshold = 80 } }
                     audio { red { policy = PROTECT_ALL, distance = ONE, vad-only = false }
                             level { discard-silence = false, forwarded-silence-packets-limit = 9 } }
                     keyframe { min-interval = 1 s, max-requests = 4, source-wide-max-requests = 5
                                source-wide-max-request-interval = 2 s } }
               videobridge { ssrc-limit { audio = 7, video = 30 }, cc { padding-period = 20 ms, trust-bwe = false } }"#,
        );
        let estimator = &media.estimator;
        assert_eq!(estimator.engine, EstimatorEngine::GoogleCc);
        let bounds = [estimator.initial, estimator.min, estimator.max];
        assert_eq!(bounds.map(Bitrate::kbps), [700, 50, 5_000]);
        assert_eq!(estimator.classic.initial, estimator.initial);
        assert_eq!((estimator.classic.low_loss, estimator.classic.high_loss), (0.03, 0.1));
        assert_eq!(estimator.classic.bitrate_threshold, Bitrate::from_kbps(200));
        assert_eq!(estimator.classic.overuse_threshold, 20.0);
        assert_eq!(estimator.classic.min_overuse, Duration::from_millis(80));
        assert_eq!((media.red.policy, media.red.vad_only), (RedPolicy::ProtectAll, false));
        assert_eq!(media.red.distance, RedDistance::One);
        assert!(!media.silence.discard_silence);
        assert_eq!(media.silence.forwarded_silence_packets_limit, 9);
        assert_eq!((media.ssrc_limits.audio, media.ssrc_limits.video), (7, 30));
        assert_eq!(media.padding_interval, Duration::from_millis(20));
        assert!(!media.trusts_estimate);
        let KeyframeLimits { receiver, source } = media.keyframes;
        assert_eq!((receiver.max_requests, source.max_requests), (4, 5));
        assert_eq!(receiver.min_interval, Duration::from_secs(1));
        assert_eq!(source.min_interval, Duration::from_millis(200));
        assert_eq!((receiver.window.as_secs(), source.window.as_secs()), (10, 2));
    }

    #[test]
    fn the_keys_of_the_media_plane_reach_conferences() {
        let settings = settings(
            r#"videobridge {
                cc { jvb-last-n = 7, initial-last-n = 3, trust-bwe = false
                     onstage-preferred-height-px = 480, initial-max-height-px = 90
                     max-time-between-calculations = 9 seconds, assumed-bandwidth-limit = 2 mbps }
                ssrc-limit.video = 30
                load-management.conference-last-n-limits { 20 = 15 }
                speech-activity { recent-speakers-count = 4, enable-silence-detection = true
                                  silence-detection-timeout = 2 seconds }
                loudest { route-loudest-only = true, num-loudest = 5, energy-alpha-pct = 30 }
                ep-connection-status { max-inactivity-limit = 4 seconds }
                connection-stats.enabled = false
                stats-filter-threshold = 9
            }
            jmt.bwe.estimator.engine = GoogleCc"#,
        );
        let cc = &settings.allocation;
        assert_eq!((cc.bridge_last_n, cc.initial_last_n), (LastN::new(7), LastN::new(3)));
        assert_eq!((cc.ssrc_limit, cc.trust_bwe), (LastN::new(30), false));
        assert_eq!(cc.conference_size_limits.limit(25), LastN::new(15));
        assert_eq!(cc.onstage_preferred_height, 480);
        assert_eq!(cc.initial_max_height, MaxHeight::from_pixels(90));
        assert_eq!(cc.max_time_between_calculations, Duration::from_secs(9));
        assert_eq!(cc.assumed_bandwidth_limit.map(|limit| limit.kbps()), Some(2_000));
        assert_eq!(cc.initial_ignore_bwe_period, Duration::from_secs(10), "of that estimator");
        assert_eq!(settings.speech.recent_speakers_count, 4);
        assert_eq!(settings.speech.silence_timeout, Some(Duration::from_secs(2)));
        assert!(settings.loudest.route_loudest_only);
        assert_eq!((settings.loudest.num_loudest, settings.loudest.energy_alpha_pct), (5, 30));
        assert_eq!(settings.connectivity.max_inactivity_limit, Duration::from_secs(4));
        assert_eq!(settings.connection_stats_interval, None);
        assert_eq!(settings.stats_filter_threshold, 9);
    }

    fn load_settings(text: &str) -> LoadSettings {
        let loaded = Config::load_text(text, Path::new("."), &Sources::new());
        load(&loaded.expect("the text is valid").config)
    }

    #[test]
    fn load_is_managed_as_configured() {
        let by_default = load_settings("");
        assert_eq!(by_default.measurement, Measurement::CpuUsage { with_steal: true });
        let LoadConfig { load_threshold, recovery_threshold, reducer } = by_default.config;
        assert_eq!((load_threshold, recovery_threshold, reducer), (0.9, 0.72, None));
        let settings = load_settings(
            "videobridge.load-management { reducer-enabled = true
               load-measurements { load-measurement = packet-rate
                                   packet-rate { load-threshold = 70000, recovery-threshold = 60000 } }
               load-reducers.last-n { reduction-scale = .5, recover-scale = 2, impact-time = 5 s
                                      minimum-last-n-value = 3, maximum-enforced-last-n-value = 30 } }",
        );
        assert_eq!(settings.measurement, Measurement::PacketRate);
        let LoadConfig { load_threshold, recovery_threshold, reducer } = settings.config;
        assert_eq!((load_threshold, recovery_threshold), (70_000.0, 60_000.0));
        let expected = LastNReduction {
            reduction_scale: 0.5,
            recover_scale: 2.0,
            impact_time: Duration::from_secs(5),
            minimum: 3,
            maximum_enforced: 30,
        };
        assert_eq!(reducer, Some(expected));
    }
}
