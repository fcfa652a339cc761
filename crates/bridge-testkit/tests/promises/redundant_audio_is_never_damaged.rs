//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn redundant_audio_is_never_damaged() {
    let report = Scenario::RedundantAudio.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
