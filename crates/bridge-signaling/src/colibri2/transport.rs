use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use crate::ice_udp::IceUdpTransport;
use crate::json::{JsonForm, ObjectReader};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// The transport of an endpoint or relay (the outer element).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Whether the bridge takes the controlling ICE role. Only on create.
    pub ice_controlling: bool,
    /// Whether a dedicated UDP port is wanted. Only on create of a relay.
    pub use_unique_port: bool,
    /// Whether an ICE restart is asked for. Only on update of an endpoint.
    pub ice_restart: bool,
    /// ICE and DTLS (the inner element).
    pub ice: Option<IceUdpTransport>,
    /// SCTP: wanted (request) or set up (answer).
    pub sctp: Option<Sctp>,
}

/// SCTP for data channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// In a request the role that the addressed bridge shall take; in an answer the role of the
    /// bridge (endpoints) or of the other side (relays).
    pub role: Option<SctpRole>,
    /// The SCTP port.
    pub port: Option<u16>,
}

/// Who opens the SCTP association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SctpRole {
    /// Opens it.
    Client,
    /// Waits for it.
    Server,
}

impl SctpRole {
    /// The name in XML. JSON has it in upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Reads the name in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Client, Self::Server]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(name))
    }

    /// The role of the other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl XmlForm for Transport {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "transport");
        Ok(Self {
            ice_controlling: reader.is_true("ice-controlling"),
            use_unique_port: reader.is_true("use-unique-port"),
            ice_restart: reader.is_true("ice-restart"),
            ice: reader.first("transport", ns::ICE_UDP)?,
            sctp: reader.first("sctp", ns::COLIBRI2)?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("transport", ns::COLIBRI2);
        xml::set_true(&mut element, "ice-controlling", self.ice_controlling);
        xml::set_true(&mut element, "use-unique-port", self.use_unique_port);
        xml::set_true(&mut element, "ice-restart", self.ice_restart);
        xml::append_some(&mut element, self.ice.as_ref());
        xml::append_some(&mut element, self.sctp.as_ref());
        element
    }
}

impl JsonForm for Transport {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "transport")?;
        // An inner transport of another kind is not there at all.
        let ice = reader.member("transport").filter(|ice| {
            !ice.is_object() || ice.get("xmlns").and_then(Value::as_str) == Some(ns::ICE_UDP)
        });
        Ok(Self {
            ice_controlling: reader.is_true("ice-controlling")?,
            use_unique_port: reader.is_true("use-unique-port")?,
            ice_restart: reader.is_true("ice-restart")?,
            ice: ice.map(IceUdpTransport::from_json).transpose()?,
            sctp: reader.first("sctp")?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        json::insert_true(&mut object, "ice-controlling", self.ice_controlling);
        json::insert_true(&mut object, "use-unique-port", self.use_unique_port);
        json::insert_true(&mut object, "ice-restart", self.ice_restart);
        json::insert_some(&mut object, "transport", self.ice.as_ref());
        json::insert_some(&mut object, "sctp", self.sctp.as_ref());
        object.into()
    }
}

impl XmlForm for Sctp {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "sctp");
        Ok(Self { role: reader.named("role", SctpRole::from_name)?, port: reader.number("port")? })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("sctp", ns::COLIBRI2);
        xml::set(&mut element, "port", self.port);
        xml::set_some(&mut element, "role", self.role.map(SctpRole::as_str));
        element
    }
}

impl JsonForm for Sctp {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "sctp")?;
        Ok(Self { role: reader.named("role", SctpRole::from_name)?, port: reader.number("port")? })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        if let Some(port) = self.port {
            object.insert("port".to_owned(), port.into());
        }
        if let Some(role) = self.role {
            object.insert("role".to_owned(), role.as_str().to_ascii_uppercase().into());
        }
        object.into()
    }
}
