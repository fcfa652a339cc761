//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn a_screen_on_stage_comes_first() {
    let report = Scenario::ScreenOnStage.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
