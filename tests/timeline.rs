use std::time::Duration;

use serde_json::Value;

/// What one page received from one participant over some time, looked at twenty times a second.
///
/// Times are those of the browser's clock, from the first look at.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    video: Vec<Value>,
    audio: Vec<Value>,
    begin: f64,
}

impl Timeline {
    /// Picks what concerns `owner` out of what `window.demo.recorded()` said.
    pub fn new(recorded: &Value, owner: &str) -> Self {
        let of_owner = recorded.as_array().into_iter().flatten().filter(|s| s["owner"] == owner);
        let (video, audio): (Vec<Value>, Vec<Value>) =
            of_owner.cloned().partition(|sample| sample["kind"] == "video");
        let begin = video.iter().chain(&audio).map(at).fold(f64::INFINITY, f64::min);
        Self { video, audio, begin }
    }

    /// The time from the first look to the last.
    pub fn length(&self) -> Duration {
        self.video.last().map_or(Duration::ZERO, |last| self.since_begin(last))
    }

    /// When the picture had `height` lines for good: from then to the end it had no other.
    pub fn settled_at(&self, height: u32) -> Option<Duration> {
        let wanted = |sample: &&Value| sample["height"].as_f64() == Some(f64::from(height));
        let settled = self.video.iter().rev().take_while(wanted).last()?;
        Some(self.since_begin(settled))
    }

    /// When the picture had `height` lines first.
    pub fn reached_at(&self, height: u32) -> Option<Duration> {
        let wanted = |sample: &&Value| sample["height"].as_f64() == Some(f64::from(height));
        self.video.iter().find(wanted).map(|sample| self.since_begin(sample))
    }

    /// The part from `from` on.
    #[must_use]
    pub fn after(&self, from: Duration) -> Self {
        let is_in = |sample: &&Value| self.since_begin(sample) >= from;
        let video: Vec<Value> = self.video.iter().filter(is_in).cloned().collect();
        let audio: Vec<Value> = self.audio.iter().filter(is_in).cloned().collect();
        let begin = video.iter().chain(&audio).map(at).fold(f64::INFINITY, f64::min);
        Self { video, audio, begin }
    }

    /// The longest time without a new decoded picture. Looks are 50 ms apart, which it may be too
    /// long by.
    pub fn longest_gap(&self) -> Duration {
        let mut longest = 0.0_f64;
        let mut decoded = f64::NAN;
        let mut since = self.begin;
        for sample in &self.video {
            let now = sample["decoded"].as_f64().unwrap_or(0.0);
            longest = longest.max(at(sample) - since);
            // False for the first one, which is compared with nothing.
            if now == decoded {
                continue;
            }
            (decoded, since) = (now, at(sample));
        }
        Duration::from_secs_f64(longest / 1_000.0)
    }

    /// The longest freeze, as the browser judges it; it counts a freeze when it is over.
    pub fn longest_freeze(&self) -> Duration {
        let frozen = |sample: &Value| sample["frozen"].as_f64().unwrap_or(0.0);
        let steps = self.video.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(frozen(after) - frozen(before)),
            _ => None,
        });
        Duration::from_secs_f64(steps.fold(0.0, f64::max))
    }

    /// By how much a figure of the picture has grown.
    pub fn video(&self, figure: &str) -> f64 {
        growth(&self.video, figure)
    }

    /// By how much a figure of the sound has grown.
    pub fn audio(&self, figure: &str) -> f64 {
        growth(&self.audio, figure)
    }

    /// The last value of a figure of the picture.
    pub fn last_video(&self, figure: &str) -> f64 {
        self.video.last().and_then(|sample| sample[figure].as_f64()).unwrap_or(0.0)
    }

    /// The codec of the last picture, for example `VP8`.
    pub fn codec(&self) -> &str {
        let codec = self.video.last().and_then(|sample| sample["codec"].as_str());
        codec.unwrap_or("video/none").trim_start_matches("video/")
    }

    /// Decoded pictures a second.
    pub fn frame_rate(&self) -> f64 {
        self.video("decoded") / self.length().as_secs_f64().max(0.001)
    }

    /// Video in kilobits a second.
    pub fn video_kbps(&self) -> f64 {
        self.video("bytes") * 8.0 / 1_000.0 / self.length().as_secs_f64().max(0.001)
    }

    /// The share of sound that was made up for what was missing, silence not counted.
    pub fn concealed_share(&self) -> f64 {
        let heard = self.audio("samples").max(1.0);
        (self.audio("concealed") - self.audio("silentConcealed")) / heard
    }

    /// The average time in the jitter buffer of the picture.
    pub fn buffer_delay(&self) -> Duration {
        let count = self.video("bufferCount").max(1.0);
        Duration::from_secs_f64((self.video("bufferDelay") / count).max(0.0))
    }

    /// The heights in their order, each with the time when it came.
    pub fn heights(&self) -> Vec<(Duration, u32)> {
        let mut heights: Vec<(Duration, u32)> = Vec::new();
        for sample in &self.video {
            let height = sample["height"].as_f64().unwrap_or(0.0) as u32;
            if heights.last().is_none_or(|(_, last)| *last != height) {
                heights.push((self.since_begin(sample), height));
            }
        }
        heights
    }

    fn since_begin(&self, sample: &Value) -> Duration {
        Duration::from_secs_f64(((at(sample) - self.begin) / 1_000.0).max(0.0))
    }
}

fn at(sample: &Value) -> f64 {
    sample["at"].as_f64().unwrap_or(0.0)
}

fn growth(samples: &[Value], figure: &str) -> f64 {
    let value = |sample: Option<&Value>| sample.and_then(|sample| sample[figure].as_f64());
    value(samples.last()).unwrap_or(0.0) - value(samples.first()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded(pictures: &[(f64, u32, u32)]) -> Value {
        let sample = |&(at, height, decoded): &(f64, u32, u32)| json!({ "owner": "ada", "kind": "video", "at": at, "height": height, "decoded": decoded });
        pictures.iter().map(sample).collect()
    }

    #[test]
    fn switches_and_gaps_are_found() {
        let looks = [
            (1_000.0, 720, 5),
            (1_050.0, 180, 6),
            (1_100.0, 720, 7),
            (1_400.0, 720, 7),
            (1_450.0, 180, 8),
            (1_500.0, 180, 9),
        ];
        let timeline = Timeline::new(&recorded(&looks), "ada");
        assert_eq!(timeline.reached_at(180), Some(Duration::from_millis(50)));
        assert_eq!(timeline.settled_at(180), Some(Duration::from_millis(450)));
        assert_eq!(timeline.settled_at(720), None);
        assert_eq!(timeline.longest_gap(), Duration::from_millis(350));
        assert_eq!(timeline.heights().len(), 4);
        assert_eq!(timeline.after(Duration::from_millis(400)).video("decoded"), 2.0);
        assert_eq!(Timeline::new(&recorded(&looks), "ben").length(), Duration::ZERO);
    }
}
