//! The debug state of a conference (JVB: `Conference.getDebugState`, `Endpoint.debugState`): the
//! outer structure that tools and operators know, with what the control plane has.

use crate::conference::Conference;
use crate::endpoint::{DtlsState, Endpoint, IceState};
use bridge_units::MediaType;
use serde_json::{Map, Value, json};

/// Level SHORT.
pub(crate) fn short(conference: &Conference) -> Value {
    let endpoints = conference.endpoints.values();
    let endpoints: Map<_, _> = endpoints
        .map(|endpoint| (endpoint.id.to_string(), json!(endpoint.traits.stats_id)))
        .collect();
    let mut state = identity(conference);
    state.insert("endpoints".into(), endpoints.into());
    state.insert("relays".into(), json!({}));
    state.into()
}

/// Level FULL.
pub(crate) fn full(conference: &Conference) -> Value {
    let endpoints: Map<_, _> = conference
        .endpoints
        .values()
        .map(|endpoint| (endpoint.id.to_string(), endpoint_state(endpoint)))
        .collect();
    let mut state = identity(conference);
    state.insert("expired".into(), conference.is_expired().into());
    state.insert("endpoints".into(), endpoints.into());
    state.insert("relays".into(), json!({}));
    state.insert("exporter".into(), json!({ "started": false, "exporters": [] }));
    state.insert("audio_subscriptions".into(), audio_subscriptions(conference));
    state.insert(
        "feedback_ssrcs".into(),
        json!({
            "audio": conference.feedback.audio,
            "video": conference.feedback.video,
        }),
    );
    state.into()
}

fn identity(conference: &Conference) -> Map<String, Value> {
    let identity = &conference.identity;
    let mut state = Map::new();
    state.insert("id".into(), identity.local_id.clone().into());
    state.insert("rtcstatsEnabled".into(), identity.rtcstats_enabled.into());
    if let Some(name) = &identity.name {
        state.insert("name".into(), name.clone().into());
    }
    state.insert("meeting_id".into(), identity.meeting_id.clone().into());
    state
}

fn endpoint_state(endpoint: &Endpoint) -> Value {
    let mut state = json!({
        "expired": false,
        "stats_id": endpoint.traits.stats_id,
        "cryptex": false,
        "accept_audio": endpoint.media.accepts(MediaType::Audio),
        "accept_video": endpoint.media.accepts(MediaType::Video),
        "visitor": endpoint.traits.visitor,
        "diarize": endpoint.traits.diarize,
        "ssrc_rewriting": endpoint.traits.ssrc_rewriting,
        "force_mute": { "audio": endpoint.force_mute.audio, "video": endpoint.force_mute.video },
        "session": endpoint.session.0,
        "shard": endpoint.shard().0,
        "bitrate_controller": {
            "bitrate_allocator": { "allocationSettings": endpoint.wishes.to_json() },
        },
        "ice_transport": ice_state(endpoint),
        "dtls_transport": dtls_state(endpoint),
        "transceiver": transceiver_state(endpoint),
        "message_transport": {
            "received_counts": endpoint.messages.received,
            "sent_counts": endpoint.messages.sent,
            "numOutgoingMessagesDropped": endpoint.messages.outgoing_dropped,
        },
    });
    if endpoint.sctp {
        state["sctp"] = json!({ "channel_open": endpoint.progress.channel_open });
    }
    state
}

fn ice_state(endpoint: &Endpoint) -> Value {
    let ice = endpoint.progress.ice;
    let connected = matches!(ice, IceState::Connected { .. });
    json!({
        "closed": false,
        "iceWriteable": connected,
        "iceConnected": connected,
        "iceFailed": ice == IceState::Failed,
        "relayed": ice == IceState::Connected { relayed: true },
        "localUfrag": endpoint.ice.ufrag,
        "iceGeneration": 0,
        "restartPending": false,
    })
}

fn dtls_state(endpoint: &Endpoint) -> Value {
    let role = endpoint.role.map(|role| format!("{role:?}").to_uppercase());
    let mut state = json!({ "role": role, "is_connected": false });
    match &endpoint.progress.dtls {
        DtlsState::New => {}
        DtlsState::Connected { version, profile } => {
            state["is_connected"] = true.into();
            state["version"] = version.clone().into();
            state["srtp_profile"] = profile.clone().into();
        }
        DtlsState::Failed => state["failed"] = true.into(),
    }
    state
}

fn transceiver_state(endpoint: &Endpoint) -> Value {
    let description = endpoint.media.description();
    let payload_types = description.payload_types.iter().map(|payload_type| {
        let text = format!("{}/{}", payload_type.name, payload_type.clock_rate);
        (payload_type.number.to_string(), Value::from(text))
    });
    let extensions = description.header_extensions.iter();
    let sources = endpoint.sources.iter().map(|source| {
        let streams: Map<_, _> = source
            .streams
            .iter()
            .map(|(ssrc, role)| (ssrc.to_string(), format!("{role:?}").into()))
            .collect();
        let mut state = json!({ "owner": endpoint.id.as_str(), "streams": streams });
        match source.media {
            MediaType::Audio => state["synthetic"] = source.synthetic.into(),
            MediaType::Video => state["video_type"] = source.video_type.as_upper().into(),
        }
        (source.name.clone(), state)
    });
    json!({
        "stream_information_store": {
            "rtp_payload_types": payload_types.collect::<Map<_, _>>(),
            "rtp_extensions": extensions
                .map(|(id, uri)| (id.to_string(), uri.clone().into()))
                .collect::<Map<_, _>>(),
        },
        "media_sources": sources.collect::<Map<_, _>>(),
    })
}

fn audio_subscriptions(conference: &Conference) -> Value {
    let known = conference.endpoints.values().flat_map(|endpoint| {
        let audio = endpoint.sources.iter().filter(|source| source.media == MediaType::Audio);
        audio.flat_map(move |source| {
            source.streams.iter().map(move |(ssrc, _)| {
                json!({
                    "ssrc": ssrc,
                    "name": source.name,
                    "owner": endpoint.id.as_str(),
                    "synthetic": source.synthetic,
                })
            })
        })
    });
    let subscriptions = conference.endpoints.values().filter_map(|endpoint| {
        let audio = endpoint.wishes.audio()?;
        let state = json!({ "all": audio.all, "include": audio.include, "exclude": audio.exclude });
        Some((endpoint.id.to_string(), state))
    });
    json!({
        "known_sources": known.collect::<Vec<_>>(),
        "subscriptions": subscriptions.collect::<Map<_, _>>(),
    })
}
