//! Keys that are unknown, do nothing yet, or mean nothing here are named once.

mod common;

use bridge_config::{Config, NoticeKind, Sources};
use common::{keys_of, load};

#[test]
fn each_key_without_an_effect_is_named_once() {
    let loaded = load(
        "videobridge { sctp.max-channels = 4, cryptex { endpoint = true }, cryptex { endpoint = false } }\n\
         jmt.srtp.factory-class = SunJCE\n\
         videobridge.ice.udp.port = 10000\n\
         videobridge.octo.relay-id = a\n\
         vidoebridge.ice.udp.port = 1\n\
         videobridge.ice.udp { prot = 1, mode { a = 1, b = 2 } }\n\
         videobridge.stats.transports = [ { type = muc } ]\n\
         ice4j.harvest.mapping.stun.enabled = false\n",
    );
    assert_eq!(
        keys_of(&loaded, NoticeKind::NotYet),
        [
            "videobridge.cryptex.endpoint",
            "videobridge.octo.relay-id",
            "videobridge.sctp.max-channels"
        ]
    );
    assert_eq!(keys_of(&loaded, NoticeKind::JavaOnly), ["jmt.srtp.factory-class"]);
    assert_eq!(keys_of(&loaded, NoticeKind::Deprecated), ["videobridge.octo.relay-id"]);
    assert_eq!(
        keys_of(&loaded, NoticeKind::Unknown),
        ["videobridge.ice.udp.mode", "videobridge.ice.udp.prot", "vidoebridge"]
    );
    assert_eq!(
        loaded.notices[0].to_string(),
        "jvb.conf: videobridge.octo.relay-id is an old name: use videobridge.relay.relay-id"
    );
}

#[test]
fn what_this_bridge_has_not_says_why() {
    let loaded = load("jmt.rtp.bitrate-calculator { window-size = 2 s, bucket-size = 40 ms }");
    assert_eq!(
        keys_of(&loaded, NoticeKind::Ignored),
        ["jmt.rtp.bitrate-calculator.bucket-size", "jmt.rtp.bitrate-calculator.window-size"]
    );
    assert_eq!(
        loaded.notices[0].to_string(),
        "jvb.conf: jmt.rtp.bitrate-calculator.bucket-size is ignored: \
         rates are measured over one second in steps of 20 ms"
    );
}

#[test]
fn properties_of_a_connection_that_nobody_reads_are_named() {
    let loaded = load(
        "videobridge.apis.xmpp-client.configs.shard { HOSTNAME = a, USERNAME = b, PASSWORD = c, \
         MUC_JIDS = \"d@e\", MUC_NICKNAME = f, MUC = \"d@e\", RESOURCE = g }",
    );
    let path = "videobridge.apis.xmpp-client.configs.shard.RESOURCE";
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), [path]);
}

#[test]
fn addresses_that_are_none_are_left_out() {
    let loaded =
        load("ice4j.harvest.blocked-addresses = [ 10.0.0.0/8, 192.0.2.1, \"2001:db8::1\" ]");
    assert_eq!(loaded.config.harvest.blocked_addresses.len(), 2);
    assert_eq!(keys_of(&loaded, NoticeKind::Ignored), ["ice4j.harvest.blocked-addresses"]);
}

#[test]
fn options_of_the_java_machine_are_named_and_the_rest_is_applied() {
    let options = "-Xmx3072m -Dvideobridge.ice.udp.port=10009 -Dice4j.software= \
        -Djava.net.preferIPv4Stack=true -Djava.util.logging.config.file=/etc/l.properties \
        -Dsun.thing=1 -Dvideobridge.typo=1";
    let variables = [("JAVA_SYS_PROPS".to_owned(), options.to_owned())];
    let sources = Sources::new().with_environment(variables);
    assert_eq!(sources.logging_file(), Some("/etc/l.properties".into()));
    let loaded = Config::load(&sources).expect("loads");
    assert_eq!(loaded.config.ice.port, 10_009);
    assert_eq!(loaded.config.ice.software, "");
    assert!(!loaded.config.harvest.use_ipv6);
    assert_eq!(keys_of(&loaded, NoticeKind::Ignored), ["-Xmx3072m", "sun.thing"]);
    assert_eq!(keys_of(&loaded, NoticeKind::Unknown), ["videobridge.typo"]);
}
