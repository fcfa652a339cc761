//! Stanzas of focus and bridge in XML.

use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_signaling::{ErrorAnswer, element_from_str, healthcheck, presence, shutdown};

/// A text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(request) = ConferenceModify::from_xml(text) {
        let again = ConferenceModify::from_xml(&request.to_xml());
        assert_eq!(again.as_ref(), Ok(&request), "what is written can be read");
        // The other form has no trace and fewer attributes.
        let _through_json = ConferenceModify::from_json(&request.to_json());
    }
    if let Ok(answer) = ConferenceModified::from_xml(text) {
        let again = ConferenceModified::from_xml(&answer.to_xml());
        assert_eq!(again, Ok(answer));
    }
    if let Ok(element) = element_from_str(text) {
        let _kinds = (healthcheck::is_healthcheck(&element), presence::pairs(&element));
        let _shutdown = shutdown::ShutdownRequest::from_element(&element);
        if let Ok(error) = ErrorAnswer::from_element(&element) {
            let again = ErrorAnswer::from_element(&error.to_element());
            assert_eq!(again, Ok(error));
        }
    }
}

/// Requests, answers and errors as they are on the wire.
pub fn seeds() -> Vec<Vec<u8>> {
    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../crates/bridge-signaling/tests/fixtures/", $name))
        };
    }
    [
        fixture!("complete.xml"),
        fixture!("xml/01-create-conference-and-first-endpoint-request1.xml"),
        fixture!("xml/01-create-conference-and-first-endpoint-answer1.xml"),
        fixture!("xml/05-source-added-source-removed-request1.xml"),
        fixture!("xml/06-force-mute-request1.xml"),
        fixture!("xml/10-ice-restart-request1.xml"),
        fixture!("xml/11-relays-request1.xml"),
        fixture!("xml/12-export-connections-request1.xml"),
        fixture!("xml/13-error-answers-error1.xml"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
