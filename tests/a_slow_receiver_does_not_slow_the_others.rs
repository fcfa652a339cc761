//! A receiver behind 500 kbit/s keeps a smooth small picture and sound without gaps, while another
//! keeps 720 lines; when the limit goes, it finds 720 lines again within a quarter of a minute.

use std::time::Duration;

use bridge_testkit::TestkitError;
use bridge_testkit::simulation::{LinkSettings, RateProfile};
use bridge_tests::{Broadcast, Sending, Timeline, say};
use bridge_units::Bitrate;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn beside_a_slow_one_with_vp8_simulcast() -> Result<(), TestkitError> {
    slow_and_fast(Sending::VP8_SIMULCAST).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn beside_a_slow_one_with_vp9_svc() -> Result<(), TestkitError> {
    slow_and_fast(Sending::VP9_SVC).await
}

async fn slow_and_fast(sending: Sending) -> Result<(), TestkitError> {
    let call = Broadcast::start(sending, &[FAST, SLOW], &[SLOW]).await?;
    let relay = &call.relays[SLOW];
    relay.set_down(LinkSettings::ideal());
    for receiver in [FAST, SLOW] {
        call.ask(receiver, 720).await?;
    }
    for receiver in [FAST, SLOW] {
        call.wait_for_height(receiver, 720).await?;
    }
    tokio::time::sleep(SETTLING).await;
    call.tell().await?;

    let limit = RateProfile::constant(Bitrate::from_kbps(500));
    relay.set_down(LinkSettings::ideal().with_rate(limit));
    for receiver in [FAST, SLOW] {
        call.forget(receiver).await?;
    }
    tokio::time::sleep(LIMITED).await;
    let (slow, fast) = (call.timeline(SLOW).await?, call.timeline(FAST).await?);
    let dropped = relay.down().overflowed;
    call.tell().await?;
    relay.set_down(LinkSettings::ideal());
    call.forget(SLOW).await?;
    tokio::time::sleep(RECOVERY).await;
    let freed = call.timeline(SLOW).await?;
    call.tell().await?;

    let adapted = slow.after(ADAPTATION);
    say(format!("--- {}", sending.name));
    tell("slow, while it adapts", &slow);
    tell("slow, adapted", &adapted);
    tell("fast meanwhile", &fast);
    tell("slow, freed", &freed);
    say(format!("{dropped} datagrams dropped by the link; heights {:?}", slow.heights()));
    say(format!("720 lines again after {:?}, {:?}", freed.settled_at(720), freed.heights()));

    assert!(adapted.last_video("height") <= 360.0, "{:?}", slow.heights());
    assert_smooth("slow", &adapted);
    assert!(fast.heights().iter().all(|(_, height)| *height == 720), "{:?}", fast.heights());
    assert_smooth("fast", &fast);
    let found = freed.reached_at(720);
    assert!(found.is_some_and(|time| time <= RECOVERY), "{:?}", freed.heights());
    call.end().await
}

fn assert_smooth(who: &str, timeline: &Timeline) {
    let gap = timeline.longest_gap();
    assert!(gap <= MAX_GAP, "{who}: no picture for {gap:?}");
    assert!(timeline.frame_rate() >= MIN_FRAME_RATE, "{who}: {} fps", timeline.frame_rate());
    let concealed = timeline.concealed_share();
    assert!(concealed <= MAX_CONCEALED, "{who}: {concealed} of the sound was concealed");
}

fn tell(who: &str, timeline: &Timeline) {
    say(format!(
        "| {who} | {} lines | {:.1} fps | {:.0} kbit/s | longest gap {} ms | freezes {} ({:.0} ms) | \
         {} lost | sound: {:.2} % concealed in {} bursts, {} lost |",
        timeline.last_video("height"),
        timeline.frame_rate(),
        timeline.video_kbps(),
        timeline.longest_gap().as_millis(),
        timeline.video("freezes"),
        timeline.video("frozen") * 1_000.0,
        timeline.video("lost"),
        timeline.concealed_share() * 100.0,
        timeline.audio("concealmentEvents"),
        timeline.audio("lost"),
    ));
}

const SLOW: &str = "Ben";

const FAST: &str = "Cleo";

const SETTLING: Duration = Duration::from_secs(8);

const LIMITED: Duration = Duration::from_secs(25);

/// A link that has suddenly a quarter of what it carries loses something, whoever sends.
const ADAPTATION: Duration = Duration::from_secs(8);

const RECOVERY: Duration = Duration::from_secs(15);

/// Half a second is where people begin to see it.
const MAX_GAP: Duration = Duration::from_millis(500);

/// Half of what is sent: lower layers may have half the pictures.
const MIN_FRAME_RATE: f64 = 7.0;

/// One in a hundred; a machine that encodes for everybody delays sound by itself.
const MAX_CONCEALED: f64 = 0.01;
