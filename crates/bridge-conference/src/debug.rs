//! The debug state of a conference (JVB: `Conference.getDebugState`, `Endpoint.debugState`): the
//! outer structure that tools and operators know, with what the control plane has.

use crate::conference::Conference;
use crate::endpoint::{DtlsState, Endpoint, IceState};
use crate::receiver;
use crate::video_sources::VideoSource;
use bridge_media::{LayerIndex, SourceAllocation};
use bridge_units::{Bitrate, MediaType};
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
        .map(|endpoint| (endpoint.id.to_string(), endpoint_state(conference, endpoint)))
        .collect();
    let mut state = identity(conference);
    state.insert("speech_activity".into(), conference.speakers.to_json(&conference.endpoints));
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

fn endpoint_state(conference: &Conference, endpoint: &Endpoint) -> Value {
    let mut state = json!({
        "expired": false,
        "stats_id": endpoint.traits.stats_id,
        "cryptex": false,
        "accept_audio": endpoint.media.accepts(MediaType::Audio),
        "accept_video": endpoint.media.accepts(MediaType::Video),
        "visitor": endpoint.traits.visitor,
        "diarize": endpoint.traits.diarize,
        "ssrc_rewriting": endpoint.traits.ssrc_rewriting,
        "mid_demux": endpoint.traits.mid_demux,
        "force_mute": { "audio": endpoint.force_mute.audio, "video": endpoint.force_mute.video },
        "session": endpoint.session.0,
        "shard": endpoint.shard().0,
        "bitrate_controller": bitrate_controller(conference, endpoint),
        "receiver_video_constraints": wanted_of(conference, endpoint),
        "ice_transport": ice_state(endpoint),
        "dtls_transport": dtls_state(endpoint),
        "transceiver": transceiver_state(conference, endpoint),
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

/// What the endpoint gets, and why.
fn bitrate_controller(conference: &Conference, endpoint: &Endpoint) -> Value {
    let allocator = &endpoint.video.allocator;
    let allocation = allocator.allocation();
    let sources = allocation.sources.iter().filter_map(|source| {
        let state = source_allocation(source);
        Some((conference.video.name(source.source)?.to_string(), state))
    });
    let forwarded = allocation.forwarded_sources();
    let forwarded: Vec<_> =
        forwarded.filter_map(|source| Some(conference.video.name(source)?.to_string())).collect();
    let bps = |rate: Option<Bitrate>| {
        rate.map_or(-1, |rate| i64::try_from(rate.bps()).unwrap_or(i64::MAX))
    };
    json!({
        "bitrate_allocator": {
            "allocationSettings": endpoint.wishes.to_json(),
            "bweBps": bps(allocator.estimate()),
            "budgetBps": bps(allocation.budget),
            "lastTrigger": allocator.last_trigger().map(|trigger| format!("{trigger:?}")),
            "runs": allocator.runs(),
            "allocation": {
                "idealBps": allocation.ideal_bitrate.bps(),
                "targetBps": allocation.target_bitrate.bps(),
                "oversending": allocation.is_oversending,
                "has_suspended_sources": allocation.has_suspended_sources,
                "passes": allocation.passes,
                "allocations": sources.collect::<Map<_, _>>(),
            },
        },
        "latest_bwe": bps(endpoint.video.estimate),
        "forwarded_sources": forwarded,
        "oversending": allocation.is_oversending,
        "supports_rtx": endpoint.media.has_payload_type("rtx"),
    })
}

fn source_allocation(source: &SourceAllocation) -> Value {
    let layer = |index: LayerIndex, rate: Bitrate| match index.is_suspended() {
        true => Value::Null,
        false => json!({
            "index": index.value(),
            "indexString": index.to_string(),
            "bitrate_bps": rate.bps(),
        }),
    };
    json!({
        "effective_constraints": receiver::to_json(&source.effective_constraints),
        "on_stage": source.is_on_stage,
        "target": layer(source.target, source.target_bitrate),
        "ideal": layer(source.ideal, source.ideal_bitrate),
        "why": source.reason.name(),
    })
}

/// What all receivers together want of what the endpoint sends.
fn wanted_of(conference: &Conference, endpoint: &Endpoint) -> Value {
    let video = endpoint.sources.iter().filter(|source| source.media == MediaType::Video);
    let wanted = video.map(|source| {
        let height = conference.senders.max_height(&source.name).to_signaled();
        (source.name.clone(), json!({ "maxHeight": height }))
    });
    wanted.collect::<Map<_, _>>().into()
}

fn layers(source: &VideoSource) -> Value {
    let layers = source.layers.layers.iter().map(|layer| {
        let state = json!({
            "index": layer.index.value(),
            "height": layer.height,
            "frameRate": layer.frame_rate,
            "bitrate_bps": layer.bitrate.bps(),
            "target_bitrate": layer.target_bitrate.map(Bitrate::bps),
        });
        (layer.index.to_string(), state)
    });
    layers.collect::<Map<_, _>>().into()
}

fn transceiver_state(conference: &Conference, endpoint: &Endpoint) -> Value {
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
            MediaType::Video => {
                state["video_type"] = source.video_type.as_upper().into();
                state["layers"] = conference.video.get(source.id).map_or(Value::Null, layers);
            }
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
        "endpoint_connection_stats": {
            "rtt": endpoint.progress.round_trip.map(|time| time.as_secs_f64() * 1_000.0),
        },
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
