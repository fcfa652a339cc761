use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bridge_demo::ColibriHandler;
use bridge_testkit::{
    BridgeProcess, BridgeSettings, Chromium, Page, RelayedBridge, RestBridge, ScriptedFocus,
    TestkitError, UdpRelay,
};
use serde_json::{Value, json};

use crate::{Figures, ROOM, Timeline, say};

/// How a participant sends its picture: in three heights, in whichever way.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// What people call it.
    pub name: &'static str,
    /// The codec's name in descriptions.
    pub codec: &'static str,
    /// Lines of the picture; the lower ones have a half and a quarter of them.
    pub height: u16,
    /// Pictures a second.
    pub frame_rate: u32,
    query: &'static str,
}

/// One browser that sends a picture and a sound, and others that only receive, some of them over an
/// impaired link.
pub struct Broadcast {
    /// The bridge between them.
    pub bridge: BridgeProcess,
    /// The link of each participant that has one, by name.
    pub relays: HashMap<String, UdpRelay>,
    pages: HashMap<String, Page>,
    sender_id: String,
    _focus: ScriptedFocus,
    chromium: Chromium,
}

impl Sending {
    /// Three encodings of VP8.
    pub const VP8_SIMULCAST: Self = Self {
        name: "VP8 simulcast",
        codec: "VP8",
        height: HEIGHT,
        frame_rate: FRAME_RATE,
        query: "codec=VP8&simulcast=1",
    };
    /// Three encodings of H.264.
    pub const H264_SIMULCAST: Self = Self {
        name: "H.264 simulcast",
        codec: "H264",
        query: "codec=H264&simulcast=1",
        ..Self::VP8_SIMULCAST
    };
    /// Three spatial layers of VP9 that depend on each other in key pictures only.
    pub const VP9_SVC: Self = Self {
        name: "VP9 SVC L3T3_KEY",
        codec: "VP9",
        query: "codec=VP9&svc=L3T3_KEY",
        ..Self::VP8_SIMULCAST
    };
    /// Three spatial layers of AV1 that depend on each other in key pictures only.
    pub const AV1_SVC: Self = Self {
        name: "AV1 SVC L3T3_KEY",
        codec: "AV1",
        query: "codec=AV1&svc=L3T3_KEY",
        ..Self::VP8_SIMULCAST
    };

    /// The heights of its layers, from the lowest to the highest.
    pub fn heights(&self) -> [u32; 3] {
        [4, 2, 1].map(|part| u32::from(self.height) / part)
    }

    /// Where somebody called `name` joins `room` and sends in this way.
    pub fn page_url(&self, focus: &ScriptedFocus, room: &str, name: &str) -> String {
        let Self { height, frame_rate, query, .. } = self;
        let url = focus.page_url(room, name, *height);
        format!("{url}&media=moving&fps={frame_rate}&preview=0&{query}")
    }
}

impl Broadcast {
    /// Starts a bridge, the sender [`SENDER`] and `receivers`; those of them that are in `relayed`
    /// reach the bridge over a link of their own. Returns when everybody is connected.
    pub async fn start(
        sending: Sending,
        receivers: &[&str],
        relayed: &[&str],
    ) -> Result<Self, TestkitError> {
        let bridge = BridgeProcess::start(BridgeSettings::default()).await?;
        let mut handler = RelayedBridge::new(Arc::new(RestBridge::new(bridge.http())));
        let mut relays = HashMap::new();
        for &name in relayed {
            let relay = UdpRelay::start(bridge.udp()).await?;
            handler = handler.with_route(name, &relay);
            relays.insert(name.to_owned(), relay);
        }
        let handler: Arc<dyn ColibriHandler> = Arc::new(handler);
        let focus = ScriptedFocus::start(handler).await?;
        let chromium = Chromium::start().await?;
        let mut pages = HashMap::new();
        for &name in [SENDER].iter().chain(receivers) {
            let as_receiver = Sending { query: RECEIVING, ..sending };
            let page_of = if name == SENDER { sending } else { as_receiver };
            let url = page_of.page_url(&focus, ROOM, name);
            let page = chromium.open(&url).await?;
            let connected = |value: &Value| value["connectionState"] == "connected";
            page.wait_until("a connection to the bridge", STATS, PATIENCE, connected).await?;
            pages.insert(name.to_owned(), page);
        }
        let sender_id = Figures(pages[SENDER].evaluate(STATS).await?).id().to_owned();
        Ok(Self { bridge, relays, pages, sender_id, _focus: focus, chromium })
    }

    /// Asks the bridge, in the name of `receiver`, for the sender's picture in this height.
    pub async fn ask(&self, receiver: &str, height: u32) -> Result<(), TestkitError> {
        let source = format!("{}-v0", self.sender_id);
        let message = json!({
            "lastN": -1,
            "onStageSources": [source],
            "defaultConstraints": { "maxHeight": 0 },
            "constraints": { source: { "maxHeight": height } },
        });
        let script = format!("window.demo.setConstraints({message}); window.demo.recorded()");
        self.pages[receiver].evaluate(&script).await.map(drop)
    }

    /// Forgets what `receiver` got until now.
    pub async fn forget(&self, receiver: &str) -> Result<(), TestkitError> {
        self.pages[receiver].evaluate("window.demo.recorded()").await.map(drop)
    }

    /// What `receiver` got since it was asked last, or asked for another height.
    pub async fn timeline(&self, receiver: &str) -> Result<Timeline, TestkitError> {
        let recorded = self.pages[receiver].evaluate("return window.demo.recorded()").await?;
        Ok(Timeline::new(&recorded, &self.sender_id))
    }

    /// What the page of `name` says at this moment.
    pub async fn figures(&self, name: &str) -> Result<Figures, TestkitError> {
        self.pages[name].evaluate(STATS).await.map(Figures)
    }

    /// Waits until `receiver` decodes the sender's picture in this height.
    pub async fn wait_for_height(&self, receiver: &str, height: u32) -> Result<(), TestkitError> {
        let owner = self.sender_id.clone();
        let arrived = |value: &Value| {
            let figures = Figures(value.clone());
            figures.remote(&owner, "height") == f64::from(height)
                && figures.remote(&owner, "audioEnergy") > 0.0
        };
        let what = format!("a picture of {height} lines");
        let result = self.pages[receiver].wait_until(&what, STATS, PATIENCE, arrived).await;
        if result.is_err() {
            self.tell().await?;
        }
        result.map(drop)
    }

    /// Prints what the sender sends, and what everybody gets.
    pub async fn tell(&self) -> Result<(), TestkitError> {
        let sender = self.figures(SENDER).await?;
        let own = &sender.0["own"];
        say(format!(
            "    sends {} with {}, limited by {}, {} bit/s available",
            own["codec"], own["encoder"], own["limit"], sender.0["transport"]["availableOutgoing"],
        ));
        for encoding in own["encodings"].as_array().into_iter().flatten() {
            say(format!(
                "    encoding {}: {}x{} {} fps, {:.0} of {:.0} kbit/s, {}",
                encoding["ssrc"],
                encoding["width"],
                encoding["height"],
                encoding["frameRate"],
                encoding["bitrate"].as_f64().unwrap_or(0.0) / 1_000.0,
                encoding["targetBitrate"].as_f64().unwrap_or(0.0) / 1_000.0,
                encoding["scalabilityMode"],
            ));
        }
        for (name, page) in self.pages.iter().filter(|(name, _)| *name != SENDER) {
            let figures = Figures(page.evaluate(STATS).await?);
            let get = |figure| figures.remote(&self.sender_id, figure);
            say(format!(
                "    {name} gets {}x{} {} fps {:.0} kbit/s, forwarded {}, estimate {}",
                get("width"),
                get("height"),
                get("frameRate"),
                get("videoBitrate") / 1_000.0,
                figures.0["forwarded"],
                figures.0["estimatedDownlink"],
            ));
        }
        Ok(())
    }

    /// Closes the browser with all its windows.
    pub async fn end(self) -> Result<(), TestkitError> {
        self.chromium.quit().await
    }
}

/// Who sends.
pub const SENDER: &str = "Ada";

/// Receivers send sound: a participant that sends nothing at all is no participant.
const RECEIVING: &str = "record=1&send=audio";

const STATS: &str = "return window.demo ? await window.demo.stats() : null";

const HEIGHT: u16 = 720;

/// Half of a camera's: encoders and decoders of all participants share the cores of one machine.
const FRAME_RATE: u32 = 15;

/// A loaded machine; browsers begin at 300 kbit/s and find their bandwidth from there.
const PATIENCE: Duration = Duration::from_secs(60);
