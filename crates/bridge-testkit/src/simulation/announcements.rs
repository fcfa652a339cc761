//! What a client with SSRC rewriting was told that its SSRCs stand for, held against what came.

use super::violation::{ViolationKind, Violations};
use bridge_units::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The SSRCs of the bridge's choice as one client knows them.
#[derive(Clone, Debug, Default)]
pub struct SsrcAnnouncements {
    slots: BTreeMap<u32, Slot>,
    /// SSRCs of retransmissions, and the SSRC that each repairs.
    repairs: BTreeMap<u32, u32>,
    /// MIDs as packets had them, by SSRC.
    stamped: BTreeMap<u32, Option<String>>,
    /// Sources that came on an SSRC before the client was told, and since when.
    early: BTreeMap<(u32, u32), Timestamp>,
    longest_early: Duration,
    remaps: u64,
}

/// One SSRC.
#[derive(Clone, Debug)]
struct Slot {
    rtx: Option<u32>,
    mid: Option<String>,
    /// What it stood for, the newest at the end.
    sources: Vec<(Timestamp, u32)>,
}

/// One line of `AudioSourcesMap` or `VideoSourcesMap`.
#[derive(Clone, Debug)]
pub(crate) struct AnnouncedSource {
    pub(crate) ssrc: u32,
    pub(crate) rtx: Option<u32>,
    pub(crate) mid: Option<String>,
    /// The SSRC of the sender's first encoding.
    pub(crate) source: u32,
}

impl SsrcAnnouncements {
    /// Takes a whole message in.
    pub(crate) fn announce(
        &mut self,
        now: Timestamp,
        message: &[AnnouncedSource],
        violations: &mut Violations,
    ) {
        for line in message {
            self.announce_source(now, line, violations);
        }
        for line in message {
            let on = self.slots.values().filter(|slot| slot.source() == Some(line.source));
            if on.count() != 1 {
                violations.note(now, line.ssrc, ViolationKind::SeveralSsrcs);
            }
        }
    }

    /// A packet came: of `source`, as its content says.
    pub(crate) fn note(
        &mut self,
        now: Timestamp,
        ssrc: u32,
        source: u32,
        mid: Option<String>,
        violations: &mut Violations,
    ) {
        self.note_mid(now, ssrc, mid, violations);
        let slot = self.slots.get(&ssrc);
        let was_announced = slot.is_some_and(|slot| slot.stood_for(now, source));
        if !was_announced {
            self.early.entry((ssrc, source)).or_insert(now);
        }
    }

    /// A retransmission came; the SSRC that it repairs.
    pub(crate) fn repaired_by(
        &mut self,
        now: Timestamp,
        rtx: u32,
        mid: Option<String>,
        violations: &mut Violations,
    ) -> Option<u32> {
        let ssrc = self.repairs.get(&rtx).copied()?;
        self.note_mid(now, rtx, mid, violations);
        Some(ssrc)
    }

    /// What never was announced.
    pub(crate) fn unannounced(&self) -> impl Iterator<Item = (Timestamp, u32, u32)> {
        self.early.iter().map(|((ssrc, source), at)| (*at, *ssrc, *source))
    }

    /// The source that an SSRC stands for now, by the SSRC of its sender's first encoding.
    pub fn source(&self, ssrc: u32) -> Option<u32> {
        self.slots.get(&ssrc).and_then(Slot::source)
    }

    /// How many SSRCs were announced, with and without retransmissions: those of video and of audio.
    pub fn counts(&self) -> (usize, usize) {
        let video = self.slots.values().filter(|slot| slot.rtx.is_some()).count();
        (video, self.slots.len() - video)
    }

    /// How often an SSRC was announced for another source.
    pub const fn remaps(&self) -> u64 {
        self.remaps
    }

    /// The longest time that a source was received before the client knew which it was.
    pub const fn longest_early(&self) -> Duration {
        self.longest_early
    }

    fn announce_source(
        &mut self,
        now: Timestamp,
        line: &AnnouncedSource,
        violations: &mut Violations,
    ) {
        let AnnouncedSource { ssrc, rtx, ref mid, source } = *line;
        let slot = self.slots.entry(ssrc).or_insert_with(|| Slot {
            rtx,
            mid: mid.clone(),
            sources: Vec::new(),
        });
        if slot.rtx != rtx {
            violations.note(now, ssrc, ViolationKind::OtherRtxSsrc);
        }
        if slot.mid != *mid {
            violations.note(now, ssrc, ViolationKind::WrongMid);
        }
        self.remaps += u64::from(slot.source().is_some_and(|before| before != source));
        slot.sources.push((now, source));
        if let Some(since) = self.early.remove(&(ssrc, source)) {
            self.longest_early = self.longest_early.max(now.since(since));
        }
        if let Some(rtx) = rtx {
            self.repairs.insert(rtx, ssrc);
            self.early.remove(&(rtx, RETRANSMISSION));
        }
        for ssrc in [Some(ssrc), rtx].into_iter().flatten() {
            self.check_mid(now, ssrc, violations);
        }
    }

    fn note_mid(
        &mut self,
        now: Timestamp,
        ssrc: u32,
        mid: Option<String>,
        violations: &mut Violations,
    ) {
        if self
            .stamped
            .insert(ssrc, mid)
            .is_none_or(|before| Some(&before) != self.stamped.get(&ssrc))
        {
            self.check_mid(now, ssrc, violations);
        }
    }

    /// An announced SSRC has packets with the announced MID only.
    fn check_mid(&self, now: Timestamp, ssrc: u32, violations: &mut Violations) {
        let primary = self.repairs.get(&ssrc).copied().unwrap_or(ssrc);
        let (slot, stamped) = (self.slots.get(&primary), self.stamped.get(&ssrc));
        if slot.zip(stamped).is_some_and(|(slot, stamped)| slot.mid != *stamped) {
            violations.note(now, ssrc, ViolationKind::WrongMid);
        }
    }
}

impl Slot {
    fn source(&self) -> Option<u32> {
        self.sources.last().map(|(_, source)| *source)
    }

    /// Whether what comes `now` can be of this source: the last one, or the one before for as long as
    /// packets can be on their way.
    fn stood_for(&self, now: Timestamp, source: u32) -> bool {
        self.source() == Some(source)
            || self
                .sources
                .windows(2)
                .any(|pair| pair[0].1 == source && now.since(pair[1].0) < LATE)
    }
}

/// Stands for the source of a retransmission, which cannot be told before the announcement.
pub(crate) const RETRANSMISSION: u32 = 0;

/// How late a packet of the source before can be: held by the pacer, or sent again.
const LATE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ssrc: u32, source: u32, mid: &str) -> AnnouncedSource {
        AnnouncedSource { ssrc, rtx: Some(ssrc + 1), mid: Some(mid.into()), source }
    }

    #[test]
    fn what_was_not_announced_is_noticed() {
        let (mut known, mut broken) = (SsrcAnnouncements::default(), Violations::default());
        let at = Timestamp::from_millis;
        let mid = || Some("v0".to_owned());
        known.note(at(0), 10, 1, mid(), &mut broken);
        assert_eq!(known.unannounced().count(), 1);
        known.announce(at(30), &[line(10, 1, "v0")], &mut broken);
        assert_eq!(known.unannounced().count(), 0);
        assert_eq!(known.longest_early(), Duration::from_millis(30));
        known.announce(at(100), &[line(10, 2, "v0")], &mut broken);
        known.note(at(150), 10, 1, mid(), &mut broken);
        assert_eq!(known.unannounced().count(), 0, "on its way");
        known.note(at(2_000), 10, 1, mid(), &mut broken);
        assert_eq!(known.unannounced().count(), 1, "not any more");
        assert_eq!((known.remaps(), known.source(10)), (1, Some(2)));
        assert_eq!(known.repaired_by(at(2_000), 11, mid(), &mut broken), Some(10));
        assert_eq!(known.repaired_by(at(2_000), 12, mid(), &mut broken), None);
        assert_eq!(broken.list(), []);
        known.note(at(2_000), 10, 2, None, &mut broken);
        known.announce(at(2_000), &[line(20, 2, "v1")], &mut broken);
        let kinds: Vec<_> = broken.list().iter().map(|violation| violation.kind).collect();
        assert_eq!(kinds, [ViolationKind::WrongMid, ViolationKind::SeveralSsrcs]);
    }
}
