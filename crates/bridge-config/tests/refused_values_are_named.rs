//! What a bridge must not start with is refused with file, key, value and what was expected.

mod common;

use bridge_config::{Config, ConfigError, EXIT_CODE, Sources};
use common::refusal;

/// Text of jvb.conf, then key and value as the message has them, then the expectation.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "videobridge.ice.udp.port = many",
        "videobridge.ice.udp.port = many",
        "a whole number from 0 to 65535",
    ),
    (
        "videobridge.ice.udp.port = 65536",
        "videobridge.ice.udp.port = 65536",
        "a whole number from 0 to 65535",
    ),
    (
        "videobridge.ice.udp.port = -1",
        "videobridge.ice.udp.port = -1",
        "a whole number from 0 to 65535",
    ),
    ("videobridge.ice.udp.port = 0", "videobridge.ice.udp.port = 0", "a port from 1 to 65535"),
    (
        "videobridge.ice.udp.port = [1]",
        "videobridge.ice.udp.port = [1]",
        "a whole number from 0 to 65535",
    ),
    (
        "videobridge.ice.udp.port = { a = 1 }",
        "videobridge.ice.udp.port = { … }",
        "a whole number from 0 to 65535",
    ),
    ("videobridge.ice.udp = 10000", "videobridge.ice.udp = 10000", "a section in braces"),
    (
        "videobridge.ice.ufrag-prefix = \"jvb-1:\"",
        "videobridge.ice.ufrag-prefix = jvb-1:",
        "up to 200 letters, digits, + / - or _ (a colon would break the demultiplexing of STUN)",
    ),
    (
        "videobridge.ice.nomination-strategy = nominatefirstvalid",
        "videobridge.ice.nomination-strategy = nominatefirstvalid",
        "NominateFirstHostOrReflexiveValid, NominateFirstValid, NominateHighestPriority, \
             NominateBestRTT or None",
    ),
    (
        "videobridge.ice.keep-alive-strategy = some",
        "videobridge.ice.keep-alive-strategy = some",
        "selected_only, selected_and_tcp or all_succeeded",
    ),
    (
        "videobridge.ice.restart.timeout = soon",
        "videobridge.ice.restart.timeout = soon",
        "a duration such as \"5 seconds\" or \"100 ms\"",
    ),
    (
        "videobridge.shard.count = 5000",
        "videobridge.shard.count = 5000",
        "a whole number from 0 (one per core) to 64",
    ),
    ("videobridge.shard.pin = perhaps", "videobridge.shard.pin = perhaps", "true or false"),
    (
        "videobridge.stats.interval = 0",
        "videobridge.stats.interval = 0",
        "a duration longer than zero",
    ),
    (
        "videobridge.stats.interval = -5 s",
        "videobridge.stats.interval = -5 s",
        "a duration such as \"5 seconds\" or \"100 ms\"",
    ),
    (
        "videobridge.cc.max-oversend-bitrate = 500",
        "videobridge.cc.max-oversend-bitrate = 500",
        "a whole number with bps, kbps or mbps, up to 2147 mbps",
    ),
    (
        "videobridge.cc.max-oversend-bitrate = 500 kbit",
        "videobridge.cc.max-oversend-bitrate = 500 kbit",
        "a whole number with bps, kbps or mbps, up to 2147 mbps",
    ),
    (
        "videobridge.cc.jvb-last-n = -2",
        "videobridge.cc.jvb-last-n = -2",
        "a whole number, -1 (no limit) or more",
    ),
    (
        "videobridge.cc.bwe-change-threshold = lots",
        "videobridge.cc.bwe-change-threshold = lots",
        "a number or a percentage",
    ),
    (
        "videobridge.http-servers.private.port = -2",
        "videobridge.http-servers.private.port = -2",
        "a port from 0 to 65535, or -1 for none",
    ),
    (
        "videobridge.http-servers.private.port = -1",
        "videobridge.http-servers.private.port = -1",
        "a port, since there is no key store (to switch the server off, set both port and tls-port to -1)",
    ),
    (
        "videobridge.http-servers.private { tls-port = -1, key-store-path = /x }",
        "videobridge.http-servers.private.tls-port = -1",
        "a TLS port, since there is a key store",
    ),
    (
        "videobridge.http-servers.private.tls-protocols = [ SSLv3 ]",
        "videobridge.http-servers.private.tls-protocols = [SSLv3]",
        "a list",
    ),
    ("videobridge.websockets.domains = one", "videobridge.websockets.domains = one", "a list"),
    (
        "videobridge.load-management.conference-last-n-limits { many = 5 }",
        "videobridge.load-management.conference-last-n-limits = { … }",
        "a section of conference size = last-n",
    ),
    (
        "videobridge.load-management.load-measurements.load-measurement = weather",
        "videobridge.load-management.load-measurements.load-measurement = weather",
        "cpu-usage or packet-rate",
    ),
    (
        "jmt.dtls.cipher-suites = [ TLS_NULL_WITH_NULL_NULL ]",
        "jmt.dtls.cipher-suites = [TLS_NULL_WITH_NULL_NULL]",
        "a list",
    ),
    ("jmt.dtls.cipher-suites = []", "jmt.dtls.cipher-suites = []", "at least one cipher suite"),
    (
        "jmt.dtls.local-fingerprint-hash-function = md5",
        "jmt.dtls.local-fingerprint-hash-function = md5",
        "sha-512, sha-384, sha-256, sha-224 or sha-1",
    ),
    (
        "jmt.srtp.protection-profiles = []",
        "jmt.srtp.protection-profiles = []",
        "at least one protection profile",
    ),
    (
        "jmt.bwe.estimator.engine = Abacus",
        "jmt.bwe.estimator.engine = Abacus",
        "GoogleCc2 or GoogleCc",
    ),
    (
        "jmt.bwe.estimator.min-bw = 30 mbps",
        "jmt.bwe.estimator.min-bw = 30 mbps",
        "no more than jmt.bwe.estimator.max-bw",
    ),
    (
        "jmt.rtp.bitrate-calculator.bucket-size = 30 ms",
        "jmt.rtp.bitrate-calculator.bucket-size = 30 ms",
        "a duration that divides the window of 1s",
    ),
    ("jmt.audio.red.policy = noop", "jmt.audio.red.policy = noop", "NOOP, STRIP or PROTECT_ALL"),
    (
        "jmt.debug.packet-loss.incoming.uniform-rate = 5",
        "jmt.debug.packet-loss.incoming.uniform-rate = 5",
        "a number from 0 to 1",
    ),
    (
        "ice4j.harvest.udp.receive-buffer-size = 0",
        "ice4j.harvest.udp.receive-buffer-size = 0",
        "a number of bytes from 1 to 2147483647",
    ),
    (
        "ice4j.harvest.mapping.stun.addresses = [ nowhere ]",
        "ice4j.harvest.mapping.stun.addresses = [nowhere]",
        "a list of host:port",
    ),
    (
        "ice4j.harvest.mapping.static-mappings = [ { local-address = a, public-address = 192.0.2.1 } ]",
        "ice4j.harvest.mapping.static-mappings[0].local-address = a",
        "an IP address",
    ),
    (
        "ice4j.harvest.mapping.static-mappings = [ { local-address = 10.0.0.1, public-address = 192.0.2.1, local-port = x, public-port = 1 } ]",
        "ice4j.harvest.mapping.static-mappings[0].local-port = x",
        "a port from 1 to 65535",
    ),
    (
        "videobridge.apis.xmpp-client.configs.a = b",
        "videobridge.apis.xmpp-client.configs.a = b",
        "a section with the properties of a connection",
    ),
];

/// Text of jvb.conf, then the key, then the expectation.
const MISSING: &[(&str, &str, &str)] = &[
    (
        "videobridge.relay.enabled = true",
        "videobridge.relay.relay-id",
        "an id, since relays are enabled",
    ),
    ("videobridge.sctp.enabled = null", "videobridge.sctp.enabled", "true or false"),
    (
        "ice4j.harvest.mapping.static-mappings = [ { public-address = 192.0.2.1 } ]",
        "ice4j.harvest.mapping.static-mappings[0].local-address",
        "an IP address",
    ),
    (
        "ice4j.harvest.mapping.static-mappings = [ { local-address = 10.0.0.1, public-address = 192.0.2.1 }, { local-address = 10.0.0.1, public-address = 192.0.2.1, local-port = 10000 } ]",
        "ice4j.harvest.mapping.static-mappings[1].public-port",
        "both local-port and public-port or neither",
    ),
    (
        "ice4j.harvest.mapping.static-mappings = [ { local-address = 10.0.0.1, public-address = 192.0.2.1, public-port = 10000 } ]",
        "ice4j.harvest.mapping.static-mappings[0].local-port",
        "both local-port and public-port or neither",
    ),
];

#[test]
fn each_refused_value_is_named_with_what_was_expected() {
    for (text, assignment, expected) in REFUSED {
        assert_eq!(refusal(text), format!("jvb.conf: {assignment}: expected {expected}"));
    }
}

#[test]
fn each_missing_value_is_named() {
    for (text, key, expected) in MISSING {
        assert_eq!(refusal(text), format!("jvb.conf: {key} is missing: expected {expected}"));
    }
}

#[test]
fn a_connection_needs_all_its_properties() {
    let all = [
        ("HOSTNAME", "localhost"),
        ("username", "jvb"),
        ("PassWord", "\"s3cr3t\""),
        ("MUC_JIDS", "\"jvbbrewery@internal.auth.example.com\""),
        ("MUC_NICKNAME", "jvb-1"),
    ];
    let block = |properties: &[(&str, &str)]| {
        let lines: Vec<_> = properties.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
        format!("videobridge.apis.xmpp-client.configs.shard {{\n{}}}", lines.concat())
    };
    assert_eq!(common::load(&block(&all)).config.xmpp.clients.len(), 1);
    for missing in 0..all.len() {
        let mut properties = all.to_vec();
        let (name, _) = properties.remove(missing);
        let message = refusal(&block(&properties));
        let key = format!("videobridge.apis.xmpp-client.configs.shard.{}", name.to_lowercase());
        assert!(
            message.starts_with(&format!("jvb.conf: {key} is missing: expected ")),
            "{message}"
        );
    }
    for (name, value, expected) in [
        ("PORT", "xmpp", "a port from 1 to 65535"),
        ("PORT", "0", "a port from 1 to 65535"),
        ("SECURITY_MODE", "Required", "required, ifpossible or disabled"),
        (
            "MUC_JIDS",
            "room",
            "room JIDs such as jvbbrewery@internal.auth.example.com, separated by commas",
        ),
    ] {
        let mut properties = all.to_vec();
        properties.push((name, value));
        let key = format!("videobridge.apis.xmpp-client.configs.shard.{name}");
        let message = refusal(&block(&properties));
        assert_eq!(message, format!("jvb.conf: {key} = {value}: expected {expected}"));
    }
}

#[test]
fn a_file_that_is_not_hocon_is_named_with_the_position() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let main = dir.path().join("jvb.conf");
    let included = dir.path().join("xmpp.conf");
    let load = || Config::load(&Sources::new().with_file(&main)).expect_err("must be refused");

    std::fs::write(&main, "videobridge {\n  ice {\n").expect("write");
    let ConfigError::Syntax { file, line, .. } = load() else { panic!("{}", load()) };
    assert_eq!((file, line), (main.display().to_string(), 3));

    std::fs::write(&main, "include \"xmpp.conf\"\n").expect("write");
    std::fs::write(&included, "\nvideobridge = }\n").expect("write");
    let ConfigError::Syntax { file, line, .. } = load() else { panic!("{}", load()) };
    assert_eq!((file, line), (included.display().to_string(), 2));

    std::fs::write(&main, "videobridge.version.release = ${NOBODY_SETS_THIS}\n").expect("write");
    let message = load().to_string();
    assert!(message.starts_with(&format!("{}:1:", main.display())), "{message}");
    assert!(message.contains("NOBODY_SETS_THIS"), "{message}");

    std::fs::write(&main, "include \"jvb.conf\"").expect("write");
    assert!(load().to_string().ends_with("includes are nested too deep"), "{}", load());

    std::fs::write(&main, "include required(\"nowhere.conf\")").expect("write");
    assert!(load().to_string().contains("nowhere.conf"), "{}", load());

    std::fs::write(&main, "[1, 2]").expect("write");
    assert!(matches!(load(), ConfigError::Syntax { .. }));
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let load = |path: &std::path::Path| {
        Config::load(&Sources::new().with_file(path)).expect_err("must be refused")
    };
    let missing = dir.path().join("missing.conf");
    let error = load(&missing);
    assert_eq!(error.exit_code(), EXIT_CODE);
    let expected = format!("{}: cannot be read: ", missing.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(matches!(load(dir.path()), ConfigError::Unreadable { .. }));

    let large = dir.path().join("large.conf");
    std::fs::write(&large, "#".repeat((1 << 20) + 1)).expect("write");
    assert!(load(&large).to_string().ends_with("larger than 1 MiB"));
}

#[test]
fn every_refusal_is_one_line_and_secrets_stay_hidden() {
    let message = refusal("videobridge.ice.keep-alive-strategy = \"\"\"a\nb\"\"\"");
    assert!(!message.contains('\n'), "{message}");

    let store = "videobridge.http-servers.private.key-store-password";
    let message = refusal(&format!("{store} = [ s3cr3t ]"));
    assert_eq!(message, format!("jvb.conf: {store} = <hidden>: expected a text"));

    let text = "videobridge.apis.xmpp-client.configs.shard { HOSTNAME = a, USERNAME = b, \
        PASSWORD = s3cr3t, MUC_JIDS = \"c@d\", MUC_NICKNAME = e }";
    let loaded = common::load(text);
    assert!(!format!("{loaded:?}").contains("s3cr3t"));
    assert_eq!(loaded.config.xmpp.clients[0].password.expose(), "s3cr3t");
}
