//! What a peer signals of its transport: candidates, fingerprints, credentials.

use bridge_dtls::Fingerprint;
use bridge_signaling::colibri2::ConferenceModify;
use serde_json::{Map, Value, json};

/// The values of a candidate and of a fingerprint, one a line.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut values = text.split('\n');
    let mut object = |names: &[&str]| {
        let member = |name: &&str| values.next().map(|value| ((*name).to_owned(), read(value)));
        Value::Object(names.iter().filter_map(member).collect::<Map<_, _>>())
    };
    let fingerprint = object(&["hash", "fingerprint", "setup", "cryptex"]);
    let candidates = [object(&CANDIDATE), object(&CANDIDATE)];
    if let (Some(hash), Some(value)) =
        (fingerprint["hash"].as_str(), fingerprint["fingerprint"].as_str())
    {
        parse_fingerprint(hash, value);
    }
    let request = json!({"endpoints": [{
        "id": "abcdabcd",
        "transport": {"transport": {
            "ufrag": values.next(),
            "pwd": values.next(),
            "fingerprints": [fingerprint],
            "candidates": candidates,
        }},
    }]});
    let Ok(request) = ConferenceModify::from_json_with_meeting_id(&request, "m") else { return };
    let again = ConferenceModify::from_json(&request.to_json());
    assert_eq!(again.as_ref(), Ok(&request));
}

/// A host candidate and a reflexive one.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "sha-256\nAB:CD:EF:01\nactpass\ntrue",
        "1\n1\n0\nc0\n203.0.113.10\n0\n10000\n2130706431\nudp\nhost",
        "1\n2\n0\nc1\n2001:db8::1\n0\n9\n1694498815\nudp\nsrflx\n10.0.0.1\n5000",
        "ufrag\npassword",
    ];
    vec![
        lines.join("\n").into_bytes(),
        b"sha-1\n\n\n\n1\n1\n0\n\na-b.local\n0\n9\n1\ntcp\nprflx".to_vec(),
    ]
}

/// A number if it looks like one.
fn read(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
}

fn parse_fingerprint(hash: &str, value: &str) {
    if let Ok(fingerprint) = Fingerprint::parse(hash, value) {
        let again = Fingerprint::parse(fingerprint.hash().name(), &fingerprint.to_string());
        assert_eq!(again.as_ref().map(Fingerprint::bytes), Ok(fingerprint.bytes()));
    }
}

const CANDIDATE: [&str; 13] = [
    "component",
    "foundation",
    "generation",
    "id",
    "ip",
    "network",
    "port",
    "priority",
    "protocol",
    "type",
    "rel-addr",
    "rel-port",
    "tcptype",
];
