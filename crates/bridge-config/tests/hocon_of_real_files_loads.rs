//! The HOCON that packages, containers and operators write.

mod common;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bridge_config::{Config, HttpListen, NoticeKind, PortMapping, SecurityMode, Sources};
use common::{fixture, keys_of, load};

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn no_file_at_all_runs_on_the_defaults() {
    let loaded = Config::load(&Sources::new()).expect("defaults load");
    assert_eq!(loaded.notices, []);
    assert!(loaded.config.xmpp.clients.is_empty());
    let private = loaded.config.http.private.expect("the private server is on");
    assert_eq!(private.host.as_deref(), Some("127.0.0.1"));
    assert_eq!(private.listen, HttpListen::Plain(8080));
    assert_eq!(loaded.config.http.public, None);
    assert!(!loaded.config.rest.colibri);
}

#[test]
fn the_file_of_the_docker_image_loads() {
    let loaded = Config::load(&Sources::new().with_file(fixture("docker.conf"))).expect("loads");
    let config = &loaded.config;
    let ids: Vec<_> = config.xmpp.clients.iter().map(|c| (c.id.as_str(), c.port)).collect();
    assert_eq!(ids, [("shard0", 5222), ("shard1", 6222)]);
    assert!(config.xmpp.clients[0].disable_certificate_verification);
    assert_eq!(config.xmpp.clients[0].security_mode, SecurityMode::Required);
    let mappings = &config.harvest.mapping.static_mappings;
    assert_eq!(mappings.len(), 2);
    assert_eq!((mappings[0].name.as_str(), mappings[0].ports), ("ip-0", None));
    assert_eq!(mappings[1].ports, Some(PortMapping { local: 10_000, public: 20_000 }));
    assert_eq!(mappings[1].public, "2001:db8::7".parse::<IpAddr>().expect("literal"));
    assert!(config.rest.colibri && !config.rest.shutdown);
    assert!(config.relay.enabled);
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
}

#[test]
fn each_switch_of_the_docker_image_loads_on_and_off() {
    let text = std::fs::read_to_string(fixture("docker.conf")).expect("fixture");
    for (on, off) in [("= true", "= false"), ("= false", "= true")] {
        let count = text.matches(on).count();
        for nth in 0..count {
            let (start, _) = text.match_indices(on).nth(nth).expect("counted");
            let flipped = format!("{}{off}{}", &text[..start], &text[start + on.len()..]);
            load(&flipped);
        }
    }
}

#[test]
fn the_files_of_the_debian_package_load() {
    for name in ["debian-2025.conf", "debian-2026.conf"] {
        let loaded = Config::load(&Sources::new().with_file(fixture(name))).expect(name);
        let client = &loaded.config.xmpp.clients[0];
        assert_eq!(client.id, "shard");
        assert_eq!(client.hostname, "localhost");
        assert_eq!(client.domain, "auth.meet.example.com");
        assert_eq!(client.muc_jids, ["jvbbrewery@internal.auth.meet.example.com"]);
        assert_eq!(client.muc_nickname, "6c7e9d4a-2f11-4b0e-9a77-0d5b3c1e8f42");
        assert_eq!(client.security_mode, SecurityMode::IfPossible);
        assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
    }
    let config = Config::load(&Sources::new().with_file(fixture("debian-2025.conf")));
    let config = config.expect("loads").config;
    assert_eq!(config.websockets.domains, ["meet.example.com:443"]);
    assert_eq!(config.websockets.relay_domains, ["meet.example.com:443"]);
    assert!(config.websockets.enabled && config.websockets.tls);
    assert_eq!(config.http.public.map(|server| server.listen), Some(HttpListen::Plain(9090)));
}

#[test]
fn the_example_of_this_project_loads_without_a_remark_about_its_names() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/jvb.conf.example");
    let sources = Sources::new()
        .with_file(example)
        .with_environment(variables(&[("JVB_AUTH_PASSWORD", "from the environment")]));
    let loaded = Config::load(&sources).expect("loads");
    assert_eq!(loaded.config.xmpp.clients[0].password.expose(), "from the environment");
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
    assert_eq!(keys_of(&loaded, NoticeKind::Deprecated), Vec::<&str>::new());
}

#[test]
fn forms_that_people_write() {
    let text = "\u{feff}// a comment\r\n# another\r\n\
        videobridge { ice : { udp { port = \"10001\" } } }\r\n\
        videobridge.ice.udp { port = 10002, }\r\n\
        videobridge { cc { padding-period = 20, bwe-change-threshold = \"5%\" } }\r\n\
        videobridge.cc.trust-bwe = False\r\n\
        videobridge.stats.interval = 250 ms\r\n\
        videobridge.websockets.domains = [ a, \"b:443\", ]\r\n\
        videobridge.websockets.domains += c\r\n\
        videobridge.load-management.conference-last-n-limits { 20 = 15, \"50\" = 5 }\r\n\
        videobridge.cc.max-oversend-bitrate = 1 Mbps\r\n";
    let config = load(text).config;
    assert_eq!(config.ice.port, 10_002);
    assert_eq!(config.cc.allocation.padding_period, Duration::from_millis(20));
    assert!((config.cc.bwe_change_threshold - 0.05).abs() < 1e-12);
    assert!(!config.cc.allocation.trust_bwe);
    assert_eq!(config.stats.interval, Duration::from_millis(250));
    assert_eq!(config.xmpp.presence_interval, Duration::from_millis(250));
    assert_eq!(config.websockets.domains, ["a", "b:443", "c"]);
    assert_eq!(config.load.conference_last_n_limits.get(&50), Some(&5));
    assert_eq!(config.cc.allocation.max_oversend_bitrate.kbps(), 1_000);
}

#[test]
fn keys_of_a_connection_are_read_in_any_case() {
    for (hostname, jids) in
        [("HOSTNAME", "MUC_JIDS"), ("hostname", "muc_jids"), ("Hostname", "Muc_Jids")]
    {
        let text = format!(
            "videobridge.apis.xmpp-client.configs.a {{ {hostname} = example.com, USERNAME = u, \
             password = 12345, {jids} = \"r1@muc.x, r2@muc.x\", muc_nickname = n, PORT = \"\", \
             iq_handler_mode = ASYNC, disable_certificate_verification = True }}"
        );
        let config = load(&text).config;
        let client = &config.xmpp.clients[0];
        assert_eq!((client.domain.as_str(), client.port), ("example.com", 5222));
        assert_eq!(client.password.expose(), "12345");
        assert_eq!(client.muc_jids, ["r1@muc.x", "r2@muc.x"]);
        assert_eq!(client.iq_handler_mode, bridge_config::IqHandlerMode::Async);
        assert!(client.disable_certificate_verification);
    }
}

#[test]
fn the_environment_is_substituted_and_nothing_of_it_is_a_key() {
    let sources = Sources::new().with_environment(variables(&[
        ("JVB_PORT", "12345"),
        ("REGION", "eu"),
        ("PATH", "/bin"),
        ("videobridge", "no part of the configuration"),
    ]));
    let text = "videobridge.ice.udp.port = ${?JVB_PORT}\n\
        videobridge.stats.interval = 7 s\n\
        videobridge.stats.interval = ${?UNSET}\n\
        videobridge.version.release = release-${REGION}\n\
        videobridge.health.interval = ${videobridge.stats.interval}\n\
        videobridge.entity-expiration.timeout = ${videobridge.health.interval}\n\
        videobridge.cc.initial-last-n = 3\n\
        videobridge.cc.initial-last-n = ${?UNSET}\n\
        videobridge.cc.initial-last-n = ${?ALSO_UNSET}\n\
        videobridge.ssrc-limit.video = ${?UNSET}\n\
        videobridge.ssrc-limit.video = ${?ALSO_UNSET}\n\
        videobridge.cc.jvb-last-n = ${?ALSO_UNSET}\n";
    let loaded = Config::load_text(text, Path::new("/"), &sources).expect("loads");
    assert_eq!(loaded.config.ice.port, 12_345);
    assert_eq!(loaded.config.stats.interval, Duration::from_secs(7));
    assert_eq!(loaded.config.version.release.as_deref(), Some("release-eu"));
    assert_eq!(loaded.config.health.interval, Duration::from_secs(7));
    assert_eq!(loaded.config.xmpp.presence_interval, Duration::from_secs(7));
    assert_eq!(loaded.config.expiration.check_interval, Duration::from_secs(7));
    assert_eq!(loaded.config.cc.allocation.jvb_last_n, -1);
    assert_eq!(loaded.config.cc.allocation.initial_last_n, 3);
    assert_eq!(loaded.config.ssrc_limit.video, 50);
    let not_yet = keys_of(&loaded, NoticeKind::NotYet);
    assert_eq!(not_yet, Vec::<&str>::new());
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), Vec::<&str>::new());
}

#[test]
fn includes_are_relative_and_may_be_missing_and_later_values_win() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let main = dir.path().join("jvb.conf");
    let custom = dir.path().join("custom-jvb.conf");
    let text = "videobridge.ice.udp.port = 10001\ninclude \"custom-jvb.conf\"\n";
    std::fs::write(&main, text).expect("write");
    let port = || {
        let sources =
            Sources::new().with_file(&main).with_environment(variables(&[("JVB_PORT", "10003")]));
        Config::load(&sources).expect("loads").config.ice.port
    };
    assert_eq!(port(), 10_001);
    std::fs::write(&custom, "videobridge { ice.udp.port = 10002 }").expect("write");
    assert_eq!(port(), 10_002);
    std::fs::write(&custom, "videobridge { ice.udp.port = ${JVB_PORT} }").expect("write");
    assert_eq!(port(), 10_003);
}

#[test]
fn both_ports_off_switch_a_server_off_and_a_key_store_makes_it_tls() {
    let off = load("videobridge.http-servers.private { port = -1, tls-port = -1 }").config;
    assert_eq!(off.http.private, None);
    let tls = load(
        "videobridge.http-servers.public { port = 9090, tls-port = 443, key-store-path = /k.p12 }",
    );
    let listen = tls.config.http.public.map(|server| server.listen);
    assert!(matches!(listen, Some(HttpListen::Tls(443, _))), "{listen:?}");
    assert!(tls.config.websockets.tls);
}

#[test]
fn older_names_precede_and_zero_or_less_disables_restarts() {
    let config = load(
        "videobridge.octo { enabled = true, region = old, bind-address = 10.0.0.9 }\n\
         videobridge.relay { enabled = false, region = new }\n\
         videobridge.cc { bwe-change-threshold-pct = 30, thumbnail-max-height-px = 90, \
         enable-onstage-video-suspend = true }\n\
         jmt.bwe.google-cc { min-bw = 60 kbps }\n\
         videobridge.ice.restart { timeout = -1, transition-window = -5 s }",
    );
    assert_eq!(keys_of(&config, NoticeKind::Deprecated).len(), 7);
    let config = config.config;
    assert!(config.relay.enabled);
    assert_eq!(config.relay.region.as_deref(), Some("old"));
    assert_eq!(config.relay.relay_id.as_deref(), Some("10.0.0.9"));
    assert!((config.cc.bwe_change_threshold - 0.3).abs() < 1e-12);
    assert_eq!((config.cc.default_max_height_px, config.cc.initial_max_height_px), (90, 90));
    assert!(!config.cc.allow_oversend_onstage);
    assert_eq!(config.bwe.min_bw.kbps(), 60);
    assert!(!config.ice.restart.enabled);
    assert_eq!(config.ice.restart.transition_window, Duration::ZERO);
}
