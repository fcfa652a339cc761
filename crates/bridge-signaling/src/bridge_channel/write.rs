use serde_json::{Value, json};

use super::BridgeChannelMessage;

pub(super) fn message(message: &BridgeChannelMessage) -> Value {
    json!({ "colibriClass": message.colibri_class() })
}
