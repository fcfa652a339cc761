//! `sip-communicator.properties` and Java system properties, and who wins.

mod common;

use std::path::Path;
use std::time::Duration;

use bridge_config::{Config, Loaded, NoticeKind, Sources};
use common::{fixture, keys_of};

/// Loads `conf` beside a legacy file with `properties`, found through `options`.
fn load(properties: &str, conf: &str, options: &str) -> Loaded {
    let dir = tempfile::tempdir().expect("temporary directory");
    let home = dir.path().join("videobridge");
    std::fs::create_dir(&home).expect("create");
    std::fs::write(home.join("sip-communicator.properties"), properties).expect("write");
    let sources = Sources::new().with_java_options(options).with_java_options(&format!(
        "-Dnet.java.sip.communicator.SC_HOME_DIR_LOCATION={} \
         -Dnet.java.sip.communicator.SC_HOME_DIR_NAME=videobridge",
        dir.path().display()
    ));
    Config::load_text(conf, Path::new("/nonexistent"), &sources).expect("loads")
}

#[test]
fn each_bridge_property_beats_jvb_conf() {
    for (property, conf, holds) in BRIDGE {
        let loaded = load(&format!("org.jitsi.videobridge.{property}"), conf, "");
        assert!(holds(&loaded.config), "{property} against {conf}: {:?}", loaded.notices);
    }
}

#[test]
fn each_ice4j_property_beats_jvb_conf_from_everywhere() {
    for (name, value, conf, holds) in ICE4J {
        let conf = format!("ice4j.{conf}\n");
        let line = format!("org.ice4j.{name}={value}");
        let path = format!("org.ice4j.{name} = {value:?}");
        for loaded in [
            load(&line, &conf, ""),
            load("", &conf, &format!("-D{line}")),
            load("", &format!("{conf}{path}"), ""),
        ] {
            assert!(holds(&loaded.config), "{name}: {:?}", loaded.notices);
            assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
        }
    }
}

#[test]
fn the_sources_have_an_order() {
    // The file before the system property of the same name, for names of the bridge.
    let region = "org.jitsi.videobridge.REGION";
    let loaded = load(&format!("{region}=file"), "", &format!("-D{region}=property"));
    assert_eq!(loaded.config.relay.region.as_deref(), Some("file"));
    // The other way round for names of ice4j, and a path in jvb.conf before both.
    let software = "org.ice4j.SOFTWARE";
    let property = format!("-D{software}=property");
    let loaded = load(&format!("{software}=file"), "", &property);
    assert_eq!(loaded.config.ice.software, "property");
    let loaded = load(&format!("{software}=file"), &format!("{software} = conf"), &property);
    assert_eq!(loaded.config.ice.software, "conf");
    // jvb.conf before a system property with a new name, that before the default.
    let option = "-Dvideobridge.ice.udp.port=10007";
    assert_eq!(load("", "videobridge.ice.udp.port = 10006", option).config.ice.port, 10_006);
    assert_eq!(load("", "", option).config.ice.port, 10_007);
}

#[test]
fn a_malformed_legacy_value_falls_back_and_is_named() {
    let name = "org.jitsi.videobridge.SINGLE_PORT_HARVESTER_PORT";
    let loaded = load(&format!("{name}=tenthousand"), "videobridge.ice.udp.port = 10006", "");
    assert_eq!(loaded.config.ice.port, 10_006);
    assert_eq!(keys_of(&loaded, NoticeKind::Ignored), [name]);
}

#[test]
fn a_legacy_value_that_is_refused_is_named_as_it_was_written() {
    let option = "-Dorg.jitsi.videobridge.KEEP_ALIVE_STRATEGY=none";
    let error = Config::load(&Sources::new().with_java_options(option)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "system properties: org.jitsi.videobridge.KEEP_ALIVE_STRATEGY = none: expected \
         selected_only, selected_and_tcp or all_succeeded"
    );
}

#[test]
fn one_complete_legacy_connection_hides_those_of_jvb_conf() {
    let conf = "videobridge.apis.xmpp-client.configs.new { HOSTNAME = a, USERNAME = b, \
        PASSWORD = c, MUC_JIDS = \"d@e\", MUC_NICKNAME = f }";
    let complete = std::fs::read_to_string(fixture("debian-2022.properties")).expect("fixture");
    let loaded = load(&complete, conf, "");
    assert_eq!(loaded.config.xmpp.clients.len(), 1);
    assert_eq!(loaded.config.xmpp.clients[0].id, "shard");
    assert_eq!(loaded.config.xmpp.clients[0].password.expose(), "s3cr3t");
    assert!(!loaded.config.harvest.mapping.aws_enabled);

    let incomplete = complete.lines().filter(|line| !line.contains("PASSWORD"));
    let loaded = load(&incomplete.collect::<Vec<_>>().join("\n"), conf, "");
    assert_eq!(loaded.config.xmpp.clients[0].id, "new");
    let ignored = keys_of(&loaded, NoticeKind::Ignored);
    assert_eq!(ignored, ["org.jitsi.videobridge.xmpp.user.shard"]);
}

#[test]
fn the_files_of_the_scalable_guide_load() {
    let properties = std::fs::read_to_string(fixture("scalable.properties")).expect("fixture");
    let loaded = load(&properties, "", "");
    let client = &loaded.config.xmpp.clients[0];
    assert_eq!((client.id.as_str(), client.muc_nickname.as_str()), ("shard-1", "bridge-1"));
    assert_eq!(client.muc_jids, ["JvbBrewery@internal.auth.meet.example.com"]);
    assert!(client.disable_certificate_verification);
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
}

#[test]
fn a_connection_without_an_id_has_the_empty_one() {
    let prefix = "org.jitsi.videobridge.xmpp.user";
    let lines = ["HOSTNAME=a", "USERNAME=b", "PASSWORD=c", "MUC_JIDS=d@e", "MUC_NICKNAME=f"];
    let text: Vec<_> = lines.iter().map(|line| format!("{prefix}.{line}")).collect();
    assert_eq!(load(&text.join("\n"), "", "").config.xmpp.clients[0].id, "");
}

#[test]
fn the_two_nat_addresses_are_one_more_static_mapping() {
    let both = "org.ice4j.ice.harvest.NAT_HARVESTER_LOCAL_ADDRESS=10.0.0.4\n\
        org.ice4j.ice.harvest.NAT_HARVESTER_PUBLIC_ADDRESS=192.0.2.7\n";
    let conf = "ice4j.harvest.mapping.static-mappings = \
        [ { local-address = 10.0.0.4, public-address = 192.0.2.8 } ]";
    let mappings = load(both, conf, "").config.harvest.mapping.static_mappings;
    let publics: Vec<_> = mappings.iter().map(|m| m.public.to_string()).collect();
    assert_eq!(publics, ["192.0.2.8", "192.0.2.7"]);

    let loaded = load(both.lines().next().expect("two lines"), conf, "");
    assert_eq!(loaded.config.harvest.mapping.static_mappings.len(), 1);
    assert_eq!(keys_of(&loaded, NoticeKind::Ignored).len(), 1);
}

#[test]
fn the_legacy_file_is_found_through_the_environment_too_and_may_be_missing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let text = "org.jitsi.videobridge.REGION=\u{e9}";
    // Java writes ISO 8859-1.
    let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
    std::fs::write(dir.path().join("sip-communicator.properties"), bytes).expect("write");
    let (parent, name) = (dir.path().parent(), dir.path().file_name());
    let variables = |name: &str| {
        [
            ("SC_HOME_DIR_LOCATION", parent.expect("has one").display().to_string()),
            ("SC_HOME_DIR_NAME", name.to_owned()),
        ]
        .map(|(key, value)| (format!("net.java.sip.communicator.{key}"), value))
    };
    let load = |name: &str| {
        Config::load(&Sources::new().with_environment(variables(name))).expect("loads").config
    };
    let name = name.expect("has one").to_string_lossy();
    assert_eq!(load(&name).relay.region.as_deref(), Some("\u{e9}"));
    assert_eq!(load("nowhere").relay.region, None);
}

/// A property and its value, the same key in jvb.conf with another one, and who must win.
type Case = (&'static str, &'static str, fn(&Config) -> bool);

const BRIDGE: &[Case] = &[
    ("SINGLE_PORT_HARVESTER_PORT=10005", "videobridge.ice.udp.port = 1", |c| c.ice.port == 10_005),
    ("ICE_UFRAG_PREFIX=a-", "videobridge.ice.ufrag-prefix = b-", |c| {
        c.ice.ufrag_prefix.as_ref().is_some_and(|prefix| prefix.as_str() == "a-")
    }),
    (
        "KEEP_ALIVE_STRATEGY=all_succeeded",
        "videobridge.ice.keep-alive-strategy = selected_only",
        |c| c.ice.keep_alive_strategy == bridge_config::KeepAliveStrategy::AllSucceeded,
    ),
    ("REGION=old", "videobridge { relay.region = new, octo.region = newer }", |c| {
        c.relay.region.as_deref() == Some("old")
    }),
    ("BWE_CHANGE_THRESHOLD_PCT=20", "videobridge.cc.bwe-change-threshold = 0.5", |c| {
        (c.cc.bwe_change_threshold - 0.2).abs() < 1e-12
    }),
    ("ONSTAGE_PREFERRED_HEIGHT=720", "videobridge.cc.onstage-preferred-height-px = 1", |c| {
        c.cc.allocation.onstage_preferred_height_px == 720
    }),
    ("ONSTAGE_PREFERRED_FRAME_RATE=25", "videobridge.cc.onstage-preferred-framerate = 1", |c| {
        (c.cc.allocation.onstage_preferred_framerate - 25.0).abs() < 1e-12
    }),
    (
        "ENABLE_ONSTAGE_VIDEO_SUSPEND=true",
        "videobridge.cc { allow-oversend-onstage = true, enable-onstage-video-suspend = false }",
        |c| !c.cc.allow_oversend_onstage,
    ),
    ("TRUST_BWE=false", "videobridge.cc.trust-bwe = true", |c| !c.cc.allocation.trust_bwe),
    ("PADDING_PERIOD_MS=30", "videobridge.cc.padding-period = 1 s", |c| {
        c.cc.allocation.padding_period == Duration::from_millis(30)
    }),
    ("EXPIRE_CHECK_SLEEP_SEC=9", "videobridge.entity-expiration.check-interval = 1 s", |c| {
        c.expiration.check_interval == Duration::from_secs(9)
    }),
    ("health.INTERVAL=11000", "videobridge.health.interval = 1 s", |c| {
        c.health.interval == Duration::from_secs(11)
    }),
    ("health.TIMEOUT=12000", "videobridge.health.timeout = 1 s", |c| {
        c.health.timeout == Duration::from_secs(12)
    }),
    ("health.STICKY_FAILURES=true", "videobridge.health.sticky-failures = false", |c| {
        c.health.sticky_failures
    }),
    (
        "EndpointConnectionStatus.FIRST_TRANSFER_TIMEOUT=1500",
        "videobridge.ep-connection-status.first-transfer-timeout = 1 s",
        |c| c.connection_status.first_transfer_timeout == Duration::from_millis(1_500),
    ),
    (
        "EndpointConnectionStatus.MAX_INACTIVITY_LIMIT=1600",
        "videobridge.ep-connection-status.max-inactivity-limit = 1 s",
        |c| c.connection_status.max_inactivity_limit == Duration::from_millis(1_600),
    ),
    (
        "ENABLE_REST_COLIBRI=false",
        "videobridge { apis.rest.enabled = true, rest.shutdown.enabled = true }",
        |c| !c.rest.colibri && !c.rest.shutdown,
    ),
    ("ENABLE_REST_COLIBRI=true", "videobridge.apis.rest.enabled = false", |c| !c.rest.colibri),
    (
        "ENABLE_REST_SHUTDOWN=true",
        "videobridge { apis.rest.enabled = true, rest.shutdown.enabled = false }",
        |c| c.rest.shutdown,
    ),
    ("rest.COLIBRI_WS_DISABLE=true", "videobridge.websockets.enabled = true", |c| {
        !c.websockets.enabled
    }),
    ("rest.COLIBRI_WS_DOMAIN=a:443", "videobridge.websockets.domain = \"b:443\"", |c| {
        c.websockets.domains == ["a:443"]
    }),
    ("rest.COLIBRI_WS_TLS=true", "videobridge.websockets.tls = false", |c| c.websockets.tls),
    ("rest.COLIBRI_WS_SERVER_ID=a", "videobridge.websockets.server-id = b", |c| {
        c.websockets.server_id == "a"
    }),
    ("rest.jetty.port=9091", "videobridge.http-servers.public.port = 1", |c| {
        c.http.public.as_ref().is_some_and(|s| s.listen == bridge_config::HttpListen::Plain(9_091))
    }),
    (
        "rest.jetty.sslContextFactory.keyStorePath=/a\norg.jitsi.videobridge.rest.jetty.tls.port=9443",
        "videobridge.http-servers.public { key-store-path = /b, tls-port = 1 }",
        |c| {
            let Some(bridge_config::HttpListen::Tls(port, store)) =
                c.http.public.as_ref().map(|s| &s.listen)
            else {
                return false;
            };
            *port == 9_443 && store.path == Path::new("/a")
        },
    ),
    ("rest.private.jetty.host=0.0.0.0", "videobridge.http-servers.private.host = 127.0.0.2", |c| {
        c.http.private.as_ref().is_some_and(|s| s.host.as_deref() == Some("0.0.0.0"))
    }),
    (
        "rest.private.jetty.sslContextFactory.needClientAuth=true",
        "videobridge.http-servers.private.need-client-auth = false",
        |c| c.http.private.as_ref().is_some_and(|s| s.need_client_auth),
    ),
];

/// The name below `org.ice4j`, the value, the key in jvb.conf with another one, and who must win.
type Ice4jCase = (&'static str, &'static str, &'static str, fn(&Config) -> bool);

const ICE4J: &[Ice4jCase] = &[
    ("ice.harvest.DISABLE_AWS_HARVESTER", "true", "harvest.mapping.aws.enabled = true", |c| {
        !c.harvest.mapping.aws_enabled
    }),
    (
        "ice.harvest.STUN_MAPPING_HARVESTER_ADDRESSES",
        "a:1,b:2",
        "harvest.mapping.stun.addresses = []",
        |c| c.harvest.mapping.stun_servers.len() == 2,
    ),
    ("ice.harvest.ALLOWED_INTERFACES", "eth0;eth1", "harvest.allowed-interfaces = []", |c| {
        c.harvest.allowed_interfaces == ["eth0", "eth1"]
    }),
    ("ice.harvest.BLOCKED_INTERFACES", "docker0", "harvest.blocked-interfaces = []", |c| {
        c.harvest.blocked_interfaces == ["docker0"]
    }),
    (
        "ice.harvest.ALLOWED_ADDRESSES",
        "192.0.2.1;192.0.2.2",
        "harvest.allowed-addresses = []",
        |c| c.harvest.allowed_addresses.len() == 2,
    ),
    ("ice.harvest.BLOCKED_ADDRESSES", "192.0.2.1", "harvest.blocked-addresses = []", |c| {
        c.harvest.blocked_addresses.len() == 1
    }),
    ("ipv6.DISABLED", "true", "harvest.use-ipv6 = true", |c| !c.harvest.use_ipv6),
    (
        "ice.harvest.DISABLE_LINK_LOCAL_ADDRESSES",
        "false",
        "harvest.use-link-local-addresses = false",
        |c| c.harvest.use_link_local_addresses,
    ),
    (
        "ice.harvest.AbstractUdpListener.SO_RCVBUF",
        "65536",
        "harvest.udp.receive-buffer-size = 1",
        |c| c.harvest.receive_buffer_size.bytes() == 65_536,
    ),
    ("ice.harvest.HARVESTING_TIMEOUT", "3", "harvest.timeout = 1 s", |c| {
        c.harvest.timeout == Duration::from_secs(3)
    }),
    ("ice.CONSENT_FRESHNESS_INTERVAL", "7000", "consent-freshness.interval = 1 s", |c| {
        c.consent.interval == Duration::from_secs(7)
    }),
    (
        "ice.CONSENT_FRESHNESS_MAX_RETRANSMISSIONS",
        "9",
        "consent-freshness.max-retransmissions = 1",
        |c| c.consent.max_retransmissions == 9,
    ),
    ("TERMINATION_DELAY", "4000", "ice.termination-delay = 1 s", |c| {
        c.ice.termination_delay == Duration::from_secs(4)
    }),
    ("MAX_CHECK_LIST_SIZE", "33", "ice.max-check-list-size = 1", |c| {
        c.ice.max_check_list_size == 33
    }),
    ("SOFTWARE", "other", "software = one", |c| c.ice.software == "other"),
    ("REDACT_REMOTE_ADDRESSES", "false", "redact-remote-addresses = true", |c| {
        !c.ice.redact_remote_addresses
    }),
];
