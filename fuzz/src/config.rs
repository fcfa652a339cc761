//! A jvb.conf, and the options of its start script.

use std::path::Path;

use bridge_config::{Config, Sources};

/// Options up to the first zero, then the file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What is included is another file of this machine.
    if text.contains("include") || text.len() > MAX_LEN {
        return;
    }
    let (options, text) = text.split_once('\0').unwrap_or(("", text));
    if options.contains("config.file") {
        return;
    }
    let sources = Sources::new().with_java_options(options);
    let Ok(loaded) = Config::load_text(text, Path::new("/nonexistent"), &sources) else { return };
    let shown = loaded.notices.iter().map(|notice| notice.to_string().len()).sum::<usize>();
    assert!(shown < 200 * (MAX_LEN + loaded.notices.len()), "notices are short");
}

/// What is in the wild.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "videobridge {\n  http-servers { public { port = 9090 } }\n  websockets { enabled = true\n domain = \"h:443\" }\n}\n",
        "videobridge.cc { bwe-change-threshold = 0.15, trust-bwe = false, max-oversend-bitrate = 500 kbps }\n",
        "a = 5\nvideobridge { stats.interval = ${a} seconds, ice { udp { port = 10000 } } }\n# comment\n",
        "-Dorg.jitsi.videobridge.x=1 -Xmx3g\0jmt { bwe { estimator { engine = GoogleCc2, initial-bw = \"2500 kilobits per second\" } } }",
        "videobridge.apis.xmpp-client.configs { a { hostname = h, domain = d, muc_jids = \"m@d\" } }",
        "ice4j.harvest.mapping.static-mappings = [ { local-address = \"10.0.0.1\", public-address = \"203.0.113.1\" } ]",
        "videobridge.load-management.conference-last-n-limits { 20 = 20, 50 = 5 }",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

const MAX_LEN: usize = 2_048;
