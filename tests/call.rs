use std::sync::Arc;
use std::time::Duration;

use bridge_demo::ColibriHandler;
use bridge_testkit::{Chromium, ObservedBridge, Page, ScriptedFocus, TestkitError};

use crate::Figures;

/// Browsers in one conference.
pub struct Call {
    /// The windows, in the order in which they joined.
    pub pages: Vec<Page>,
    /// The focus that seats them.
    pub focus: ScriptedFocus,
    /// What it asked of the bridge.
    pub bridge: Arc<ObservedBridge>,
    /// Participants that are not windows.
    pub guests: usize,
    chromium: Chromium,
}

impl Call {
    /// Opens a window for each of `names` and waits until all see and hear all others.
    pub async fn start(
        bridge: Arc<dyn ColibriHandler>,
        names: &[&str],
    ) -> Result<Self, TestkitError> {
        let bridge = ObservedBridge::new(bridge);
        let observed: Arc<dyn ColibriHandler> = bridge.clone();
        let focus = ScriptedFocus::start(observed).await?;
        let chromium = Chromium::start().await?;
        let mut call = Self { pages: Vec::new(), focus, bridge, guests: 0, chromium };
        for name in names {
            call.add(name).await?;
        }
        call.wait_until_complete().await?;
        Ok(call)
    }

    /// Opens another window and waits until it is seated.
    pub async fn add(&mut self, name: &str) -> Result<(), TestkitError> {
        let page = self.chromium.open(&self.focus.page_url(ROOM, name, HEIGHT)).await?;
        let seated = |value: &serde_json::Value| value.is_string();
        let script = "return window.demo?.call?.id ?? null";
        page.wait_until("a seat", script, PATIENCE, seated).await?;
        self.pages.push(page);
        Ok(())
    }

    /// Waits until every page decodes pictures and sound of every other.
    pub async fn wait_until_complete(&self) -> Result<(), TestkitError> {
        let others = (self.pages.len() + self.guests).saturating_sub(1);
        for page in &self.pages {
            let complete = |value: &serde_json::Value| Figures(value.clone()).is_complete(others);
            page.wait_until("pictures and sound of all others", STATS, PATIENCE, complete).await?;
        }
        Ok(())
    }

    /// Waits until every page has a connection to the bridge.
    pub async fn wait_until_connected(&self) -> Result<(), TestkitError> {
        for page in &self.pages {
            let connected = |value: &serde_json::Value| value["connectionState"] == "connected";
            page.wait_until("a connection to the bridge", STATS, PATIENCE, connected).await?;
        }
        Ok(())
    }

    /// What each page says at this moment.
    pub async fn figures(&self) -> Result<Vec<Figures>, TestkitError> {
        let mut all = Vec::new();
        for page in &self.pages {
            all.push(Figures(page.evaluate(STATS).await?));
        }
        Ok(all)
    }

    /// Watches for `time` in steps of five seconds: in each, every page has to decode more pictures
    /// and to hear more sound of every other. Returns what was seen first and last.
    pub async fn watch(
        &self,
        time: Duration,
    ) -> Result<(Vec<Figures>, Vec<Figures>), TestkitError> {
        let first = self.figures().await?;
        let mut before = first.clone();
        for _ in 0..time.as_secs() / STEP.as_secs() {
            tokio::time::sleep(STEP).await;
            let after = self.figures().await?;
            assert_growth(&before, &after);
            before = after;
        }
        Ok((first, before))
    }

    /// The time from the request that created an endpoint to the first picture that its page
    /// decoded, of each page but the first, who had nobody to see.
    pub fn join_times(&self, figures: &[Figures]) -> Vec<Duration> {
        let join_time = |page: &Figures| {
            let asked_at = self.bridge.asked_at(page.id())?;
            let seen_at = Duration::from_secs_f64(page.first_frame_at()? / 1_000.0);
            Some(seen_at.saturating_sub(asked_at))
        };
        figures.iter().skip(1).filter_map(join_time).collect()
    }

    /// Closes the browser with all its windows.
    pub async fn end(self) -> Result<(), TestkitError> {
        self.chromium.quit().await
    }
}

/// Every page has decoded more of every other since `before`.
fn assert_growth(before: &[Figures], after: &[Figures]) {
    for (before, after) in before.iter().zip(after) {
        for remote in after.people() {
            for (figure, at_least) in [("framesDecoded", MIN_FRAMES), ("audioEnergy", 0.0)] {
                let (old, new) = (before.remote(&remote, figure), after.remote(&remote, figure));
                let id = after.id();
                assert!(
                    new - old > at_least,
                    "{id} <- {remote}: {figure} {old} -> {new}: {after:?}"
                );
            }
        }
        assert!(after.has_channel(), "the bridge channel of {} has closed", after.id());
    }
}

/// The room of every call.
pub const ROOM: &str = "standup";

const STATS: &str = "return window.demo ? await window.demo.stats() : null";

/// Small pictures: the browsers of a test share one machine, and codecs are not what is tested.
const HEIGHT: u16 = 360;

/// A loaded machine with a software encoder for each participant.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a call is looked at.
const STEP: Duration = Duration::from_secs(5);

/// Two a second: the encoders of a loaded machine skip frames, a frozen picture has none.
const MIN_FRAMES: f64 = 10.0;
