//! Requests and answers of the REST interface.

use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use serde_json::Value;

/// A text.
pub fn run(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    if let Ok(request) = ConferenceModify::from_json_with_meeting_id(&value, "m") {
        let again = ConferenceModify::from_json(&request.to_json());
        assert_eq!(again, Ok(request), "what is written can be read");
    }
    if let Ok(answer) = ConferenceModified::from_json(&value) {
        let again = ConferenceModified::from_json(&answer.to_json());
        assert_eq!(again, Ok(answer));
    }
}

/// Requests and answers as they are on the wire.
pub fn seeds() -> Vec<Vec<u8>> {
    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../crates/bridge-signaling/tests/fixtures/", $name))
        };
    }
    [
        fixture!("complete.json"),
        fixture!("json/01-create-conference-and-first-endpoint-answer2.json"),
        fixture!("json/03-transport-sources-last-n-request1.json"),
        fixture!("json/04-force-mute-expire-endpoint-expire-conference-request1.json"),
        fixture!("json/05-relay-request1.json"),
        fixture!("json/06-export-connections-request1.json"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
