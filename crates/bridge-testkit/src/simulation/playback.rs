use bridge_units::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// One picture that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownPicture {
    /// When it could be decoded.
    pub at: Timestamp,
    /// Pixels of its smaller side.
    pub height: u16,
    /// The temporal layer.
    pub temporal: u8,
    /// When it was captured, in 90 kHz ticks since the simulation's zero.
    pub capture: u32,
    /// The SSRC of the source's first encoding, as its sender has it.
    pub source: u32,
}

/// A time without a new picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Of the last picture before.
    pub from: Timestamp,
    /// How long it stood.
    pub duration: Duration,
}

/// The pictures that a receiver shows, and where it freezes: libwebrtc's rule for `freezeCount`.
#[derive(Clone, Debug, Default)]
pub struct Playback {
    shown: Vec<ShownPicture>,
    recent: VecDeque<Duration>,
    last: Option<Timestamp>,
    freezes: Vec<Freeze>,
}

impl Playback {
    /// Adds a picture.
    pub fn show(&mut self, picture: ShownPicture) {
        if let Some(last) = self.last.replace(picture.at) {
            let duration = picture.at.since(last);
            if self.recent.len() >= MIN_RECENT {
                let sum: Duration = self.recent.iter().sum();
                let mean = sum / self.recent.len() as u32;
                if duration > (mean * 3).max(mean + FREEZE_MARGIN) {
                    self.freezes.push(Freeze { from: last, duration });
                }
            }
            self.recent.push_back(duration);
            if self.recent.len() > MAX_RECENT {
                self.recent.pop_front();
            }
        }
        self.shown.push(picture);
    }

    /// The source is not sent on purpose: the time until the next picture is no freeze.
    pub fn pause(&mut self) {
        self.last = None;
        self.recent.clear();
    }

    /// All pictures.
    pub fn shown(&self) -> &[ShownPicture] {
        &self.shown
    }

    /// All freezes.
    pub fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    /// The height last shown before a time.
    pub fn height_at(&self, at: Timestamp) -> Option<u16> {
        let after = self.shown.partition_point(|picture| picture.at <= at);
        self.shown.get(after.checked_sub(1)?).map(|picture| picture.height)
    }

    /// When a picture of at least (or at most) a height was shown first after `from`.
    pub fn first(&self, from: Timestamp, wanted: impl Fn(u16) -> bool) -> Option<Timestamp> {
        let after = self.shown.iter().filter(|picture| picture.at >= from);
        after.into_iter().find(|picture| wanted(picture.height)).map(|picture| picture.at)
    }

    /// Pictures a second between two times.
    pub fn frame_rate(&self, from: Timestamp, to: Timestamp) -> f64 {
        let count = self.shown.iter().filter(|p| p.at >= from && p.at < to).count();
        count as f64 / to.since(from).as_secs_f64().max(1e-9)
    }

    /// The longest freeze that began between two times.
    pub fn longest_freeze(&self, from: Timestamp, to: Timestamp) -> Duration {
        let within = self.freezes.iter().filter(|f| f.from >= from && f.from < to);
        within.map(|freeze| freeze.duration).max().unwrap_or_default()
    }
}

const FREEZE_MARGIN: Duration = Duration::from_millis(150);
const MAX_RECENT: usize = 30;
/// An average of fewer tells nothing.
const MIN_RECENT: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn play(times: &[u64]) -> Playback {
        let mut playback = Playback::default();
        for at in times {
            playback.show(ShownPicture {
                at: Timestamp::from_millis(*at),
                height: 180,
                temporal: 0,
                capture: 0,
                source: 1,
            });
        }
        playback
    }

    #[test]
    fn a_gap_is_a_freeze_from_three_times_the_mean_and_150_ms_on() {
        let steady: Vec<u64> = (0..30).map(|n| n * 33).collect();
        let last = steady[29];
        let with = |gap: u64| play(&[steady.as_slice(), &[last + gap]].concat());
        assert!(with(33 + 150).freezes().is_empty());
        assert_eq!(with(33 + 151).freezes().len(), 1);
        let slow: Vec<u64> = (0..30).map(|n| n * 200).collect();
        let gap = |gap: u64| play(&[slow.as_slice(), &[29 * 200 + gap]].concat());
        assert!(gap(600).freezes().is_empty());
        assert_eq!(gap(601).freezes()[0].duration, Duration::from_millis(601));
    }
}
