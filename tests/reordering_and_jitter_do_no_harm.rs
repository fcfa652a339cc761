//! One datagram of ten that comes 30 ms late, behind others, and 20 ms of jitter, on the way to a
//! receiver or from the sender: pictures and sound go on, and hardly anything is asked for again.

use std::time::Duration;

use bridge_testkit::TestkitError;
use bridge_testkit::simulation::LinkSettings;
use bridge_tests::{Broadcast, Figures, SENDER, Sending, Timeline, say};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release binary and Chromium"]
async fn with_vp8_simulcast() -> Result<(), TestkitError> {
    let call = Broadcast::start(Sending::VP8_SIMULCAST, &[RECEIVER], &[RECEIVER, SENDER]).await?;
    let (sender, receiver) = (&call.relays[SENDER], &call.relays[RECEIVER]);
    let clean = LinkSettings::ideal().with_delay(DELAY);
    for relay in [sender, receiver] {
        relay.set_up(clean.clone());
        relay.set_down(clean.clone());
    }
    call.ask(RECEIVER, HEIGHT).await?;
    call.wait_for_height(RECEIVER, HEIGHT).await?;
    tokio::time::sleep(SETTLING).await;
    let mixed = clean.clone().with_jitter(JITTER).with_reordering(LATE_SHARE, LATE);
    receiver.set_down(mixed.clone());
    let down = watch(&call).await?;
    receiver.set_down(clean);
    sender.set_up(mixed);
    let up = watch(&call).await?;
    call.tell().await?;

    tell("out of order to the receiver", &down);
    tell("out of order from the sender", &up);
    assert_unharmed("to the receiver", &down);
    assert_unharmed("from the sender", &up);
    call.end().await
}

/// What happened in some time.
struct Watched {
    received: Timeline,
    before: Figures,
    after: Figures,
}

async fn watch(call: &Broadcast) -> Result<Watched, TestkitError> {
    tokio::time::sleep(ADAPTATION).await;
    let before = call.figures(SENDER).await?;
    call.forget(RECEIVER).await?;
    tokio::time::sleep(WATCH).await;
    let received = call.timeline(RECEIVER).await?;
    Ok(Watched { received, before, after: call.figures(SENDER).await? })
}

impl Watched {
    /// By how much a figure of the sender has grown.
    fn sent(&self, figure: &str) -> f64 {
        self.after.own(figure) - self.before.own(figure)
    }
}

fn assert_unharmed(where_: &str, mixed: &Watched) {
    let received = &mixed.received;
    let rate = received.frame_rate();
    assert!(rate >= MIN_FRAME_RATE, "{where_}: {rate} pictures a second");
    let frozen = received.longest_freeze();
    assert!(frozen <= MAX_GAP, "{where_}: frozen for {frozen:?}");
    let gap = received.longest_gap();
    assert!(gap <= MAX_GAP, "{where_}: no picture for {gap:?}");
    for (who, plis) in
        [("receiver", received.video("plis")), ("bridge", mixed.sent("plisReceived"))]
    {
        assert!(plis <= MAX_PLIS, "{where_}: {plis} key frame requests of the {who}");
    }
    let nacks = [
        ("receiver", received.video("nacks"), received.video("packets")),
        ("bridge", mixed.sent("nacksReceived"), mixed.sent("packetsSent")),
    ];
    for (who, nacks, packets) in nacks {
        let most = packets * LATE_SHARE;
        assert!(nacks <= most, "{where_}: {nacks} NACKs of the {who} about {packets} packets");
    }
    let concealed = received.concealed_share();
    assert!(concealed <= MAX_CONCEALED, "{where_}: {concealed} of the sound was concealed");
}

fn tell(what: &str, watched: &Watched) {
    let received = &watched.received;
    say(format!(
        "| {what} | {} lines | {:.1} fps | {} packets | {} lost | \
         {} sent again | receiver: {} NACK, {} PLI | bridge: {} NACK about {} packets, {} PLI | longest gap {} ms | \
         {} freezes | buffer {} ms | sound: {:.2} % concealed |",
        received.last_video("height"),
        received.frame_rate(),
        received.video("packets"),
        received.video("lost"),
        received.video("retransmitted"),
        received.video("nacks"),
        received.video("plis"),
        watched.sent("nacksReceived"),
        watched.sent("packetsSent"),
        watched.sent("plisReceived"),
        received.longest_gap().as_millis(),
        received.video("freezes"),
        received.buffer_delay().as_millis(),
        received.concealed_share() * 100.0,
    ));
}

const RECEIVER: &str = "Ben";

const HEIGHT: u32 = 360;

/// Each way: people are not next to their bridge.
const DELAY: Duration = Duration::from_millis(15);

/// At most; it keeps the order.
const JITTER: Duration = Duration::from_millis(20);

/// Each may be asked for once, before it comes.
const LATE_SHARE: f64 = 0.1;

const LATE: Duration = Duration::from_millis(30);

const SETTLING: Duration = Duration::from_secs(4);

/// Jitter buffers grow.
const ADAPTATION: Duration = Duration::from_secs(1);

const WATCH: Duration = Duration::from_secs(8);

/// Of 15 that are sent by a machine that does nothing else.
const MIN_FRAME_RATE: f64 = 13.0;

/// Half a second is where people begin to see it.
const MAX_GAP: Duration = Duration::from_millis(500);

/// Nothing is lost: a reason to ask does not exist, a loaded machine may find one.
const MAX_PLIS: f64 = 1.0;

const MAX_CONCEALED: f64 = 0.02;
