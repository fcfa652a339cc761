//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn a_falling_link_is_followed_and_found_again() {
    let report = Scenario::FallingLink.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
