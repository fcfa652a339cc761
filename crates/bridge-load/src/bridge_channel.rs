//! What an endpoint says on its bridge channel: which video it wants. Bridges forward none before.

use serde_json::json;

use crate::arguments::Arguments;

/// The first and only message of every endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VideoWish {
    last_n: i32,
    max_height: u32,
}

impl VideoWish {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        // One sender is never too many.
        let last_n = arguments.last_n.unwrap_or(UNLIMITED);
        Self { last_n, max_height: arguments.max_height }
    }

    /// `ReceiverVideoConstraints`, as lib-jitsi-meet sends it.
    pub(crate) fn message(self) -> String {
        json!({
            "colibriClass": "ReceiverVideoConstraints",
            "lastN": self.last_n,
            "selectedSources": [],
            "onStageSources": [],
            "defaultConstraints": { "maxHeight": self.max_height },
            "constraints": {},
        })
        .to_string()
    }
}

/// As browsers with lib-jitsi-meet name the channel.
pub(crate) const CHANNEL_LABEL: &str = "JVB data channel";
pub(crate) const CHANNEL_PROTOCOL: &str = "http://jitsi.org/protocols/colibri";
const UNLIMITED: i32 = -1;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_wish_is_what_the_command_line_says() {
        let bridge = "http://127.0.0.1:1".parse().unwrap();
        let arguments = Arguments::new(bridge, Scenario::Meeting);
        let said = |arguments: &Arguments| -> Value {
            serde_json::from_str(&VideoWish::new(arguments).message()).unwrap()
        };
        let message = said(&arguments);
        assert_eq!(message["colibriClass"], "ReceiverVideoConstraints");
        assert_eq!(message["lastN"], -1);
        assert_eq!(message["defaultConstraints"], json!({ "maxHeight": 720 }));
        let message = said(&Arguments { last_n: Some(5), max_height: 180, ..arguments });
        assert_eq!(
            (&message["lastN"], &message["defaultConstraints"]["maxHeight"]),
            (&json!(5), &json!(180))
        );
    }
}
