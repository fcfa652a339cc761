//! What the control plane is told of a receiver, and when the receiver's engines want to run.

use super::{Downlink, Outlet};
use crate::stored_packets::StoredPackets;
use bridge_cc::EstimateSource;
use bridge_media::{BitrateWindow, MappedSource};
use bridge_units::{Bitrate, DataSize, MediaType, Timestamp};
use std::time::Duration;

/// After this long without anything sent nothing is estimated or probed, so that silence costs nothing.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// How much the estimate has to change to be told, in percent; allocation has a coarser threshold of
/// its own.
const ESTIMATE_CHANGE_PERCENT: u64 = 2;

/// How much the round-trip time has to change to be told.
const ROUND_TRIP_CHANGE: Duration = Duration::from_millis(5);

/// Something to tell the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DownlinkNews {
    /// SSRCs stand for other sources.
    Mapped(MediaType, Vec<MappedSource>),
    Estimate(Option<Bitrate>),
    FirstVideoSent,
    RoundTrip(Duration),
}

/// What was told last, and what is measured for it.
#[derive(Default)]
pub(super) struct Told {
    estimate: Option<Bitrate>,
    round_trip: Option<Duration>,
    first_video: FirstVideo,
    audio: BitrateWindow,
    /// The rate of that a moment ago.
    audio_rate: Bitrate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FirstVideo {
    #[default]
    Awaited,
    Sent,
    Told,
}

impl Told {
    pub(super) fn note_video(&mut self) {
        if self.first_video == FirstVideo::Awaited {
            self.first_video = FirstVideo::Sent;
        }
    }

    pub(super) fn note_audio(&mut self, now: Timestamp, size: DataSize) {
        self.audio.add(now, size);
    }

    pub(super) fn audio_rate(&self, now: Timestamp) -> Bitrate {
        self.audio.rate(now)
    }
}

impl Downlink {
    /// Serves what is due: the estimator's tick, probes, padding and what the pacer holds.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        if self.is_idle(now) && self.pacer.is_empty() {
            return;
        }
        if self.estimator.poll_timeout() <= now {
            self.told.audio_rate = self.told.audio_rate(now);
            let demand = self.program.ideal_bitrate.plus(self.told.audio_rate);
            self.estimator.set_demand(demand);
            self.estimator.handle_timeout(now);
            self.pace(now);
        }
        self.send_paced(now, stored, outlet);
        self.send_padding(now, stored, outlet);
    }

    /// After a batch was distributed: media starts probes.
    pub(crate) fn end_batch(
        &mut self,
        now: Timestamp,
        stored: &StoredPackets,
        outlet: &mut Outlet<'_>,
    ) {
        if self.extensions.transport_cc.is_some() {
            self.send_probes(now, stored, outlet);
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self, now: Timestamp) -> Timestamp {
        let paced = self.pacer.poll_timeout();
        if self.source != EstimateSource::TransportFeedback || self.is_idle(now) {
            return paced;
        }
        let wants_padding = self.program.ideal_bitrate > self.program.target_bitrate;
        let padding =
            if wants_padding { self.padding.poll_timeout() } else { Timestamp::FAR_FUTURE };
        paced.min(padding).min(self.estimator.poll_timeout())
    }

    /// What changed since it was told last; to be called until there is nothing.
    pub(crate) fn poll_news(&mut self) -> Option<DownlinkNews> {
        if self.told.first_video == FirstVideo::Sent {
            self.told.first_video = FirstVideo::Told;
            return Some(DownlinkNews::FirstVideoSent);
        }
        if let Some((media, mapped)) = self.rewriting.as_mut().and_then(|r| r.poll_mapped()) {
            return Some(DownlinkNews::Mapped(media, mapped));
        }
        let estimate = self.estimate_for_video();
        if differs(estimate, self.told.estimate) {
            self.told.estimate = estimate;
            return Some(DownlinkNews::Estimate(estimate));
        }
        let round_trip = self.round_trips.last()?;
        let before = self.told.round_trip;
        if before.is_none_or(|before| before.abs_diff(round_trip) >= ROUND_TRIP_CHANGE) {
            self.told.round_trip = Some(round_trip);
            return Some(DownlinkNews::RoundTrip(round_trip));
        }
        None
    }

    /// Whether sending a batch may have made news.
    pub(crate) fn has_news(&self) -> bool {
        self.told.first_video == FirstVideo::Sent || self.rewriting.is_some()
    }

    /// The round-trip time to the receiver.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trips.last()
    }

    /// Differs from JVB, which gives video all that is estimated: here audio has transport-wide numbers
    /// too, so that it is in the estimate, and a narrow link has not room for both.
    fn estimate_for_video(&self) -> Option<Bitrate> {
        let estimate = self.estimator.estimate()?;
        if self.source != EstimateSource::TransportFeedback {
            return Some(estimate);
        }
        Some(estimate.minus(self.told.audio_rate))
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now - self.last_sent > IDLE_AFTER
    }
}

fn differs(new: Option<Bitrate>, old: Option<Bitrate>) -> bool {
    match (new, old) {
        (Some(new), Some(old)) => {
            new.bps().abs_diff(old.bps()) * 100 > old.bps() * ESTIMATE_CHANGE_PERCENT
        }
        (new, old) => new.is_some() != old.is_some(),
    }
}
