//! The scenario as a test: its figures are within their limits, and no receiver saw what it should
//! not have.

use bridge_testkit::simulation::Scenario;

#[test]
fn a_top_layer_that_drops_out_costs_little() {
    let report = Scenario::TopLayerDrops.run(1).unwrap();
    assert_eq!(report.failures(), Vec::<String>::new());
}
