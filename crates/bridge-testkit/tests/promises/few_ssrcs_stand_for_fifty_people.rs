//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn few_ssrcs_stand_for_fifty_people() {
    let report = Scenario::FewSsrcs.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
