//! Five per cent of loss on the way to a receiver, or from the sender, are repaired by
//! retransmissions: hardly a picture is missing, and hardly a key picture is asked for.

use std::time::Duration;

use bridge_testkit::TestkitError;
use bridge_testkit::simulation::{LinkSettings, LossModel};
use bridge_tests::{Broadcast, SENDER, Sending, Timeline, say};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_vp8_simulcast() -> Result<(), TestkitError> {
    losses_are_repaired(Sending::VP8_SIMULCAST).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_h264_simulcast() -> Result<(), TestkitError> {
    losses_are_repaired(Sending::H264_SIMULCAST).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_vp9_svc() -> Result<(), TestkitError> {
    losses_are_repaired(Sending::VP9_SVC).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_av1_svc() -> Result<(), TestkitError> {
    losses_are_repaired(Sending::AV1_SVC).await
}

async fn losses_are_repaired(sending: Sending) -> Result<(), TestkitError> {
    let call = Broadcast::start(sending, &[RECEIVER], &[RECEIVER, SENDER]).await?;
    let (sender, receiver) = (&call.relays[SENDER], &call.relays[RECEIVER]);
    let clean = LinkSettings::ideal().with_delay(DELAY);
    let lossy = clean.clone().with_loss(LossModel::Random(LOSS));
    for relay in [sender, receiver] {
        relay.set_up(clean.clone());
        relay.set_down(clean.clone());
    }
    let [_, height, _] = sending.heights();
    call.ask(RECEIVER, height).await?;
    call.wait_for_height(RECEIVER, height).await?;
    tokio::time::sleep(SETTLING).await;
    let (without, share_without) = watch(&call).await?;
    call.tell().await?;

    receiver.set_down(lossy.clone());
    let (down, share_down) = watch(&call).await?;
    let lost_down = receiver.down().lost;
    receiver.set_down(clean.clone());

    let before = call.figures(SENDER).await?;
    sender.set_up(lossy);
    let (up, share_up) = watch(&call).await?;
    let lost_up = sender.up().lost;
    let after = call.figures(SENDER).await?;
    let since = |figure| after.own(figure) - before.own(figure);
    let (nacks, sent_again) = (since("nacksReceived"), since("retransmitted"));
    call.tell().await?;

    say(format!("--- {}", sending.name));
    tell("no loss", &without);
    tell("5 % to the receiver", &down);
    tell("5 % from the sender", &up);
    say(format!("{lost_down} datagrams lost to the receiver, {lost_up} from the sender"));
    say(format!("the bridge's NACKs to the sender: {nacks}, sent again: {sent_again}"));

    assert!(without.frame_rate() > 1.0, "there is nothing to compare with");
    assert!(lost_down > 0 && lost_up > 0, "the links lose something");
    assert!(down.video("retransmitted") > 0.0, "nothing was sent again");
    assert!(nacks > 0.0 && sent_again > 0.0, "the bridge asked for nothing");
    let both = [("to the receiver", &down, share_down), ("from the sender", &up, share_up)];
    for (where_, timeline, share) in both {
        // An encoding that pauses counts no pictures, and a machine that is busy sends fewer of them.
        let kept = (share / share_without).max(timeline.frame_rate() / without.frame_rate());
        assert!(kept >= MIN_KEPT, "{where_}: {kept} of the pictures arrive");
        let plis = timeline.video("plis");
        assert!(plis <= MAX_PLIS, "{where_}: {plis} key frame requests");
        let gap = timeline.longest_gap();
        assert!(gap <= MAX_GAP, "{where_}: no picture for {gap:?}");
    }
    call.end().await
}

/// What arrives in [`WATCH`], and what share of the pictures that were sent it is. Only comparable with
/// other shares: of layered pictures, browsers count the layers.
async fn watch(call: &Broadcast) -> Result<(Timeline, f64), TestkitError> {
    let before = call.figures(SENDER).await?;
    call.forget(RECEIVER).await?;
    tokio::time::sleep(WATCH).await;
    let timeline = call.timeline(RECEIVER).await?;
    let sent = call.figures(SENDER).await?.own("framesSent") - before.own("framesSent");
    let share = timeline.video("decoded") / sent.max(1.0);
    Ok((timeline, share))
}

fn tell(what: &str, timeline: &Timeline) {
    say(format!(
        "| {what} | {} lines | {:.1} fps | {:.0} kbit/s | {} packets | {} lost for good | {} sent again | \
         {} NACK | {} PLI | longest gap {} ms | freezes {} ({:.0} ms) | {} frames dropped | buffer {} ms |",
        timeline.last_video("height"),
        timeline.frame_rate(),
        timeline.video_kbps(),
        timeline.video("packets"),
        timeline.video("lost"),
        timeline.video("retransmitted"),
        timeline.video("nacks"),
        timeline.video("plis"),
        timeline.longest_gap().as_millis(),
        timeline.video("freezes"),
        timeline.video("frozen") * 1_000.0,
        timeline.video("dropped"),
        timeline.buffer_delay().as_millis(),
    ));
}

const RECEIVER: &str = "Ben";

const LOSS: f64 = 0.05;

/// Each way: people are not next to their bridge.
const DELAY: Duration = Duration::from_millis(15);

const SETTLING: Duration = Duration::from_secs(5);

/// Some thirty datagrams are lost in it.
const WATCH: Duration = Duration::from_secs(10);

/// "Hardly a picture is missing".
const MIN_KEPT: f64 = 0.9;

/// A retransmission can be lost too, and its repetition.
const MAX_PLIS: f64 = 2.0;

const MAX_GAP: Duration = Duration::from_millis(700);
