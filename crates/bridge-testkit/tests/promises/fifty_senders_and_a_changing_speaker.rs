//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn fifty_senders_and_a_changing_speaker() {
    let report = Scenario::FiftySenders.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
