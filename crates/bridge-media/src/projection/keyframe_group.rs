use std::time::Duration;

use bridge_units::Timestamp;

/// A sender answers a request with key frames of all encodings; those that arrive within this time
/// belong together.
const GROUP_TIME: Duration = Duration::from_millis(300);

/// Which encoding is forwarded: common part of JVB's quality filters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyframeGroup {
    pub(super) target: Option<u8>,
    pub(super) needs_keyframe: bool,
    begun: Option<Timestamp>,
}

/// What to do with a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyframeVerdict {
    /// Forward it; if its encoding is not the current one, it becomes it.
    Forward,
    /// Forward it and go down to it.
    Down,
    /// It is above the target, or worse than what the group has brought.
    Refuse,
}

impl KeyframeGroup {
    /// Whether the key frames of the last group have all come.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.begun.is_none_or(|begun| now - begun > GROUP_TIME)
    }

    /// Whether `encoding` is nearer to the target than the current one.
    pub(super) fn is_nearer(&self, encoding: u8, current: u8) -> bool {
        let Some(target) = self.target else { return false };
        (encoding > current && current < target) || (encoding < current && current > target)
    }

    /// Decides on a key frame of `encoding`. The first one of a group is taken even far below the
    /// target; later ones only if they are nearer.
    pub(super) fn keyframe(
        &mut self,
        encoding: u8,
        current: Option<u8>,
        now: Timestamp,
    ) -> KeyframeVerdict {
        self.needs_keyframe = false;
        let wanted = self.target.is_some_and(|target| encoding <= target);
        if self.is_over(now) {
            self.begun = Some(now);
            return if wanted { KeyframeVerdict::Forward } else { KeyframeVerdict::Refuse };
        }
        match current {
            _ if !wanted => KeyframeVerdict::Refuse,
            None => KeyframeVerdict::Forward,
            Some(current) if current <= encoding => KeyframeVerdict::Forward,
            Some(current) if self.target.is_some_and(|target| target < current) => {
                KeyframeVerdict::Down
            }
            Some(_) => KeyframeVerdict::Refuse,
        }
    }
}
