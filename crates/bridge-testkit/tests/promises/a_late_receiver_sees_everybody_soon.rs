//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn a_late_receiver_sees_everybody_soon() {
    let report = Scenario::LateReceiver.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
