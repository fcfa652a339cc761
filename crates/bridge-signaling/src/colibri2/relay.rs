use super::{Endpoint, Media, Sources, Transport};

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
