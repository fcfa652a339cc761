//! Messages of clients and other bridges over the bridge channel.

use bridge_signaling::bridge_channel::BridgeChannelMessage;

/// A text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = BridgeChannelMessage::parse(text) else { return };
    let again = BridgeChannelMessage::parse(&message.to_json_string());
    assert_eq!(again.as_ref().ok(), Some(&message), "what is written can be read: {text}");
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"colibriClass":"ClientHello"}"#,
        r#"{"colibriClass":"ServerHello","version":"2.3"}"#,
        r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{"a":[1,2.5,"x"]}}"#,
        r#"{"colibriClass":"EndpointStats","bitrate":{"upload":1},"jvbRTT":20}"#,
        r#"{"colibriClass":"LastNChangedEvent","lastN":5}"#,
        r#"{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"assumedBandwidthBps":1000,
            "selectedSources":["a-v0"],"onStageSources":["b-v0"],"defaultConstraints":{"maxHeight":180},
            "constraints":{"a-v0":{"maxHeight":720,"maxFrameRate":30}}}"#,
        r#"{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["a-a0"]}"#,
        r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v1","videoType":"desktop"}"#,
        r#"{"colibriClass":"VideoTypeMessage","videoType":"camera"}"#,
        r#"{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"a","previousSpeakers":["b"],"silence":false}"#,
        r#"{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"a","active":"true"}"#,
        r#"{"colibriClass":"ForwardedSources","forwardedSources":["a-v0"]}"#,
        r#"{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"a-v0","owner":"a","ssrc":1,"rtx":2,"videoType":"CAMERA"}]}"#,
        r#"{"colibriClass":"AudioSourcesMap","mappedSources":[{"source":"a-a0","owner":"a","ssrc":1,"mid":"a0"}]}"#,
        r#"{"colibriClass":"SenderSourceConstraints","sourceName":"a-v0","maxHeight":360}"#,
        r#"{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":1000}"#,
        r#"{"colibriClass":"AddReceiver","bridgeId":"b","endpointId":"e","sourceName":"a-v0","videoConstraints":{"maxHeight":360}}"#,
        r#"{"colibriClass":"RemoveReceiver","bridgeId":"b","endpointId":"e"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
