use std::fmt;

use bridge_units::{EndpointId, MAX_ENDPOINT_ID_LEN};
use serde_json::{Map, Value, json};
use xmpp_parsers::minidom::Element;

use super::{Media, Sources, Transport};
use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader};
use crate::limits::{MAX_CAPABILITIES, MAX_MEDIAS, MAX_NAME_BYTES};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// An endpoint: a local one in a request or an answer, or a remote one inside a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The identity within the conference.
    pub id: EndpointId,
    /// Whether the endpoint is to be created.
    pub create: bool,
    /// Whether the endpoint is to be expired (request) or was (answer). Wins over the rest.
    pub expire: bool,
    /// A readable id for statistics. Only looked at on create.
    pub stats_id: Option<String>,
    /// The role in the room. Only looked at on create.
    pub muc_role: Option<MucRole>,
    /// Whether exports of this endpoint's audio ask for diarization. Only looked at on create.
    pub diarize: Option<bool>,
    /// Capabilities, in document order. Only looked at on create.
    pub capabilities: Vec<Capability>,
    /// Codecs and header extensions, one a kind of media.
    pub medias: Vec<Media>,
    /// Transport: required on create.
    pub transport: Option<Transport>,
    /// The complete set of sources. `Some` without entries clears, `None` changes nothing.
    pub sources: Option<Sources>,
    /// Which media of the endpoint are discarded; both values are set each time.
    pub force_mute: Option<ForceMute>,
    /// The last-n until the endpoint says its own over the bridge channel.
    pub initial_last_n: Option<InitialLastN>,
}

impl Endpoint {
    /// An endpoint with an id and nothing else: the answer to an update.
    pub fn new(id: EndpointId) -> Self {
        Self {
            id,
            create: false,
            expire: false,
            stats_id: None,
            muc_role: None,
            diarize: None,
            capabilities: Vec::new(),
            medias: Vec::new(),
            transport: None,
            sources: None,
            force_mute: None,
            initial_last_n: None,
        }
    }

    /// An endpoint that is to expire, or did.
    pub fn expired(id: EndpointId) -> Self {
        Self { expire: true, ..Self::new(id) }
    }

    /// Whether `capability` was announced.
    pub fn has_capability(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }
}

/// The role of an endpoint in its room. Only `Visitor` has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MucRole {
    /// Receives only.
    Visitor,
    /// A usual member.
    Participant,
    /// A member with rights.
    Moderator,
    /// No role.
    None,
}

impl MucRole {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
            Self::None => "none",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Visitor, Self::Participant, Self::Moderator, Self::None]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(name))
    }
}

/// What an endpoint can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Sources have names. Mandatory.
    SourceNames,
    /// Media comes on a limited set of SSRCs that the bridge chooses.
    SsrcRewriting,
    /// The endpoint may reach private addresses of the bridge.
    PrivateAddressConnectivity,
    /// Rewritten media is stamped with a mid header extension.
    RtpMidDemux,
    /// Another one, without effect.
    Other(String),
}

impl Capability {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SourceNames => "source-names",
            Self::SsrcRewriting => "ssrc-rewriting",
            Self::PrivateAddressConnectivity => "private-address-connectivity",
            Self::RtpMidDemux => "rtp-mid-demux",
            Self::Other(name) => name,
        }
    }

    /// From the name on the wire, case-sensitive.
    pub fn from_name(name: &str) -> Self {
        [
            Self::SourceNames,
            Self::SsrcRewriting,
            Self::PrivateAddressConnectivity,
            Self::RtpMidDemux,
        ]
        .into_iter()
        .find(|known| known.as_str() == name)
        .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which media of an endpoint the bridge discards. Absolute: both values are set each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForceMute {
    /// Whether audio is discarded.
    pub audio: bool,
    /// Whether video is discarded.
    pub video: bool,
}

/// The last-n of an endpoint until its first receiver constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialLastN {
    /// How many video sources; -1 for no limit.
    pub value: i32,
}

impl XmlForm for Endpoint {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "endpoint");
        Ok(Self {
            id: id_of(&reader)?,
            create: reader.is_true("create"),
            expire: reader.is_true("expire"),
            stats_id: reader.text("stats-id")?,
            muc_role: reader.named("muc-role", MucRole::from_name)?,
            diarize: reader.flag("diarize"),
            capabilities: reader.filter_map(
                "capability",
                ns::COLIBRI2,
                MAX_CAPABILITIES,
                |capability| {
                    let name = Reader::new(capability, "capability").text("name")?;
                    Ok(name.as_deref().map(Capability::from_name))
                },
            )?,
            medias: reader.all("media", ns::COLIBRI2, MAX_MEDIAS)?,
            transport: reader.first("transport", ns::COLIBRI2)?,
            sources: reader.first("sources", ns::COLIBRI2)?,
            force_mute: reader.first("force-mute", ns::COLIBRI2)?,
            initial_last_n: reader.first("initial-last-n", ns::COLIBRI2)?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("endpoint", ns::COLIBRI2);
        xml::set(&mut element, "id", self.id.as_str());
        xml::set_true(&mut element, "create", self.create);
        xml::set_true(&mut element, "expire", self.expire);
        xml::set_some(&mut element, "stats-id", self.stats_id.as_deref());
        xml::set_some(&mut element, "muc-role", self.muc_role.map(MucRole::as_str));
        if let Some(diarize) = self.diarize {
            xml::set(&mut element, "diarize", if diarize { "true" } else { "false" });
        }
        for capability in &self.capabilities {
            let mut child = Element::bare("capability", ns::COLIBRI2);
            xml::set(&mut child, "name", capability.as_str());
            element.append_child(child);
        }
        xml::append_all(&mut element, &self.medias);
        xml::append_some(&mut element, self.transport.as_ref());
        xml::append_some(&mut element, self.sources.as_ref());
        xml::append_some(&mut element, self.force_mute.as_ref());
        xml::append_some(&mut element, self.initial_last_n.as_ref());
        element
    }
}

impl JsonForm for Endpoint {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "endpoint")?;
        Ok(Self {
            id: id_of(&reader)?,
            create: reader.is_true("create")?,
            expire: reader.is_true("expire")?,
            stats_id: reader.text("stats-id")?,
            muc_role: reader.named("muc-role", MucRole::from_name)?,
            diarize: reader.flag("diarize")?,
            capabilities: reader
                .strings("capabilities", MAX_CAPABILITIES, MAX_NAME_BYTES)?
                .into_iter()
                .map(Capability::from_name)
                .collect(),
            medias: reader.all("medias", MAX_MEDIAS)?,
            transport: reader.first("transport")?,
            sources: reader.first("sources")?,
            force_mute: reader.first("force-mute")?,
            initial_last_n: reader.first("initial-last-n")?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.as_str().into());
        json::insert_true(&mut object, "create", self.create);
        json::insert_true(&mut object, "expire", self.expire);
        json::insert_text(&mut object, "stats-id", self.stats_id.as_deref());
        json::insert_text(&mut object, "muc-role", self.muc_role.map(MucRole::as_str));
        if let Some(diarize) = self.diarize {
            object.insert("diarize".to_owned(), diarize.into());
        }
        if !self.capabilities.is_empty() {
            let names = self.capabilities.iter().map(Capability::as_str).collect();
            object.insert("capabilities".to_owned(), names);
        }
        json::insert_all(&mut object, "medias", &self.medias);
        json::insert_some(&mut object, "transport", self.transport.as_ref());
        json::insert_some(&mut object, "sources", self.sources.as_ref());
        json::insert_some(&mut object, "force-mute", self.force_mute.as_ref());
        json::insert_some(&mut object, "initial-last-n", self.initial_last_n.as_ref());
        object.into()
    }
}

impl XmlForm for ForceMute {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "force-mute");
        Ok(Self { audio: reader.is_true("audio"), video: reader.is_true("video") })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("force-mute", ns::COLIBRI2);
        xml::set_true(&mut element, "audio", self.audio);
        xml::set_true(&mut element, "video", self.video);
        element
    }
}

impl JsonForm for ForceMute {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "force-mute")?;
        Ok(Self { audio: reader.is_true("audio")?, video: reader.is_true("video")? })
    }

    fn to_json(&self) -> Value {
        json!({ "audio": self.audio, "video": self.video })
    }
}

impl XmlForm for InitialLastN {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let value = Reader::new(element, "initial-last-n").number("value")?;
        Ok(Self { value: value.ok_or(NO_LAST_N)? })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("initial-last-n", ns::COLIBRI2);
        xml::set(&mut element, "value", self.value);
        element
    }
}

impl JsonForm for InitialLastN {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let value = ObjectReader::new(value, "initial-last-n")?.number("value")?;
        Ok(Self { value: value.ok_or(NO_LAST_N)? })
    }

    fn to_json(&self) -> Value {
        json!({ "value": self.value })
    }
}

fn id_of(attributes: &impl Attributes) -> Result<EndpointId, ParseError> {
    let id = attributes.required("id")?;
    let (element, name, limit) = ("endpoint", "id", MAX_ENDPOINT_ID_LEN);
    EndpointId::new(&id).ok_or(ParseError::TooLong { element, name, limit })
}

const NO_LAST_N: ParseError = ParseError::Missing { element: "initial-last-n", name: "value" };
