use serde_json::{Map, Value};

/// Application data between endpoints. The bridge reads the address and passes the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointMessage {
    /// The endpoint it is for; blank for all.
    pub to: String,
    /// The endpoint it is from. Bridges overwrite what clients say.
    pub from: Option<String>,
    /// Every other member as it came; clients use `msgPayload`.
    pub other: Map<String, Value>,
}

impl EndpointMessage {
    /// Whether it is for everybody.
    pub fn is_broadcast(&self) -> bool {
        self.to.trim().is_empty()
    }
}

/// A client's statistics for the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointStats {
    /// The endpoint it is from. Bridges overwrite what clients say.
    pub from: Option<String>,
    /// Every other member as it came.
    pub other: Map<String, Value>,
}
