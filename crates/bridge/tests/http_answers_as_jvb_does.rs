//! The private HTTP server: paths, status codes, content types.

mod common;

use common::Bridge;

const CREATE: &str = r#"{"meeting-id":"m-1","create":true,"endpoints":[{"id":"a1b2c3d4","create":true,
    "transport":{"ice-controlling":true,"sctp":{}},"capabilities":["source-names"]}]}"#;

#[test]
fn a_conference_is_created_modified_and_expired() {
    let bridge = Bridge::start("");
    let created = bridge.post_json("/colibri/v2/conferences", CREATE);
    assert_eq!(created.status, 200, "{}", created.body);
    for part in
        ["\"ufrag\"", "\"sha-256\"", "\"actpass\"", "\"jvb-a0\"", "\"jvb-v0\"", "\"SERVER\""]
    {
        assert!(created.body.contains(part), "{part} is missing in {}", created.body);
    }
    assert!(created.body.contains(&format!("\"port\":\"{}\"", bridge.udp_port)));
    assert_eq!(bridge.metric("jitsi_jvb_conferences"), 1.0);
    assert_eq!(bridge.metric("jitsi_jvb_local_endpoints"), 1.0);

    let update = r#"{"endpoints":[{"id":"a1b2c3d4","initial-last-n":{"value":2}}]}"#;
    assert_eq!(bridge.patch_json("/colibri/v2/conferences/m-1", update).status, 200);
    assert_eq!(bridge.patch_json("/colibri/v2/conferences/m-1", r#"{"expire":true}"#).status, 200);
    assert_eq!(bridge.metric("jitsi_jvb_conferences"), 0.0);
    assert_eq!(bridge.patch_json("/colibri/v2/conferences/m-1", "{}").status, 404);
    assert_eq!(bridge.post_json("/colibri/v2/conferences", CREATE).status, 200, "the id is free");
}

#[test]
fn what_cannot_be_done_is_400_with_the_reason() {
    let bridge = Bridge::start("");
    assert_eq!(bridge.post_json("/colibri/v2/conferences", CREATE).status, 200);
    for (body, reason) in [
        (CREATE, "Conference already exists"),
        (r#"{"meeting-id":"other"}"#, "Conference not found"),
        ("{", "could not parse JSON"),
        ("[]", ""),
        (r#"{"create":true}"#, "Failed to parse ConferenceModify JSON"),
        (r#"{"meeting-id":"m-1","endpoints":[{"id":"unknown1","sources":[]}]}"#, "unknown1"),
        (r#"{"meeting-id":"m-1","endpoints":[{"id":"b1","create":true}]}"#, "no <transport>"),
    ] {
        let answer = bridge.post_json("/colibri/v2/conferences", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(
            answer.body.to_lowercase().contains(&reason.to_lowercase()),
            "{body}: {}",
            answer.body
        );
    }
    let plain =
        bridge.request("POST", "/colibri/v2/conferences", &["Content-Type: text/plain"], "{}");
    assert_eq!(plain.status, 415);
    assert_eq!(bridge.metric("jitsi_jvb_conferences"), 1.0, "the first one is untouched");
}

#[test]
fn paths_answer_as_documented() {
    let bridge = Bridge::start("");
    for (method, path, status) in [
        ("GET", "/about/version", 200),
        ("GET", "/colibri/stats", 200),
        ("GET", "/colibri/v2/conferences", 501),
        ("GET", "/colibri/v2/conferences/nobody", 404),
        ("GET", "/colibri/drain", 200),
        ("GET", "/colibri/muc-client/list", 200),
        ("GET", "/debug", 200),
        ("GET", "/colibri/debug/x", 301),
        ("GET", "/colibri/shutdown", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/about/health", 405),
    ] {
        assert_eq!(bridge.request(method, path, &[], "").status, status, "{method} {path}");
    }
    let debug = bridge.get("/debug").body;
    // Whether the machine is overloaded is not the bridge's doing alone.
    for part in
        ["\"shutdown_state\":\"RUNNING\"", "\"reducer_enabled\":\"false\"", "\"success\":true"]
    {
        assert!(debug.contains(part), "{part} is missing in {debug}");
    }
    assert_eq!(bridge.post_json("/colibri/drain/enable", "").status, 200);
    assert_eq!(bridge.get("/colibri/drain").body, r#"{"drain":true}"#);
    let metrics = bridge.request("GET", "/metrics", &["Accept: text/plain"], "");
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    let origin = bridge.request("GET", "/about/health", &["Origin: https://example.com"], "");
    assert!(
        origin.head.to_lowercase().contains("access-control-allow-origin: https://example.com")
    );
}

#[test]
fn without_the_rest_api_its_paths_are_not_there() {
    let bridge = Bridge::start("videobridge.apis.rest.enabled = false");
    assert_eq!(bridge.get("/colibri/stats").status, 404);
    assert_eq!(bridge.post_json("/colibri/v2/conferences", CREATE).status, 404);
    assert_eq!(bridge.get("/about/health").status, 200);
}

#[test]
fn http_nonsense_disturbs_nothing() {
    use std::io::Write;
    let mut bridge = Bridge::start("");
    for nonsense in
        [&b"\x00\xff\xfe"[..], b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", &[b'A'; 100_000]]
    {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", bridge.http_port)).unwrap();
        // The bridge may hang up half-way.
        let _ = stream.write_all(nonsense);
    }
    let huge = format!(r#"{{"meeting-id":"{}"}}"#, "x".repeat(5_000_000));
    assert_eq!(bridge.post_json("/colibri/v2/conferences", &huge).status, 413);
    let deep = "[".repeat(100_000);
    assert_eq!(bridge.post_json("/colibri/v2/conferences", &deep).status, 400);
    assert!(bridge.is_alive());
    assert_eq!(bridge.get("/about/health").status, 200);
}
