//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn uneven_delay_costs_little() {
    let report = Scenario::UnevenDelay.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
