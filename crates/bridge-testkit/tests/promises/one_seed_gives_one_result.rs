//! A simulation can be repeated: what went wrong once goes wrong again. What ICE draws by itself (when
//! to check consent) is not seeded, so that links must be wide enough for it not to matter.

use bridge_testkit::simulation::Scenario;

#[test]
fn one_seed_gives_one_result() {
    let [first, second] = [1, 1].map(|seed| Scenario::LateReceiver.run(seed).unwrap().to_json());
    assert_eq!(first, second);
}
