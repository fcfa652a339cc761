//! The default estimator on links that change, in simulated time. Run with `--nocapture` for the
//! figures.

mod support;

use std::time::Duration;

use bridge_cc::{EstimatorConfig, EstimatorEngine};
use bridge_units::{Bitrate, Timestamp};
use support::{Link, Loss, Sample, Session, SessionConfig, Source};

const fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The top layer.
const FULL: Bitrate = kbps(2_000);

/// 180p, 360p and 720p with three temporal layers each.
fn layers() -> Source {
    let rates = [60, 100, 150, 220, 330, 500, 800, 1_200, 2_000];
    Source::Layers(rates.into_iter().map(kbps).collect())
}

fn session(engine: EstimatorEngine, source: Source, link: Link) -> Session {
    let estimator = EstimatorConfig { engine, ..EstimatorConfig::default() };
    Session::new(SessionConfig { estimator, source, link, has_audio: true, padding_len: 1_200 })
}

fn link(seed: u64, rate: Bitrate) -> Link {
    let mut link = Link::new(seed, rate, Duration::from_millis(40));
    link.jitter = Duration::from_millis(3);
    link
}

fn mean(samples: &[Sample], value: impl Fn(&Sample) -> Bitrate) -> Bitrate {
    let sum: u64 = samples.iter().map(|sample| value(sample).bps()).sum();
    Bitrate::from_bps(sum / samples.len() as u64)
}

fn utilisation(samples: &[Sample], capacity: Bitrate) -> f64 {
    mean(samples, |sample| sample.delivered).bps() as f64 / capacity.bps() as f64
}

/// From `since` until the first sample for which `is_there` holds.
fn time_until(
    samples: &[Sample],
    since: Timestamp,
    is_there: impl Fn(&Sample) -> bool,
) -> Duration {
    let found = samples.iter().find(|sample| sample.time > since && is_there(sample));
    found.map_or(Duration::MAX, |sample| sample.time - since)
}

fn max_backlog(samples: &[Sample]) -> Duration {
    samples.iter().map(|sample| sample.backlog).max().unwrap_or_default()
}

#[test]
fn a_falling_link_is_followed_and_its_return_is_found() {
    let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(1, kbps(3_000)));
    session.run(secs(30));
    let before = mean(session.last(secs(10)), |sample| sample.media_target);

    session.link.rate = kbps(300);
    let fell = session.now;
    session.run(secs(40));
    let reaction = time_until(&session.samples, fell, |sample| {
        sample.estimate.is_some_and(|estimate| estimate <= kbps(330))
    });
    let drained =
        time_until(&session.samples, fell + reaction, |s| s.backlog < Duration::from_millis(100));
    let low = session.last(secs(25)).to_vec();
    let low_media = mean(&low, |sample| sample.media_target);
    let low_use = utilisation(&low, kbps(300));

    session.link.rate = kbps(3_000);
    let rose = session.now;
    session.run(secs(40));
    let found = time_until(&session.samples, rose, |sample| sample.media_target == FULL);
    let after = mean(session.last(secs(15)), |sample| sample.media_target);
    println!(
        "3 Mbps: media {before:?}\n-> 300 kbps: estimate below 330 kbps after {reaction:?}, queue below \
         100 ms {drained:?} later, then media {low_media:?}, link used {low_use:.2}, longest queue \
         {:?}\n-> 3 Mbps: full media after {found:?}, then {after:?}; {} probe runs, {} bytes of padding",
        max_backlog(&low),
        session.probes,
        session.padding.bytes(),
    );
    assert!(before >= kbps(1_900), "{before:?}");
    assert!(reaction <= secs(2), "{reaction:?}");
    assert!(drained <= secs(3), "{drained:?}");
    assert!(low_media >= kbps(120), "{low_media:?}");
    assert!((0.7..=1.0).contains(&low_use), "{low_use}");
    assert!(found <= secs(15), "{found:?}");
    assert!(after >= kbps(1_900), "{after:?}");
}

#[test]
fn the_return_is_found_whenever_it_comes() {
    for low_secs in [7, 13, 29, 61] {
        let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(2, kbps(500)));
        session.run(secs(low_secs));
        session.link.rate = kbps(10_000);
        let rose = session.now;
        session.run(secs(20));
        let found = time_until(&session.samples, rose, |sample| sample.media_target == FULL);
        println!("500 kbps for {low_secs} s, then 10 Mbps: full media after {found:?}");
        assert!(found <= secs(15), "{found:?}");
    }
}

#[test]
fn burst_loss_does_not_starve_a_wide_link() {
    for seed in 1..=3 {
        let mut link = link(seed, kbps(5_000));
        link.loss = Loss::Burst { ratio: 0.05, mean_burst: 3.0 };
        let mut session = session(EstimatorEngine::GoogleCc2, layers(), link);
        session.run(secs(60));
        let media = mean(session.last(secs(40)), |sample| sample.media_target);
        let lost = session.link.lost;
        println!("5 Mbps, 5 % in bursts, seed {seed}: media {media:?}, {lost} packets lost");
        assert!(media >= kbps(800), "{media:?}");
        assert!(session.estimate() >= kbps(500));
    }
}

#[test]
fn heavy_loss_makes_room() {
    let mut link = link(4, kbps(20_000));
    link.loss = Loss::Random(0.3);
    let mut session = session(EstimatorEngine::GoogleCc2, layers(), link);
    session.run(secs(40));
    let media = mean(session.last(secs(10)), |sample| sample.media_target);
    println!("30 % loss: media {media:?}, estimate {:?}", session.estimate());
    assert!(media <= kbps(800), "{media:?}");
}

#[test]
fn a_steady_link_is_used_and_not_filled() {
    for rate in [500, 1_000, 2_000, 4_000] {
        let mut session = session(EstimatorEngine::GoogleCc2, Source::Greedy, link(5, kbps(rate)));
        session.run(secs(60));
        let last = session.last(secs(30));
        let used = utilisation(last, kbps(rate));
        let backlog = max_backlog(last);
        let mean_estimate = mean(last, |sample| sample.estimate.unwrap_or_default());
        println!("{rate} kbps: used {used:.2}, estimate {mean_estimate:?}, queue {backlog:?}");
        assert!((0.75..=1.01).contains(&used), "{used}");
        assert!(mean_estimate <= kbps(rate * 12 / 10), "{mean_estimate:?}");
    }
}

#[test]
fn both_estimators_find_four_megabits() {
    for engine in [EstimatorEngine::GoogleCc2, EstimatorEngine::GoogleCc] {
        let mut session = session(engine, Source::Greedy, link(6, kbps(4_000)));
        let begin = session.now;
        session.run(secs(120));
        let last = session.last(secs(10));
        let end = mean(last, |sample| sample.estimate.unwrap_or_default());
        let used = utilisation(last, kbps(4_000));
        let reached = time_until(&session.samples, begin, |sample| {
            sample.estimate.is_some_and(|estimate| estimate >= kbps(3_400))
        });
        let state = session.estimate();
        println!("{engine:?}: {end:?} (last {state:?}), reached after {reached:?}, used {used:.2}");
        assert!((kbps(3_333)..=kbps(4_800)).contains(&end), "{engine:?}: {end:?}");
    }
}

#[test]
fn initial_probes_find_a_wide_link_at_once() {
    let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(7, kbps(50_000)));
    session.run(secs(3));
    println!("50 Mbps: {:?} after 3 s, {} probe runs", session.estimate(), session.probes);
    assert!(session.estimate() >= kbps(6_000));
}

#[test]
fn silence_lowers_the_estimate() {
    let mut session =
        session(EstimatorEngine::GoogleCc2, Source::Fixed(kbps(500)), link(8, kbps(3_000)));
    session.run(secs(10));
    let before = session.estimate();
    session.link.loss = Loss::Random(1.1);
    session.run(secs(8));
    let after = session.estimate();
    println!("nothing heard for 8 s: {before:?} -> {after:?}");
    // Three seconds of grace, then a fifth less every second.
    assert!(after <= before.max(kbps(1)) && after.bps() <= before.bps() * 6 / 10, "{after:?}");
    session.run(secs(60));
    assert_eq!(session.estimate(), kbps(30));
}

#[test]
fn audio_does_not_wait_for_key_frames() {
    let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(9, kbps(600)));
    session.run(secs(60));
    let mut delays = session.audio_delays.split_off(session.audio_delays.len() / 2);
    delays.sort_unstable();
    let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("600 kbps: audio takes {median:?}, at most {worst:?}");
    assert!(median <= Duration::from_millis(80), "{median:?}");
    assert!(worst <= Duration::from_millis(400), "{worst:?}");
}

#[test]
fn a_narrow_link_is_found_at_the_start() {
    for rate in [200, 500, 1_000] {
        let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(11, kbps(rate)));
        let begin = session.now;
        session.run(secs(30));
        let settled = time_until(&session.samples, begin, |sample| {
            sample.estimate.is_some_and(|estimate| estimate <= kbps(rate * 11 / 10))
        });
        let dropped = session.link.dropped;
        session.run(secs(30));
        let late = session.link.dropped - dropped;
        let media = mean(session.last(secs(30)), |sample| sample.media_target);
        println!(
            "{rate} kbps from the start: settled after {settled:?}, {dropped} packets dropped in 30 s, \
             {late} in the next, media {media:?}"
        );
        assert!(settled <= secs(2), "{settled:?}");
        assert_eq!(late, 0);
        assert!(media >= kbps(rate * 4 / 10), "{media:?}");
    }
}

#[test]
fn jitter_and_distance_are_no_congestion() {
    for (jitter_millis, delay_millis) in [(15, 40), (30, 40), (3, 250)] {
        let mut link = link(12, kbps(8_000));
        link.jitter = Duration::from_millis(jitter_millis);
        link.delay = Duration::from_millis(delay_millis);
        let mut session = session(EstimatorEngine::GoogleCc2, layers(), link);
        session.run(secs(60));
        let media = mean(session.last(secs(30)), |sample| sample.media_target);
        println!("8 Mbps, {delay_millis} ms away, {jitter_millis} ms of jitter: media {media:?}");
        assert!(media >= kbps(1_800), "{media:?}");
    }
}

#[test]
fn a_stuttering_sender_does_not_make_the_link_slow() {
    let mut session = session(EstimatorEngine::GoogleCc2, layers(), link(13, kbps(3_000)));
    session.run(secs(20));
    session.link.rate = kbps(500);
    let mut lowest = Bitrate::from_kbps(u64::MAX / 1_000);
    for second in 0..30 {
        // An encoder that gets the processor for a third of the time.
        session.is_paused = true;
        session.run(Duration::from_millis(650));
        session.is_paused = false;
        session.run(Duration::from_millis(350));
        if second >= 2 {
            lowest = lowest.min(session.estimate());
        }
    }
    println!("500 kbps, media for a third of the time: estimate at least {lowest:?}");
    assert!(lowest >= kbps(250), "{lowest:?}");
    session.link.rate = kbps(10_000);
    session.run(secs(15));
    assert!(session.estimate() >= kbps(2_000), "{:?}", session.estimate());
}

#[test]
fn one_seed_one_result() {
    let run = || {
        let mut link = link(10, kbps(1_500));
        link.loss = Loss::Random(0.02);
        let mut session = session(EstimatorEngine::GoogleCc2, layers(), link);
        session.run(secs(10));
        (session.estimate(), session.link.delivered)
    };
    assert_eq!(run(), run());
}
