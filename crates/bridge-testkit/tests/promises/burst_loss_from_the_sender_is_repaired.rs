//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn burst_loss_from_the_sender_is_repaired() {
    let report = Scenario::BurstLossUp.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
