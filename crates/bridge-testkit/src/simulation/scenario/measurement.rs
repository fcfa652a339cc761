//! What scenarios have in common: wishes of receivers, and curves of what they got.

use super::super::client::SimulatedClient;
use super::super::conference::SimulatedConference;
use super::super::link::{Link, SAMPLE_INTERVAL};
use super::super::report::{Chart, Curve, ScenarioReport};
use super::super::video_receiver::VideoReceiver;
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, ReceiverVideoConstraints, VideoConstraints,
};
use bridge_units::{Bitrate, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// A receiver's message: these sources on stage at a height, others as thumbnails.
pub(super) fn stage(sources: &[&str], height: i32, thumbnails: i32) -> BridgeChannelMessage {
    let on_stage: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let wanted = VideoConstraints::from_max_height(height);
    let constraints: BTreeMap<_, _> = on_stage.iter().map(|name| (name.clone(), wanted)).collect();
    BridgeChannelMessage::ReceiverVideoConstraints(ReceiverVideoConstraints {
        last_n: Some(-1),
        on_stage_sources: Some(on_stage),
        default_constraints: Some(VideoConstraints::from_max_height(thumbnails)),
        constraints: Some(constraints),
        ..ReceiverVideoConstraints::default()
    })
}

/// A receiver's message: the last so many speakers, all small.
pub(super) fn tiles(last_n: i32, height: i32) -> BridgeChannelMessage {
    BridgeChannelMessage::ReceiverVideoConstraints(ReceiverVideoConstraints {
        last_n: Some(last_n),
        default_constraints: Some(VideoConstraints::from_max_height(height)),
        ..ReceiverVideoConstraints::default()
    })
}

/// Time from `from` until a picture of at least `height` was shown.
pub(super) fn time_to_height(
    receiver: Option<&VideoReceiver>,
    from: Timestamp,
    height: u16,
) -> Option<Duration> {
    let at = receiver?.playback().first(from, |shown| shown >= height)?;
    Some(at.since(from))
}

/// Time from `from` until pictures were at most `height`.
pub(super) fn time_down_to_height(
    receiver: Option<&VideoReceiver>,
    from: Timestamp,
    height: u16,
) -> Option<Duration> {
    let at = receiver?.playback().first(from, |shown| shown <= height)?;
    Some(at.since(from))
}

/// The heights that were shown.
pub(super) fn height_curve(name: &str, receiver: &VideoReceiver, begin: Timestamp) -> Curve {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for picture in receiver.playback().shown() {
        let height = f64::from(picture.height);
        if points.last().is_none_or(|(_, last)| *last != height) {
            points.push((seconds(begin, picture.at), height));
        }
    }
    if let (Some(last), Some(picture)) =
        (points.last().copied(), receiver.playback().shown().last())
    {
        points.push((seconds(begin, picture.at), last.1));
    }
    Curve { name: name.to_owned(), points, is_stepped: true }
}

/// What left a link's bottleneck, and what that carries.
pub(super) fn link_chart(link: &Link, begin: Timestamp) -> Chart {
    let mut rate = Vec::new();
    let mut capacity = Vec::new();
    for (index, group) in link.samples().chunks(SAMPLES_PER_POINT).enumerate() {
        let bytes: u64 = group.iter().map(|sample| sample.bytes).sum();
        let time = SAMPLE_INTERVAL.as_secs_f64() * (index * SAMPLES_PER_POINT) as f64;
        let length = SAMPLE_INTERVAL.as_secs_f64() * group.len() as f64;
        rate.push((time, bytes as f64 * 8.0 / length / 1_000.0));
        let at = begin + Duration::from_secs_f64(time);
        capacity.extend(link.rate(at).map(|carried| (time, carried.kbps() as f64)));
    }
    let mut curves = vec![Curve { name: "carried".into(), points: rate, is_stepped: true }];
    if !capacity.is_empty() {
        curves.push(Curve { name: "capacity".into(), points: capacity, is_stepped: true });
    }
    Chart { title: "the receiver's link".into(), unit: "kbps", curves }
}

/// How long datagrams waited at a link's bottleneck.
pub(super) fn queue_chart(link: &Link) -> Chart {
    let point = |(index, sample): (usize, &super::super::link::LinkSample)| {
        (SAMPLE_INTERVAL.as_secs_f64() * index as f64, sample.queue.as_secs_f64() * 1_000.0)
    };
    let points = link.samples().iter().enumerate().map(point).collect();
    let curve = Curve { name: "wait".into(), points, is_stepped: false };
    Chart { title: "queue of the receiver's link".into(), unit: "ms", curves: vec![curve] }
}

/// What the bridge believed a client's link to take.
pub(super) fn estimate_curve(
    conference: &SimulatedConference,
    client: usize,
    begin: Timestamp,
) -> Curve {
    let estimates = conference.estimates(client);
    let point = |(at, rate): &(Timestamp, Bitrate)| (seconds(begin, *at), rate.kbps() as f64);
    let points = estimates.iter().filter(|(at, _)| *at >= begin).map(point).collect();
    Curve { name: "estimate".into(), points, is_stepped: true }
}

/// The share of a link's capacity that was used between two times of the scenario.
pub(super) fn utilisation(link: &Link, begin: Timestamp, from: Duration, to: Duration) -> f64 {
    let index = |time: Duration| (time.as_millis() / SAMPLE_INTERVAL.as_millis()) as usize;
    let end = index(to).min(link.samples().len());
    let samples = link.samples().get(index(from)..end).unwrap_or_default();
    let bytes: u64 = samples.iter().map(|sample| sample.bytes).sum();
    let capacity = link.rate(begin + from).map_or(f64::INFINITY, |rate| rate.bps() as f64);
    bytes as f64 * 8.0 / (capacity * (to - from).as_secs_f64()) * 100.0
}

/// The longest time, from `from` on, that datagrams waited at a link's bottleneck.
pub(super) fn longest_queue(link: &Link, from: Duration, to: Duration) -> Duration {
    let index = |time: Duration| (time.as_millis() / SAMPLE_INTERVAL.as_millis()) as usize;
    let end = index(to).min(link.samples().len());
    let samples = link.samples().get(index(from)..end).unwrap_or_default();
    samples.iter().map(|sample| sample.queue).max().unwrap_or_default()
}

/// Figures that every scenario tells of a receiver, and what it saw that it should not have.
pub(super) fn tell_receiver(
    report: &mut ScenarioReport,
    conference: &SimulatedConference,
    index: usize,
) {
    let client = conference.client(index);
    let mut totals = super::super::video_receiver::VideoReceiverCounters::default();
    let mut freezes = 0;
    let mut frozen = Duration::ZERO;
    for receiver in client.receivers() {
        let counters = receiver.counters();
        totals.recovered += counters.recovered;
        totals.nacked += counters.nacked;
        totals.key_frame_requests += counters.key_frame_requests;
        totals.switches += counters.switches;
        totals.padding += counters.padding;
        freezes += receiver.playback().freezes().len();
        frozen += receiver.playback().freezes().iter().map(|freeze| freeze.duration).sum();
    }
    report.tell("freezes", freezes as f64, "");
    report.tell("time frozen", frozen.as_secs_f64() * 1_000.0, "ms");
    report.tell("numbers asked for by NACK", totals.nacked as f64, "");
    report.tell("packets recovered", totals.recovered as f64, "");
    report.tell("key frames asked for by the receiver", totals.key_frame_requests as f64, "");
    report.tell("switches of encoding", totals.switches as f64, "");
    report.tell("probing packets", (totals.padding + client.probe_packets()) as f64, "");
    tell_violations(report, conference, index);
}

/// What a receiver saw that it should not have.
pub(super) fn tell_violations(
    report: &mut ScenarioReport,
    conference: &SimulatedConference,
    index: usize,
) {
    let violations = conference.violations(index);
    let id = conference.client(index).id();
    for violation in violations.list().iter().take(MAX_TOLD) {
        report.violations.push(format!("{id}: {violation:?}"));
    }
    let more = violations.count().saturating_sub(MAX_TOLD as u64);
    if more > 0 {
        report.violations.push(format!("{id}: and {more} more"));
    }
}

/// Key frames that senders were asked for in all.
pub(super) fn key_frame_requests(clients: &[SimulatedClient]) -> u64 {
    let videos = clients.iter().flat_map(SimulatedClient::videos);
    videos.map(|video| video.counters().key_frame_requests).sum()
}

pub(super) fn seconds(begin: Timestamp, at: Timestamp) -> f64 {
    at.since(begin).as_secs_f64()
}

const SAMPLES_PER_POINT: usize = 5;
const MAX_TOLD: usize = 5;
