use serde_json::Value;

/// What a page said about its call: `window.demo.stats()`.
#[derive(Clone, Debug)]
pub struct Figures(pub Value);

impl Figures {
    /// The endpoint id of the page.
    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_default()
    }

    /// A number about what comes from `remote`; zero if nothing came yet.
    pub fn remote(&self, remote: &str, figure: &str) -> f64 {
        self.0["remotes"][remote][figure].as_f64().unwrap_or(0.0)
    }

    /// A number about what the page sends.
    pub fn own(&self, figure: &str) -> f64 {
        self.0["own"][figure].as_f64().unwrap_or(0.0)
    }

    /// A word about the transport, for example `dtlsVersion`.
    pub fn transport(&self, figure: &str) -> &str {
        self.0["transport"][figure].as_str().unwrap_or_default()
    }

    /// A number that counts for the whole page, for example `waves`.
    pub fn count(&self, figure: &str) -> u64 {
        self.0[figure].as_u64().unwrap_or(0)
    }

    /// Whether the bridge channel is open.
    pub fn has_channel(&self) -> bool {
        self.0["channelState"] == "open"
    }

    /// The ids of the others in the room.
    pub fn people(&self) -> Vec<String> {
        let people = self.0["people"].as_array();
        people.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    }

    /// When the first picture of anybody was decoded, in milliseconds since the epoch. Pages look
    /// every 20 ms until then.
    pub fn first_frame_at(&self) -> Option<f64> {
        self.0["firstFrameAt"].as_f64()
    }

    /// Whether pictures and sound of `others` other participants have arrived, and the channel is open.
    pub fn is_complete(&self, others: usize) -> bool {
        let people = self.people();
        let arrived = |id: &String| {
            self.remote(id, "framesDecoded") > 0.0 && self.remote(id, "audioEnergy") > 0.0
        };
        people.len() == others && people.iter().all(arrived) && self.has_channel()
    }
}
