//! From the configuration to what each part wants to know.

use crate::health::HealthSettings;
use crate::statistics::Identity;
use bridge_conference::{
    AddressMapping, ConferenceSettings, MappedPorts, ReceiverDefaults, ShutdownTimes,
};
use bridge_config::{Config, KeepAliveStrategy, XmppClientConfig};
use bridge_dtls::{CipherSuite, DtlsSettings, FingerprintHash};
use bridge_http::HttpSettings;
use bridge_io::{AddressFilter, CoalescingSettings, UdpSettings};
use bridge_shard::MAX_SHARDS;
use bridge_srtp::Profile;
use bridge_transport::{IceSettings, IceTimers, KeepAlive};
use bridge_xmpp::{ConnectionSettings, SecurityMode};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    let allocation = &config.cc.allocation;
    let height = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
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
        receiver: ReceiverDefaults {
            initial_max_height: height(config.cc.initial_max_height_px),
            default_max_height: height(config.cc.default_max_height_px),
            assumed_bandwidth_limit_bps: allocation
                .assumed_bandwidth_limit
                .map(|limit| i64::try_from(limit.bps()).unwrap_or(i64::MAX)),
        },
        announced_version: config.version.announce.then(|| version.to_owned()),
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
        cpu_load_threshold: config.load.cpu_usage.load,
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
