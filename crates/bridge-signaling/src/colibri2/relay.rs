use serde_json::{Map, Value};
use xmpp_parsers::minidom::Element;

use super::{Endpoint, Media, Sources, Transport};
use crate::attributes::Attributes;
use crate::json::{JsonForm, ObjectReader};
use crate::limits::{MAX_ENDPOINTS, MAX_MEDIAS};
use crate::xml::{Reader, XmlForm};
use crate::{ParseError, json, ns, xml};

/// A link to another bridge in the same conference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// The relay id of the other bridge; not empty.
    pub id: String,
    /// Whether the relay is to be created.
    pub create: bool,
    /// Whether the relay is to be expired (request) or was (answer). Wins over the rest.
    pub expire: bool,
    /// The mesh that the link belongs to. Only looked at on create.
    pub mesh_id: Option<String>,
    /// Codecs and header extensions of the link and all endpoints behind it.
    pub medias: Vec<Media>,
    /// Transport: required on create.
    pub transport: Option<Transport>,
    /// Remote endpoints reached through this relay (the content of the `endpoints` element).
    pub endpoints: Vec<Endpoint>,
    /// In the schema, used by nobody.
    pub sources: Option<Sources>,
}

impl Relay {
    /// A relay with an id and nothing else: the answer to an update.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// A relay that is to expire, or did.
    pub fn expired(id: impl Into<String>) -> Self {
        Self { expire: true, ..Self::new(id) }
    }
}

impl XmlForm for Relay {
    fn from_element(element: &Element) -> Result<Self, ParseError> {
        let reader = Reader::new(element, "relay");
        Ok(Self {
            id: reader.required("id")?,
            create: reader.is_true("create"),
            expire: reader.is_true("expire"),
            mesh_id: reader.text("mesh-id")?,
            medias: reader.all("media", ns::COLIBRI2, MAX_MEDIAS)?,
            transport: reader.first("transport", ns::COLIBRI2)?,
            endpoints: match element.get_child("endpoints", ns::COLIBRI2) {
                Some(endpoints) => Reader::new(endpoints, "endpoints").all(
                    "endpoint",
                    ns::COLIBRI2,
                    MAX_ENDPOINTS,
                )?,
                None => Vec::new(),
            },
            sources: reader.first("sources", ns::COLIBRI2)?,
        })
    }

    fn to_element(&self) -> Element {
        let mut element = Element::bare("relay", ns::COLIBRI2);
        xml::set(&mut element, "id", &self.id);
        xml::set_true(&mut element, "create", self.create);
        xml::set_true(&mut element, "expire", self.expire);
        xml::set_some(&mut element, "mesh-id", self.mesh_id.as_deref());
        xml::append_all(&mut element, &self.medias);
        xml::append_some(&mut element, self.transport.as_ref());
        if !self.endpoints.is_empty() {
            let mut endpoints = Element::bare("endpoints", ns::COLIBRI2);
            xml::append_all(&mut endpoints, &self.endpoints);
            element.append_child(endpoints);
        }
        xml::append_some(&mut element, self.sources.as_ref());
        element
    }
}

impl JsonForm for Relay {
    fn from_json(value: &Value) -> Result<Self, ParseError> {
        let reader = ObjectReader::new(value, "relay")?;
        Ok(Self {
            id: reader.required("id")?,
            create: reader.is_true("create")?,
            expire: reader.is_true("expire")?,
            mesh_id: reader.text("mesh-id")?,
            medias: reader.all("medias", MAX_MEDIAS)?,
            transport: reader.first("transport")?,
            endpoints: reader.all("endpoints", MAX_ENDPOINTS)?,
            sources: reader.first("sources")?,
        })
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), self.id.as_str().into());
        json::insert_true(&mut object, "create", self.create);
        json::insert_true(&mut object, "expire", self.expire);
        json::insert_text(&mut object, "mesh-id", self.mesh_id.as_deref());
        json::insert_all(&mut object, "medias", &self.medias);
        json::insert_some(&mut object, "transport", self.transport.as_ref());
        json::insert_all(&mut object, "endpoints", &self.endpoints);
        json::insert_some(&mut object, "sources", self.sources.as_ref());
        object.into()
    }
}
