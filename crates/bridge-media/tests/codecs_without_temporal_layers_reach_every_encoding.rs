//! Where a codec does not tell temporal layers apart, all of an encoding have one rate. That must
//! not keep a receiver from the next encoding.

mod common;

use common::allocation::{Receiver, Sent, tiles};

#[test]
fn steps_that_cost_nothing_do_not_end_the_climb() {
    // H.264 in three encodings.
    let rates = [150, 150, 150, 500, 500, 500, 2_000, 2_000, 2_000];
    let sources = [Sent::camera("a", rates), Sent::camera("b", rates)];
    for (kbps, expected) in [
        (200, ["180@30", "-"]),
        (400, ["180@30", "180@30"]),
        (700, ["360@30", "180@30"]),
        (10_000, ["360@30", "360@30"]),
    ] {
        let mut receiver = Receiver::new(tiles(360));
        receiver.with_estimate(&sources, kbps * 1_000);
        assert_eq!(receiver.targets(&sources), expected, "{kbps} kbit/s");
    }
}
