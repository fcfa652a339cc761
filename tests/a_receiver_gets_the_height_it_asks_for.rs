//! A receiver that asks for the lowest of three heights (180 of 720 lines) gets it within two seconds,
//! and the highest again within three, without a freeze of more than half a second; with each codec
//! of Chromium.

use std::time::Duration;

use bridge_testkit::TestkitError;
use bridge_tests::{Broadcast, Sending, Timeline, say};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_vp8_simulcast() -> Result<(), TestkitError> {
    heights_are_followed(Sending::VP8_SIMULCAST).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_h264_simulcast() -> Result<(), TestkitError> {
    heights_are_followed(Sending::H264_SIMULCAST).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_vp9_svc() -> Result<(), TestkitError> {
    heights_are_followed(Sending::VP9_SVC).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_av1_svc() -> Result<(), TestkitError> {
    heights_are_followed(Sending::AV1_SVC).await
}

async fn heights_are_followed(sending: Sending) -> Result<(), TestkitError> {
    let call = Broadcast::start(sending, &[RECEIVER], &[]).await?;
    let [low, _, high] = sending.heights();
    call.ask(RECEIVER, high).await?;
    call.wait_for_height(RECEIVER, high).await?;
    tokio::time::sleep(SETTLING).await;
    call.tell().await?;
    let mut switches = Vec::new();
    for height in [low, high, low, high] {
        call.ask(RECEIVER, height).await?;
        tokio::time::sleep(WATCH).await;
        switches.push((height, call.timeline(RECEIVER).await?));
    }
    call.tell().await?;
    for (height, timeline) in &switches {
        tell(sending, *height, timeline);
    }
    for (height, timeline) in &switches {
        assert_eq!(timeline.codec(), sending.codec);
        let within = if *height == low { WITHIN_DOWN } else { WITHIN_UP };
        let settled = timeline.settled_at(*height);
        let heights = timeline.heights();
        assert!(settled.is_some_and(|time| time <= within), "{height}: {settled:?} {heights:?}");
        let gap = timeline.longest_gap();
        assert!(gap <= MAX_FREEZE, "to {height}: no picture for {gap:?}");
        let frozen = timeline.longest_freeze();
        assert!(frozen <= MAX_FREEZE, "to {height}: frozen for {frozen:?}");
    }
    call.end().await
}

fn tell(sending: Sending, height: u32, timeline: &Timeline) {
    let settled = timeline.settled_at(height);
    say(format!(
        "| {} | to {height} | {} ms | longest gap {} ms | freezes {} ({:.0} ms) | {:.1} fps | \
         {:.0} kbit/s | {} key frames | {} PLI |",
        sending.name,
        settled.map_or("-".to_owned(), |time| time.as_millis().to_string()),
        timeline.longest_gap().as_millis(),
        timeline.video("freezes"),
        timeline.video("frozen") * 1_000.0,
        timeline.frame_rate(),
        timeline.after(WATCH / 2).video_kbps(),
        timeline.video("keyFrames"),
        timeline.video("plis"),
    ));
}

const RECEIVER: &str = "Ben";

/// Encoders and estimates come to rest.
const SETTLING: Duration = Duration::from_secs(8);

/// Longer than a switch may take by two seconds: it has to last.
const WATCH: Duration = Duration::from_secs(6);

const WITHIN_DOWN: Duration = Duration::from_secs(2);

const WITHIN_UP: Duration = Duration::from_secs(3);

const MAX_FREEZE: Duration = Duration::from_millis(500);
