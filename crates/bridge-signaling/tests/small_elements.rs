//! Health check, shutdown requests and the statistics of the presence.

use bridge_signaling::shutdown::ShutdownRequest;
use bridge_signaling::{
    StanzaErrorCondition, element_from_str, element_to_string, healthcheck, presence,
};

#[test]
fn health_checks_are_recognised() {
    let request = element_from_str("<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>");
    assert!(healthcheck::is_healthcheck(&request.unwrap()));
    assert!(healthcheck::is_healthcheck(&healthcheck::request()));
    let other = element_from_str("<healthcheck xmlns='urn:x'/>").unwrap();
    assert!(!healthcheck::is_healthcheck(&other));
}

#[test]
fn shutdown_requests_are_recognised_and_refused() {
    for (name, request) in [
        ("graceful-shutdown", Some(ShutdownRequest::Graceful)),
        ("force-shutdown", Some(ShutdownRequest::Force)),
        ("shutdown", None),
    ] {
        let text = format!("<{name} xmlns='http://jitsi.org/protocol/colibri'/>");
        assert_eq!(ShutdownRequest::from_element(&element_from_str(&text).unwrap()), request);
    }
    let refusal = ShutdownRequest::Force.refusal();
    assert_eq!(refusal.condition, StanzaErrorCondition::ServiceUnavailable);
    assert_eq!(refusal.text.as_deref(), Some("Unsupported IQ request force-shutdown"));
    assert_eq!(refusal.reason, None);
}

#[test]
fn statistics_are_pairs_in_order() {
    let stats = presence::stats([("stress_level", "0.1"), ("drain", "false"), ("region", "a<b")]);
    let text = element_to_string(&stats);
    let expected = "<stats xmlns='http://jitsi.org/protocol/colibri'>\
         <stat name='stress_level' value='0.1'/><stat name='drain' value='false'/>\
         <stat name='region' value='a<b'/></stats>";
    assert_eq!(text.replace('"', "'").replace("&lt;", "<"), expected);
    let read = element_from_str(&text).unwrap();
    let pairs = presence::pairs(&read).unwrap();
    assert_eq!(pairs, [("stress_level", "0.1"), ("drain", "false"), ("region", "a<b")]);
    assert!(presence::pairs(&healthcheck::request()).is_none());
}
