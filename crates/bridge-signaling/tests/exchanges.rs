//! Each exchange of the control plane, as documents: what is read is written again the same, in
//! XML and in JSON, and both forms mean the same.

use std::fs;
use std::path::{Path, PathBuf};

use bridge_signaling::colibri2::{ConferenceModified, ConferenceModify};
use bridge_signaling::{ErrorAnswer, ParseError, element_from_str};
use serde_json::Value;
use xmpp_parsers::minidom::Element;

/// What must not get lost in an element, whatever its order and white space.
fn canonical(element: &Element) -> String {
    let attributes: Vec<String> =
        element.attrs().iter().map(|((_, name), value)| format!("{name}={value:?}")).collect();
    let mut attributes = attributes;
    attributes.sort();
    let mut children: Vec<String> = element.children().map(canonical).collect();
    children.sort();
    let text = element.text();
    format!(
        "<{{{}}}{} {}>{}{}</>",
        element.ns(),
        element.name(),
        attributes.join(" "),
        text.trim(),
        children.join("")
    )
}

fn fixtures(folder: &str) -> Vec<(PathBuf, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let entries = fs::read_dir(path).expect("the folder is part of the crate");
    let mut fixtures: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .map(|path| (path.clone(), fs::read_to_string(path).expect("readable")))
        .collect();
    fixtures.sort();
    fixtures
}

/// An endpoint or relay on its own, put into a request.
fn request_around(fragment: Element) -> Element {
    let mut request = ConferenceModify::new("m").to_element();
    request.append_child(fragment);
    request
}

fn request_survives(element: &Element) -> Result<(), ParseError> {
    let request = ConferenceModify::from_element(element)?;
    assert_eq!(canonical(&request.to_element()), canonical(element));
    assert_eq!(ConferenceModify::from_xml(&request.to_xml())?, request);
    let from_json = ConferenceModify::from_json(&request.to_json())?;
    let without_trace = ConferenceModify { traceparent: None, ..request };
    assert_eq!(from_json, without_trace);
    Ok(())
}

fn answer_survives(element: &Element) -> Result<(), ParseError> {
    let answer = ConferenceModified::from_element(element)?;
    assert_eq!(canonical(&answer.to_element()), canonical(element));
    assert_eq!(ConferenceModified::from_xml(&answer.to_xml())?, answer);
    assert_eq!(ConferenceModified::from_json(&answer.to_json())?, answer);
    Ok(())
}

#[test]
fn xml_exchanges_are_read_and_written_the_same() {
    let fixtures = fixtures("xml");
    assert!(fixtures.len() > 35, "{} fixtures", fixtures.len());
    for (path, text) in fixtures {
        let element = element_from_str(&text).unwrap();
        let result = match (element.name(), element.ns().as_str()) {
            ("conference-modify", _) => request_survives(&element),
            ("conference-modified", _) => answer_survives(&element),
            ("endpoint" | "relay", _) => request_survives(&request_around(element)),
            ("error", "jabber:client") => {
                let error = ErrorAnswer::from_element(&element).unwrap();
                assert_eq!(canonical(&error.to_element()), canonical(&element));
                Ok(())
            }
            other => panic!("{other:?} in {}", path.display()),
        };
        assert_eq!(result, Ok(()), "{}", path.display());
    }
}

#[test]
fn json_exchanges_are_read_and_written_the_same() {
    let fixtures = fixtures("json");
    assert!(fixtures.len() > 10, "{} fixtures", fixtures.len());
    for (path, text) in fixtures {
        let value: Value = serde_json::from_str(&text).unwrap();
        if path.to_string_lossy().contains("answer") {
            let answer = ConferenceModified::from_json(&value).unwrap();
            assert_eq!(answer.to_json(), value, "{}", path.display());
            assert_eq!(ConferenceModified::from_xml(&answer.to_xml()), Ok(answer));
        } else {
            let request = ConferenceModify::from_json_with_meeting_id(&value, "m").unwrap();
            assert_eq!(ConferenceModify::from_json(&request.to_json()).as_ref(), Ok(&request));
            assert_eq!(ConferenceModify::from_xml(&request.to_xml()).as_ref(), Ok(&request));
            assert!(request != ConferenceModify::new("m"), "{}", path.display());
        }
    }
}

#[test]
fn the_same_request_reads_the_same_from_xml_and_json() {
    // Every element and attribute, spelled differently in both where the reader allows it.
    let xml = include_str!("fixtures/complete.xml");
    let json = serde_json::from_str(include_str!("fixtures/complete.json")).unwrap();
    let request = ConferenceModify::from_xml(xml).unwrap();
    assert_eq!(ConferenceModify::from_json(&json), Ok(request.clone()));
    let endpoint = request.endpoints.first().unwrap();
    assert_eq!(endpoint.force_mute.map(|mute| (mute.audio, mute.video)), Some((true, false)));
    let parameter = endpoint.medias[0].payload_types[0].parameters.first().unwrap();
    assert_eq!((parameter.name.as_deref(), parameter.value.as_str()), (None, "111/111"));
    assert_eq!(endpoint.medias[0].payload_types[0].maxptime, None);
}

#[test]
fn json_is_written_as_the_reference_writes_it() {
    let json = serde_json::json!({
        "meeting-id": "m",
        "endpoints": [{
            "id": "e",
            "medias": [{"type": "audio", "payload-types": [{"id": 111, "name": "opus",
                "clockrate": 48000, "channels": 2, "parameters": {"minptime": 10}},
                {"id": 126, "name": "telephone-event", "clockrate": 8000}]}],
            "transport": {"sctp": {"role": "client", "port": 5000}, "transport": {"xmlns": "other"}},
            "sources": [{"type": "audio", "id": "e-a0", "sources": [7, {"ssrc": 8, "name": "n"}]}],
            "force-mute": {}
        }],
    });
    let written = ConferenceModify::from_json(&json).unwrap().to_json();
    let endpoint = &written["endpoints"][0];
    assert_eq!(
        endpoint["medias"][0]["payload-types"],
        serde_json::json!([
            {"id": "111", "name": "opus", "clockrate": "48000", "channels": "2",
             "parameters": {"minptime": "10"}},
            {"id": "126", "name": "telephone-event", "clockrate": "8000"},
        ])
    );
    assert_eq!(
        endpoint["transport"],
        serde_json::json!({"sctp": {"role": "CLIENT", "port": 5000}})
    );
    assert_eq!(endpoint["sources"][0]["sources"], serde_json::json!([7, {"ssrc": 8, "name": "n"}]));
    assert_eq!(endpoint["force-mute"], serde_json::json!({"audio": false, "video": false}));
    assert_eq!(ConferenceModified::default().to_json(), serde_json::json!({}));
}

#[test]
fn the_first_of_several_children_counts_and_unknown_ones_are_skipped() {
    let request = ConferenceModify::from_xml(
        "<conference-modify xmlns='jitsi:colibri2' meeting-id='m' callstats-enabled='x'>
           <noise xmlns='urn:x'><endpoint xmlns='jitsi:colibri2'/></noise>
           <endpoint id='a' later='1'><force-mute audio='true'/><force-mute video='true'/>
             <sources/><sources><media-source/></sources><endpoint/></endpoint>
           <endpoint xmlns='urn:x'/>
         </conference-modify>",
    )
    .unwrap();
    assert_eq!(request.endpoints.len(), 1);
    let endpoint = &request.endpoints[0];
    assert_eq!(endpoint.force_mute.map(|mute| (mute.audio, mute.video)), Some((true, false)));
    assert_eq!(endpoint.sources.as_ref().map(|sources| sources.media_sources.len()), Some(0));
}

#[test]
fn text_that_xml_cannot_carry_is_replaced() {
    let json = serde_json::json!({"meeting-id": "a\u{0}b\u{ffff}<&'\">\r\n\t"});
    let request = ConferenceModify::from_json(&json).unwrap();
    let read = ConferenceModify::from_xml(&request.to_xml()).unwrap();
    assert_eq!(read.meeting_id, "a\u{fffd}b\u{fffd}<&'\">\r\n\t");
}
