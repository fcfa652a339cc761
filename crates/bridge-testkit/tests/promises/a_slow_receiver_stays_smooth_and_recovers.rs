//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn a_slow_receiver_stays_smooth_and_recovers() {
    let report = Scenario::SlowReceiver.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
