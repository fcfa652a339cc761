//! SIGTERM, SIGINT and SIGHUP end the bridge at once, with the codes of the Java machine.

#![allow(clippy::disallowed_methods, reason = "this test runs a real process in real time")]

mod common;

use common::Bridge;

#[test]
fn each_signal_has_its_exit_code() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let status = Bridge::start("").signal(signal);
        assert_eq!(status.code(), Some(code), "SIG{signal}");
    }
}

#[test]
fn a_forced_shutdown_over_http_ends_with_0_after_its_delay() {
    let mut bridge = Bridge::start(
        "videobridge { rest.shutdown.enabled = true, shutdown.shutting-down-delay = 1 second }",
    );
    assert_eq!(bridge.post_json("/colibri/shutdown", r#"{"graceful-shutdown":false}"#).status, 200);
    assert!(bridge.get("/colibri/stats").body.contains("\"shutting_down\":true"));
    let started = std::time::Instant::now();
    while bridge.is_alive() {
        assert!(started.elapsed().as_secs() < 10, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(started.elapsed().as_millis() > 500, "it did not wait");
}
