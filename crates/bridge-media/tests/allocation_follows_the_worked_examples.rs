//! Allocation gives what JVB gives, in the contract's worked examples and in the series that JVB's
//! own tests expect.

mod common;

use bridge_media::{
    AllocationConfig, AllocationReason, AllocationSettings, LastN, LayerIndex, VideoType,
};
use bridge_units::Bitrate;
use common::allocation::{
    RATES_A, RATES_B, RATES_C, Receiver, Sent, UNLIMITED, height, layer, simulcast, stage, tiles,
};

fn three_cameras() -> [Sent; 3] {
    [Sent::camera("a", RATES_A), Sent::camera("b", RATES_B), Sent::camera("c", RATES_C)]
}

/// Targets, and the sums of targets and ideals in kbps.
#[track_caller]
fn expect(
    settings: &AllocationSettings,
    sources: &[Sent],
    kbps: u64,
    targets: &[&str],
    sums: (u64, u64),
) -> Receiver {
    let mut receiver = Receiver::new(settings.clone());
    let allocation = receiver.with_estimate(sources, kbps * 1_000);
    let actual = (allocation.target_bitrate.kbps(), allocation.ideal_bitrate.kbps());
    assert_eq!(receiver.targets(sources), targets);
    assert_eq!(actual, sums);
    receiver
}

#[test]
fn example_1_stage_view() {
    let settings = stage(&[("a", height(720))]);
    let targets = ["360@30", "180@30", "180@30"];
    let receiver = expect(&settings, &three_cameras(), 700, &targets, (530, 1390));
    assert!(!receiver.allocator.allocation().is_oversending);
    assert_eq!(receiver.allocator.allocation().passes, 4);
}

#[test]
fn example_2_stage_view_with_enough() {
    let settings = stage(&[("a", height(720))]);
    let targets = ["720@30", "180@30", "180@30"];
    expect(&settings, &three_cameras(), 1400, &targets, (1390, 1390));
}

#[test]
fn example_3_selected_but_not_on_stage() {
    let on_stage = stage(&[("a", height(720))]);
    let selected = AllocationSettings {
        on_stage_sources: vec![],
        selected_sources: vec!["a-v0".into()],
        ..on_stage.clone()
    };
    let targets = ["360@30", "180@30", "180@30"];
    expect(&selected, &three_cameras(), 700, &targets, (530, 1390));
    expect(&on_stage, &three_cameras(), 150, &["180@30", "-", "-"], (110, 1390));
    let targets = ["180@15", "180@7.5", "180@7.5"];
    expect(&selected, &three_cameras(), 150, &targets, (135, 1390));
}

#[test]
fn example_4_tile_view_of_two() {
    let settings = AllocationSettings { last_n: LastN::new(2), ..tiles(360) };
    let receiver = expect(&settings, &three_cameras(), 600, &["360@30", "180@30", "-"], (440, 640));
    assert_eq!(receiver.heights(&three_cameras()), [360, 360, 0]);
}

fn vp9_screen() -> Sent {
    let rates = [200_000, 600_000, 1_500_000];
    let layers =
        (0..3).zip(rates).map(|(t, rate)| layer(LayerIndex::new(0, 0, t), 1080, None, rate));
    Sent::new("d", VideoType::Desktop, layers.collect())
}

#[test]
fn example_5_screen_share_without_frame_rates() {
    let sources = [vp9_screen(), Sent::camera("b", RATES_B)];
    let on_stage = stage(&[("d", UNLIMITED)]);
    let receiver = expect(&on_stage, &sources, 100, &["E0S0T0", "-"], (200, 1600));
    assert!(receiver.allocator.allocation().is_oversending);
    assert!(receiver.allocator.allocation().has_suspended_sources);
    let receiver = expect(&on_stage, &sources, 800, &["E0S0T1", "-"], (600, 1600));
    assert!(!receiver.allocator.allocation().is_oversending);
    expect(&tiles(180), &sources, 260, &["E0S0T0", "180@7.5"], (230, 300));
}

#[test]
fn example_6_screen_and_camera_on_stage() {
    let screen = [0, 0, 0, 90, 180, 250, 300, 500, 900].map(|kbps| kbps * 1_000);
    let sources = [
        Sent::new("d", VideoType::Desktop, simulcast(screen)),
        Sent::camera("a", RATES_A),
        Sent::camera("b", RATES_B),
    ];
    let settings = stage(&[("d", UNLIMITED), ("a", height(720))]);
    let targets = ["720@30", "360@30", "180@7.5"];
    expect(&settings, &sources, 1300, &targets, (1270, 2200));
    expect(&settings, &sources, 500, &["720@15", "-", "-"], (500, 2200));
}

#[test]
fn example_7_nothing_is_sent_yet() {
    let sources = [Sent::camera("a", [0; 9]), Sent::camera("b", [0; 9])];
    let settings = stage(&[("a", height(720))]);
    expect(&settings, &sources, 0, &["720@30", "-"], (0, 0));
    let receiver = expect(&settings, &sources, 1, &["720@30", "180@15"], (0, 0));
    assert_eq!(receiver.allocator.allocation().passes, 1);
    assert_eq!(receiver.reasons(&sources), [AllocationReason::NoActiveLayer; 2]);
}

#[test]
fn example_8_rates_that_do_not_rise() {
    let mut rates = RATES_A;
    rates[..6].copy_from_slice(&[40, 70, 200, 120, 150, 180]);
    // The first two of 360 pixels are left out, as for every camera.
    let sources = [Sent::camera("a", rates)];
    expect(&tiles(360), &sources, 130, &["180@15"], (70, 180));
    expect(&tiles(360), &sources, 205, &["360@30"], (180, 180));
}

#[test]
fn example_9_without_a_budget() {
    let config = AllocationConfig { trust_bwe: false, ..AllocationConfig::default() };
    let mut receiver = Receiver::with_config(config, stage(&[("a", height(720))]));
    receiver.with_estimate(&three_cameras(), 10_000);
    assert_eq!(receiver.targets(&three_cameras()), ["720@30", "180@30", "180@30"]);
    assert_eq!(receiver.allocator.allocation().budget, None);
}

#[test]
fn example_10_one_encoding_in_tile_view() {
    let rates = [(7.5, 400_000), (15.0, 800_000), (30.0, 1_500_000)];
    let layers = (0..3)
        .zip(rates)
        .map(|(t, (fps, rate))| layer(LayerIndex::new(0, 0, t), 720, Some(fps), rate));
    let sources = [Sent::new("a", VideoType::Camera, layers.collect()), Sent::camera("b", RATES_B)];
    expect(&tiles(180), &sources, 900, &["720@15", "180@15"], (860, 1600));
}

/// Every change of the targets while the estimate rises by 10 kbps, with `!` for oversending.
fn series(settings: AllocationSettings, first: VideoType, until_kbps: u64) -> Vec<(u64, String)> {
    let mut sources = ["a", "b", "c", "d"].map(|owner| Sent::alike(owner, VideoType::Camera));
    sources[0].video_type = first;
    let mut receiver = Receiver::new(settings);
    let mut states: Vec<(u64, String)> = vec![];
    for kbps in (0..=until_kbps).step_by(10) {
        let is_oversending = receiver.with_estimate(&sources, kbps * 1_000).is_oversending;
        let names = series_names(&receiver.targets(&sources));
        let state = names + if is_oversending { "!" } else { "" };
        if states.last().is_none_or(|(_, last)| *last != state) {
            states.push((kbps, state));
        }
    }
    states
}

/// As the series of the contract call the layers.
fn series_names(targets: &[String]) -> String {
    let names = targets.join(" ");
    names.replace("180@", "ld").replace("360@", "sd").replace("720@", "hd")
}

#[track_caller]
fn expect_series(actual: &[(u64, String)], expected: &[(u64, &str)]) {
    let actual: Vec<_> = actual.iter().map(|(kbps, state)| (*kbps, state.as_str())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn series_with_a_camera_on_stage() {
    let actual = series(stage(&[("a", height(720))]), VideoType::Camera, 3_000);
    expect_series(
        &actual,
        &[
            (0, "- - - -"),
            (50, "ld7.5 - - -"),
            (100, "ld15 - - -"),
            (150, "ld30 - - -"),
            (500, "sd30 - - -"),
            (550, "sd30 ld7.5 - -"),
            (600, "sd30 ld7.5 ld7.5 -"),
            (650, "sd30 ld7.5 ld7.5 ld7.5"),
            (700, "sd30 ld15 ld7.5 ld7.5"),
            (750, "sd30 ld15 ld15 ld7.5"),
            (800, "sd30 ld15 ld15 ld15"),
            (850, "sd30 ld30 ld15 ld15"),
            (900, "sd30 ld30 ld30 ld15"),
            (960, "sd30 ld30 ld30 ld30"),
            (2150, "hd30 ld7.5 ld7.5 ld7.5"),
            (2200, "hd30 ld15 ld7.5 ld7.5"),
            (2250, "hd30 ld15 ld15 ld7.5"),
            (2300, "hd30 ld15 ld15 ld15"),
            (2350, "hd30 ld30 ld15 ld15"),
            (2400, "hd30 ld30 ld30 ld15"),
            (2460, "hd30 ld30 ld30 ld30"),
        ],
    );
}

#[test]
fn series_with_a_screen_on_stage() {
    let actual = series(stage(&[("a", height(720))]), VideoType::Desktop, 3_000);
    expect_series(
        &actual,
        &[
            (0, "sd30 - - -!"),
            (160, "hd7.5 - - -!"),
            (660, "hd7.5 - - -"),
            (1320, "hd15 - - -"),
            (2000, "hd30 - - -"),
            (2050, "hd30 ld7.5 - -"),
            (2100, "hd30 ld7.5 ld7.5 -"),
            (2150, "hd30 ld7.5 ld7.5 ld7.5"),
            (2200, "hd30 ld15 ld7.5 ld7.5"),
            (2250, "hd30 ld15 ld15 ld7.5"),
            (2300, "hd30 ld15 ld15 ld15"),
            (2350, "hd30 ld30 ld15 ld15"),
            (2400, "hd30 ld30 ld30 ld15"),
            (2460, "hd30 ld30 ld30 ld30"),
        ],
    );
}

#[test]
fn series_in_tile_view() {
    let small = [
        (0, "- - - -"),
        (50, "ld7.5 - - -"),
        (100, "ld7.5 ld7.5 - -"),
        (150, "ld7.5 ld7.5 ld7.5 -"),
        (200, "ld7.5 ld7.5 ld7.5 ld7.5"),
        (250, "ld15 ld7.5 ld7.5 ld7.5"),
        (300, "ld15 ld15 ld7.5 ld7.5"),
        (350, "ld15 ld15 ld15 ld7.5"),
        (400, "ld15 ld15 ld15 ld15"),
        (450, "ld30 ld15 ld15 ld15"),
        (500, "ld30 ld30 ld15 ld15"),
        (550, "ld30 ld30 ld30 ld15"),
        (610, "ld30 ld30 ld30 ld30"),
    ];
    expect_series(&series(tiles(180), VideoType::Camera, 3_000), &small);
    let larger = [
        (960, "sd30 ld30 ld30 ld30"),
        (1310, "sd30 sd30 ld30 ld30"),
        (1660, "sd30 sd30 sd30 ld30"),
        (2010, "sd30 sd30 sd30 sd30"),
    ];
    let all: Vec<_> = small.into_iter().chain(larger).collect();
    expect_series(&series(tiles(360), VideoType::Camera, 3_000), &all);
}

#[test]
fn series_with_last_n() {
    let one = |settings| AllocationSettings { last_n: LastN::new(1), ..settings };
    let on_stage = series(one(stage(&[("a", height(720))])), VideoType::Camera, 3_000);
    expect_series(
        &on_stage,
        &[
            (0, "- - - -"),
            (50, "ld7.5 - - -"),
            (100, "ld15 - - -"),
            (150, "ld30 - - -"),
            (500, "sd30 - - -"),
            (2010, "hd30 - - -"),
        ],
    );
    expect_series(
        &series(one(tiles(360)), VideoType::Camera, 3_000),
        &[
            (0, "- - - -"),
            (50, "ld7.5 - - -"),
            (100, "ld15 - - -"),
            (160, "ld30 - - -"),
            (510, "sd30 - - -"),
        ],
    );
    let none = AllocationSettings { last_n: LastN::new(0), ..stage(&[("a", height(720))]) };
    expect_series(&series(none, VideoType::Camera, 3_000), &[(0, "- - - -")]);
}

#[test]
fn oversending_is_bounded() {
    let mut screen = vp9_screen();
    for layer in &mut screen.layers.layers {
        layer.bitrate = Bitrate::from_bps(layer.bitrate.bps() + 300_000);
    }
    let too_much = [screen, Sent::camera("b", RATES_B)];
    let on_stage = stage(&[("d", UNLIMITED)]);
    // 500 kbps are the limit.
    expect(&on_stage, &too_much, 0, &["E0S0T0", "-"], (500, 1900));
    let mut receiver = Receiver::with_config(
        AllocationConfig {
            max_oversend_bitrate: Bitrate::from_bps(499_999),
            ..AllocationConfig::default()
        },
        on_stage,
    );
    receiver.with_estimate(&too_much, 0);
    assert_eq!(receiver.targets(&too_much), ["-", "-"]);
}

#[test]
fn nothing_else_oversends() {
    let sources = [vp9_screen(), Sent::camera("b", RATES_B)];
    let config = AllocationConfig { allow_oversend_onstage: false, ..Default::default() };
    let mut receiver = Receiver::with_config(config, stage(&[("d", UNLIMITED)]));
    receiver.with_estimate(&sources, 100_000);
    assert_eq!(receiver.targets(&sources), ["-", "-"]);
    expect(&tiles(1080), &sources, 20, &["-", "-"], (0, 2500));
    let second = stage(&[("b", height(180)), ("d", UNLIMITED)]);
    expect(&second, &sources, 150, &["-", "180@30"], (100, 1600));
    let camera = stage(&[("b", height(720))]);
    let receiver = expect(&camera, &sources[1..], 29, &["-"], (0, 1000));
    assert!(!receiver.allocator.allocation().is_oversending);
}
