//! A simulation can be repeated: what went wrong once goes wrong again.

use bridge_testkit::simulation::Scenario;

#[test]
fn one_seed_gives_one_result() {
    let [first, second] = [1, 1].map(|seed| Scenario::ScreenOnStage.run(seed).unwrap().to_json());
    assert_eq!(first, second);
}
