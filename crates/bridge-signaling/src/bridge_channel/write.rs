use serde_json::{Map, Value, json};

use super::{
    AudioSourcesMap, BridgeChannelMessage, EndpointMessage, EndpointStats,
    ReceiverAudioSubscription, ReceiverVideoConstraints, SourceVideoTypeMessage, VideoConstraints,
    VideoSourcesMap, VideoTypeMessage,
};
use crate::json::insert_text;

pub(super) fn message(message: &BridgeChannelMessage) -> Value {
    let mut object = members(message);
    object.insert(COLIBRI_CLASS.to_owned(), message.colibri_class().into());
    object.into()
}

/// Everything but the name of the message.
fn members(message: &BridgeChannelMessage) -> Map<String, Value> {
    use BridgeChannelMessage as M;
    match message {
        M::ClientHello => Map::new(),
        M::ServerHello(m) => with_text(Map::new(), "version", m.version.as_deref()),
        M::EndpointMessage(m) => endpoint_message(m),
        M::EndpointStats(m) => endpoint_stats(m),
        M::LastNChangedEvent(m) => object([("lastN", m.last_n.into())]),
        M::ReceiverVideoConstraints(m) => receiver_video_constraints(m),
        M::ReceiverAudioSubscription(m) => receiver_audio_subscription(m),
        M::SourceVideoTypeMessage(m) => source_video_type(m),
        M::VideoTypeMessage(m) => video_type(m),
        M::DominantSpeakerEndpointChangeEvent(m) => object([
            ("dominantSpeakerEndpoint", m.dominant_speaker_endpoint.as_str().into()),
            ("previousSpeakers", m.previous_speakers.as_slice().into()),
            ("silence", m.silence.into()),
        ]),
        M::EndpointConnectivityStatusChangeEvent(m) => object([
            ("endpoint", m.endpoint.as_str().into()),
            // A string: clients compare it with 'true'.
            ("active", m.active.to_string().into()),
        ]),
        M::ForwardedSources(m) => {
            object([("forwardedSources", m.forwarded_sources.as_slice().into())])
        }
        M::VideoSourcesMap(m) => video_sources_map(m),
        M::AudioSourcesMap(m) => audio_sources_map(m),
        M::SenderSourceConstraints(m) => object([
            ("sourceName", m.source_name.as_str().into()),
            ("maxHeight", m.max_height.into()),
        ]),
        M::ConnectionStats(m) => {
            object([("estimatedDownlinkBandwidth", m.estimated_downlink_bandwidth.into())])
        }
        M::SyntheticSourceSendingChangeEvent(m) => object([
            ("sourceName", m.source_name.as_str().into()),
            ("sending", m.sending.into()),
            ("timestamp", m.timestamp.into()),
        ]),
        M::AddReceiver(m) => object([
            ("bridgeId", m.bridge_id.as_str().into()),
            ("sourceName", m.source_name.as_str().into()),
            ("videoConstraints", video_constraints(&m.video_constraints)),
        ]),
        M::RemoveReceiver(m) => object([
            ("bridgeId", m.bridge_id.as_str().into()),
            ("endpointId", m.endpoint_id.as_str().into()),
        ]),
    }
}

fn endpoint_message(message: &EndpointMessage) -> Map<String, Value> {
    let mut object = with_text(message.other.clone(), "from", message.from.as_deref());
    object.insert("to".to_owned(), message.to.as_str().into());
    object
}

fn endpoint_stats(message: &EndpointStats) -> Map<String, Value> {
    with_text(message.other.clone(), "from", message.from.as_deref())
}

fn receiver_video_constraints(message: &ReceiverVideoConstraints) -> Map<String, Value> {
    let constraints = message.constraints.as_ref().map(|constraints| {
        let members = constraints.iter();
        members.map(|(name, value)| (name.clone(), video_constraints(value))).collect()
    });
    let members = [
        ("lastN", message.last_n.map(Value::from)),
        ("selectedSources", message.selected_sources.as_deref().map(Value::from)),
        ("onStageSources", message.on_stage_sources.as_deref().map(Value::from)),
        ("defaultConstraints", message.default_constraints.as_ref().map(video_constraints)),
        ("constraints", constraints),
        ("assumedBandwidthBps", message.assumed_bandwidth_bps.map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn receiver_audio_subscription(message: &ReceiverAudioSubscription) -> Map<String, Value> {
    object([
        ("all", message.all.into()),
        ("include", message.include.as_slice().into()),
        ("exclude", message.exclude.as_slice().into()),
    ])
}

fn source_video_type(message: &SourceVideoTypeMessage) -> Map<String, Value> {
    let object = object([
        ("sourceName", message.source_name.as_str().into()),
        ("videoType", message.video_type.as_upper().into()),
    ]);
    with_text(object, "endpointId", message.endpoint_id.as_deref())
}

fn video_type(message: &VideoTypeMessage) -> Map<String, Value> {
    let object = object([("videoType", message.video_type.as_upper().into())]);
    with_text(object, "endpointId", message.endpoint_id.as_deref())
}

fn video_sources_map(message: &VideoSourcesMap) -> Map<String, Value> {
    let sources = message.mapped_sources.iter().map(|mapping| {
        let object = object([
            ("source", mapping.source.as_str().into()),
            ("owner", mapping.owner.as_deref().into()),
            ("ssrc", mapping.ssrc.into()),
            ("rtx", mapping.rtx.into()),
            ("videoType", mapping.video_type.as_upper().into()),
        ]);
        with_text(object, "mid", mapping.mid.as_deref())
    });
    object([("mappedSources", sources.map(Value::from).collect())])
}

fn audio_sources_map(message: &AudioSourcesMap) -> Map<String, Value> {
    let sources = message.mapped_sources.iter().map(|mapping| {
        let object = object([
            ("source", mapping.source.as_str().into()),
            ("owner", mapping.owner.as_deref().into()),
            ("ssrc", mapping.ssrc.into()),
        ]);
        with_text(object, "mid", mapping.mid.as_deref())
    });
    object([("mappedSources", sources.map(Value::from).collect())])
}

fn video_constraints(constraints: &VideoConstraints) -> Value {
    json!({
        "maxHeight": constraints.max_height,
        "maxFrameRate": constraints.max_frame_rate,
    })
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn with_text(
    mut object: Map<String, Value>,
    name: &str,
    value: Option<&str>,
) -> Map<String, Value> {
    insert_text(&mut object, name, value);
    object
}

/// The member that names a message.
pub(super) const COLIBRI_CLASS: &str = "colibriClass";
