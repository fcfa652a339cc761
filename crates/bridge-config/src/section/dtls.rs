use std::time::Duration;

use hocon::HoconValue;

use crate::reader::Check;
use crate::section::checks::{AT_LEAST_ONE, PERIOD, QUEUE_LEN};
use crate::value::{FromValue, text};

section! {
    /// The bridge channel over data channels.
    SctpConfig {
        /// Whether it is offered.
        enabled: bool = "enabled",
        /// Most data channels of one association.
        max_channels: u32 = "max-channels" where AT_LEAST_ONE,
    }
}

section! {
    /// Encrypted header extensions (RFC 9335).
    CryptexConfig {
        /// Towards endpoints.
        endpoint: bool = "endpoint",
        /// Towards other bridges.
        relay: bool = "relay",
    }
}

section! {
    /// Lengths of queues, in packets.
    QueueConfig {
        /// Packets that wait for a transport.
        transport_send: usize = "videobridge.transport.send.queue-size" where QUEUE_LEN,
        /// Packets that wait for the receive pipeline.
        transceiver_recv: usize = "jmt.transceiver.recv.queue-size" where QUEUE_LEN,
        /// Packets that wait for the send pipeline.
        transceiver_send: usize = "jmt.transceiver.send.queue-size" where QUEUE_LEN,
    }
}

section! {
    /// DTLS.
    DtlsConfig {
        /// Limit for a whole handshake.
        handshake_timeout: Duration = "handshake-timeout" where PERIOD,
        /// TLS 1.2 suites, in order; at least one.
        cipher_suites: Vec<DtlsCipherSuite> = "cipher-suites" where SUITES,
        /// Of the bridge's own certificate.
        local_fingerprint_hash_function: FingerprintHash = "local-fingerprint-hash-function",
        /// Of clients' certificates, strongest first; at least one.
        accepted_fingerprint_hash_functions: Vec<FingerprintHash> =
            "accepted-fingerprint-hash-functions" where HASHES,
    }
}

section! {
    /// SRTP.
    SrtpConfig {
        /// `max-consecutive-packets-discarded-early`: without a meaning here.
        max_consecutive_packets_discarded_early: i32 = "max-consecutive-packets-discarded-early",
        /// Profiles, the most wanted first; at least one.
        protection_profiles: Vec<ProtectionProfile> = "protection-profiles" where PROFILES,
        /// `factory-class`: without a meaning here.
        factory_class: String = "factory-class",
    }
}

/// A DTLS cipher suite: its name and number are IANA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DtlsCipherSuite {
    /// The name.
    pub name: &'static str,
    /// The number on the wire.
    pub code: u16,
}

named_values! {
    /// A hash function of fingerprints (RFC 8122).
    FingerprintHash, expected "sha-512, sha-384, sha-256, sha-224 or sha-1" {
        /// 512 bits
        Sha512 = "sha-512",
        /// 384 bits
        Sha384 = "sha-384",
        /// 256 bits
        Sha256 = "sha-256",
        /// 224 bits
        Sha224 = "sha-224",
        /// 160 bits
        Sha1 = "sha-1",
    }
}

named_values! {
    /// A protection profile of DTLS-SRTP (RFC 5764, RFC 7714).
    ProtectionProfile, expected "SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, \
        SRTP_AES128_CM_HMAC_SHA1_80, SRTP_AES128_CM_HMAC_SHA1_32, SRTP_NULL_HMAC_SHA1_80 or \
        SRTP_NULL_HMAC_SHA1_32" {
        /// 0x0007
        AeadAes128Gcm = "SRTP_AEAD_AES_128_GCM",
        /// 0x0008
        AeadAes256Gcm = "SRTP_AEAD_AES_256_GCM",
        /// 0x0001
        Aes128CmHmacSha1_80 = "SRTP_AES128_CM_HMAC_SHA1_80",
        /// 0x0002
        Aes128CmHmacSha1_32 = "SRTP_AES128_CM_HMAC_SHA1_32",
        /// 0x0005: for tests; nothing is encrypted.
        NullHmacSha1_80 = "SRTP_NULL_HMAC_SHA1_80",
        /// 0x0006: for tests; nothing is encrypted.
        NullHmacSha1_32 = "SRTP_NULL_HMAC_SHA1_32",
    }
}

impl FromValue for DtlsCipherSuite {
    const EXPECTED: &'static str = "the name of a DTLS cipher suite";

    fn from_value(value: &HoconValue) -> Option<Self> {
        let name = text(value)?.trim();
        CIPHER_SUITES.iter().find(|suite| suite.name == name).copied()
    }
}

const SUITES: Check<Vec<DtlsCipherSuite>> =
    Check { expected: "at least one cipher suite", holds: |suites| !suites.is_empty() };

const HASHES: Check<Vec<FingerprintHash>> =
    Check { expected: "at least one hash function", holds: |hashes| !hashes.is_empty() };

const PROFILES: Check<Vec<ProtectionProfile>> =
    Check { expected: "at least one protection profile", holds: |profiles| !profiles.is_empty() };

const fn suite(name: &'static str, code: u16) -> DtlsCipherSuite {
    DtlsCipherSuite { name, code }
}

/// The authenticated suites of TLS 1.2 with a certificate, and those of TLS 1.3: what a WebRTC peer
/// may reasonably be asked for.
const CIPHER_SUITES: &[DtlsCipherSuite] = &[
    suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b),
    suite("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c),
    suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f),
    suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030),
    suite("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8),
    suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9),
    suite("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xccaa),
    suite("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", 0x009e),
    suite("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", 0x009f),
    suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009),
    suite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xc00a),
    suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xc023),
    suite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", 0xc024),
    suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xc013),
    suite("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xc014),
    suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0xc027),
    suite("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", 0xc028),
    suite("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0x0033),
    suite("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", 0x0039),
    suite("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", 0x0067),
    suite("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", 0x006b),
    suite("TLS_AES_128_GCM_SHA256", 0x1301),
    suite("TLS_AES_256_GCM_SHA384", 0x1302),
    suite("TLS_CHACHA20_POLY1305_SHA256", 0x1303),
];
