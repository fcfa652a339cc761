use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::strict_value::first_value;
use super::write::COLIBRI_CLASS;
use super::{
    AddReceiver, AudioSourceMapping, AudioSourcesMap, BridgeChannelMessage, ConnectionStats,
    DominantSpeakerEndpointChangeEvent, EndpointConnectivityStatusChangeEvent, EndpointMessage,
    EndpointStats, ForwardedSources, LastNChangedEvent, ReceiverAudioSubscription,
    ReceiverVideoConstraints, RemoveReceiver, SenderSourceConstraints, ServerHello,
    SourceVideoTypeMessage, SyntheticSourceSendingChangeEvent, VideoConstraints,
    VideoSourceMapping, VideoSourcesMap, VideoTypeMessage,
};
use crate::VideoType;
use crate::json::{scalar, whole_number};
use crate::limits::{MAX_BRIDGE_CHANNEL_BYTES, MAX_NAME_BYTES, MAX_SOURCE_NAMES};

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MessageError {
    /// Larger than [`MAX_BRIDGE_CHANNEL_BYTES`], or with a list longer than [`MAX_SOURCE_NAMES`] or
    /// a name longer than [`MAX_NAME_BYTES`].
    #[error("too large")]
    TooLarge,
    /// Not JSON, nested deeper than [`MAX_JSON_DEPTH`](crate::limits::MAX_JSON_DEPTH), or an object
    /// that has a key twice.
    #[error("not JSON")]
    NotJson,
    /// JSON, but not an object.
    #[error("not an object")]
    NotObject,
    /// No `colibriClass`, or not a string.
    #[error("no colibriClass")]
    NoClass,
    /// A `colibriClass` that does not exist.
    #[error("unknown colibriClass")]
    UnknownClass,
    /// A required member is missing or null.
    #[error("no {0}")]
    Missing(&'static str),
    /// A member has a wrong type.
    #[error("{0} has a wrong type")]
    WrongType(&'static str),
    /// A member has a value that is not allowed.
    #[error("{0} has an invalid value")]
    InvalidValue(&'static str),
}

/// Differs from JVB: it drops a message with an unknown member, which costs an old client the whole
/// message; here the member is skipped.
pub(super) fn message(text: &str) -> Result<BridgeChannelMessage, MessageError> {
    if text.len() > MAX_BRIDGE_CHANNEL_BYTES {
        return Err(MessageError::TooLarge);
    }
    let Value::Object(mut object) = first_value(text).map_err(|_| MessageError::NotJson)? else {
        return Err(MessageError::NotObject);
    };
    match object.remove(COLIBRI_CLASS) {
        Some(Value::String(class)) => of_class(&class, object),
        _ => Err(MessageError::NoClass),
    }
}

fn of_class(class: &str, object: Map<String, Value>) -> Result<BridgeChannelMessage, MessageError> {
    use BridgeChannelMessage as M;
    let members = Members(&object);
    Ok(match class {
        "ClientHello" => M::ClientHello,
        "ServerHello" => M::ServerHello(ServerHello { version: members.text("version")? }),
        "EndpointMessage" => M::EndpointMessage(endpoint_message(object)?),
        "EndpointStats" => M::EndpointStats(endpoint_stats(object)?),
        "LastNChangedEvent" => {
            M::LastNChangedEvent(LastNChangedEvent { last_n: members.int_or_zero("lastN")? })
        }
        "ReceiverVideoConstraints" => M::ReceiverVideoConstraints(receiver_video(members)?),
        "ReceiverAudioSubscription" => M::ReceiverAudioSubscription(receiver_audio(members)?),
        "SourceVideoTypeMessage" => M::SourceVideoTypeMessage(SourceVideoTypeMessage {
            source_name: members.required_text("sourceName")?,
            video_type: members.video_type()?,
            endpoint_id: members.text("endpointId")?,
        }),
        "VideoTypeMessage" => M::VideoTypeMessage(VideoTypeMessage {
            video_type: members.video_type()?,
            endpoint_id: members.text("endpointId")?,
        }),
        "AddReceiver" => M::AddReceiver(AddReceiver {
            bridge_id: members.required_text("bridgeId")?,
            source_name: members.required_text("sourceName")?,
            video_constraints: video_constraints(members.required("videoConstraints")?)?,
        }),
        "RemoveReceiver" => M::RemoveReceiver(RemoveReceiver {
            bridge_id: members.required_text("bridgeId")?,
            endpoint_id: members.required_text("endpointId")?,
        }),
        class => bridge_event(class, members)?,
    })
}

/// The messages that bridges originate.
fn bridge_event(class: &str, members: Members<'_>) -> Result<BridgeChannelMessage, MessageError> {
    use BridgeChannelMessage as M;
    Ok(match class {
        "DominantSpeakerEndpointChangeEvent" => {
            M::DominantSpeakerEndpointChangeEvent(DominantSpeakerEndpointChangeEvent {
                dominant_speaker_endpoint: members.required_text("dominantSpeakerEndpoint")?,
                previous_speakers: members.texts("previousSpeakers")?.unwrap_or_default(),
                silence: members.flag("silence")?.unwrap_or(false),
            })
        }
        "EndpointConnectivityStatusChangeEvent" => {
            M::EndpointConnectivityStatusChangeEvent(EndpointConnectivityStatusChangeEvent {
                endpoint: members.required_text("endpoint")?,
                active: members.required_text("active")?.eq_ignore_ascii_case("true"),
            })
        }
        "ForwardedSources" => M::ForwardedSources(ForwardedSources {
            forwarded_sources: members
                .texts("forwardedSources")?
                .ok_or(MessageError::Missing("forwardedSources"))?,
        }),
        "VideoSourcesMap" => M::VideoSourcesMap(VideoSourcesMap {
            mapped_sources: members.mapped_sources(video_source_mapping)?,
        }),
        "AudioSourcesMap" => M::AudioSourcesMap(AudioSourcesMap {
            mapped_sources: members.mapped_sources(audio_source_mapping)?,
        }),
        "SenderSourceConstraints" => M::SenderSourceConstraints(SenderSourceConstraints {
            source_name: members.required_text("sourceName")?,
            max_height: members.int_or_zero("maxHeight")?,
        }),
        "ConnectionStats" => M::ConnectionStats(ConnectionStats {
            estimated_downlink_bandwidth: members.long_or_zero("estimatedDownlinkBandwidth")?,
        }),
        "SyntheticSourceSendingChangeEvent" => {
            M::SyntheticSourceSendingChangeEvent(SyntheticSourceSendingChangeEvent {
                source_name: members.required_text("sourceName")?,
                sending: members.flag("sending")?.unwrap_or(false),
                timestamp: members.long_or_zero("timestamp")?,
            })
        }
        _ => return Err(MessageError::UnknownClass),
    })
}

fn endpoint_message(mut object: Map<String, Value>) -> Result<EndpointMessage, MessageError> {
    let members = Members(&object);
    let (to, from) = (members.required_text("to")?, members.text("from")?);
    object.remove("to");
    object.remove("from");
    Ok(EndpointMessage { to, from, other: object })
}

fn endpoint_stats(mut object: Map<String, Value>) -> Result<EndpointStats, MessageError> {
    let from = Members(&object).text("from")?;
    object.remove("from");
    Ok(EndpointStats { from, other: object })
}

fn receiver_video(members: Members<'_>) -> Result<ReceiverVideoConstraints, MessageError> {
    let constraints = match members.get("constraints") {
        None => None,
        Some(Value::Object(object)) if object.len() > MAX_SOURCE_NAMES => {
            return Err(MessageError::TooLarge);
        }
        Some(Value::Object(object)) => {
            let read = |(name, value): (&String, &Value)| {
                Ok((bounded(name.clone())?, video_constraints(value)?))
            };
            Some(object.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>()?)
        }
        Some(_) => return Err(MessageError::WrongType("constraints")),
    };
    Ok(ReceiverVideoConstraints {
        last_n: members.int("lastN")?,
        selected_sources: members.texts("selectedSources")?,
        on_stage_sources: members.texts("onStageSources")?,
        default_constraints: members
            .get("defaultConstraints")
            .map(video_constraints)
            .transpose()?,
        constraints,
        assumed_bandwidth_bps: members.long("assumedBandwidthBps")?,
    })
}

/// A missing height reads as 0, as everywhere; a missing frame rate as no limit.
fn video_constraints(value: &Value) -> Result<VideoConstraints, MessageError> {
    let members = Members(value.as_object().ok_or(MessageError::WrongType("constraints"))?);
    let max_height = members.int_or_zero("maxHeight")?;
    let max_frame_rate =
        members.float("maxFrameRate")?.unwrap_or(VideoConstraints::UNLIMITED_FRAME_RATE);
    if max_height < VideoConstraints::UNLIMITED_HEIGHT {
        return Err(MessageError::InvalidValue("maxHeight"));
    }
    if max_frame_rate < 0.0 && max_frame_rate != VideoConstraints::UNLIMITED_FRAME_RATE {
        return Err(MessageError::InvalidValue("maxFrameRate"));
    }
    Ok(VideoConstraints { max_height, max_frame_rate })
}

/// The old form, if its `mode` is there, wins over the new one.
fn receiver_audio(members: Members<'_>) -> Result<ReceiverAudioSubscription, MessageError> {
    let list = members.texts("list")?.unwrap_or_default();
    let none = ReceiverAudioSubscription::default();
    match members.text("mode")?.as_deref() {
        Some("All") => Ok(ReceiverAudioSubscription { all: true, ..none }),
        Some("None") => Ok(none),
        Some("Include") => Ok(ReceiverAudioSubscription { include: list, ..none }),
        Some("Exclude") => Ok(ReceiverAudioSubscription { all: true, exclude: list, ..none }),
        Some(_) => Err(MessageError::InvalidValue("mode")),
        None => Ok(ReceiverAudioSubscription {
            all: members.flag("all")?.unwrap_or(false),
            include: members.texts("include")?.unwrap_or_default(),
            exclude: members.texts("exclude")?.unwrap_or_default(),
        }),
    }
}

fn video_source_mapping(members: Members<'_>) -> Result<VideoSourceMapping, MessageError> {
    Ok(VideoSourceMapping {
        source: members.required_text("source")?,
        owner: members.text("owner")?,
        ssrc: members.ssrc("ssrc")?,
        rtx: members.ssrc("rtx")?,
        video_type: members.video_type()?,
        mid: members.text("mid")?,
    })
}

fn audio_source_mapping(members: Members<'_>) -> Result<AudioSourceMapping, MessageError> {
    Ok(AudioSourceMapping {
        source: members.required_text("source")?,
        owner: members.text("owner")?,
        ssrc: members.ssrc("ssrc")?,
        mid: members.text("mid")?,
    })
}

/// The members of an object, with the lenient scalars of JVB's JSON library: numbers as strings,
/// strings as numbers, fractions cut off.
#[derive(Clone, Copy)]
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    /// A member that is there and not null.
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn required(self, name: &'static str) -> Result<&'a Value, MessageError> {
        self.get(name).ok_or(MessageError::Missing(name))
    }

    fn text(self, name: &'static str) -> Result<Option<String>, MessageError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        bounded(scalar(value).ok_or(MessageError::WrongType(name))?).map(Some)
    }

    fn required_text(self, name: &'static str) -> Result<String, MessageError> {
        self.text(name)?.ok_or(MessageError::Missing(name))
    }

    fn texts(self, name: &'static str) -> Result<Option<Vec<String>>, MessageError> {
        let wrong_type = MessageError::WrongType(name);
        let Some(value) = self.get(name) else { return Ok(None) };
        let entries = value.as_array().ok_or(wrong_type)?;
        if entries.len() > MAX_SOURCE_NAMES {
            return Err(MessageError::TooLarge);
        }
        let texts = entries.iter().map(|entry| bounded(scalar(entry).ok_or(wrong_type)?));
        texts.collect::<Result<_, _>>().map(Some)
    }

    fn flag(self, name: &'static str) -> Result<Option<bool>, MessageError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
                Ok(Some(whole_number(number) != 0))
            }
            Some(Value::String(text)) => match text.trim() {
                "true" | "True" | "TRUE" => Ok(Some(true)),
                "false" | "False" | "FALSE" => Ok(Some(false)),
                _ => Err(MessageError::WrongType(name)),
            },
            Some(_) => Err(MessageError::WrongType(name)),
        }
    }

    fn long(self, name: &'static str) -> Result<Option<i64>, MessageError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(whole_number(number))),
            Some(Value::String(text)) => {
                text.trim().parse().map(Some).map_err(|_| MessageError::WrongType(name))
            }
            Some(_) => Err(MessageError::WrongType(name)),
        }
    }

    fn int(self, name: &'static str) -> Result<Option<i32>, MessageError> {
        let Some(number) = self.long(name)? else { return Ok(None) };
        number.try_into().map(Some).map_err(|_| MessageError::InvalidValue(name))
    }

    fn int_or_zero(self, name: &'static str) -> Result<i32, MessageError> {
        Ok(self.int(name)?.unwrap_or(0))
    }

    fn long_or_zero(self, name: &'static str) -> Result<i64, MessageError> {
        Ok(self.long(name)?.unwrap_or(0))
    }

    fn ssrc(self, name: &'static str) -> Result<u32, MessageError> {
        self.long_or_zero(name)?.try_into().map_err(|_| MessageError::InvalidValue(name))
    }

    /// A finite number.
    fn float(self, name: &'static str) -> Result<Option<f64>, MessageError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let number = number.ok_or(MessageError::WrongType(name))?;
        number.is_finite().then_some(Some(number)).ok_or(MessageError::InvalidValue(name))
    }

    fn video_type(self) -> Result<VideoType, MessageError> {
        let name = self.required("videoType")?.as_str();
        let name = name.ok_or(MessageError::WrongType("videoType"))?;
        VideoType::from_name(name).ok_or(MessageError::InvalidValue("videoType"))
    }

    fn mapped_sources<T>(
        self,
        read: impl Fn(Members<'a>) -> Result<T, MessageError>,
    ) -> Result<Vec<T>, MessageError> {
        let wrong_type = MessageError::WrongType("mappedSources");
        let entries = self.required("mappedSources")?.as_array().ok_or(wrong_type)?;
        if entries.len() > MAX_SOURCE_NAMES {
            return Err(MessageError::TooLarge);
        }
        let objects = entries.iter().map(|entry| entry.as_object().ok_or(wrong_type));
        objects.map(|object| read(Members(object?))).collect()
    }
}

fn bounded(text: String) -> Result<String, MessageError> {
    if text.len() > MAX_NAME_BYTES { Err(MessageError::TooLarge) } else { Ok(text) }
}
