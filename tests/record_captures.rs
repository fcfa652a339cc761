//! Records what Chromium sends with each codec, for the simulation to replay: writes the files in
//! `crates/bridge-testkit/captures`. Promises nothing; to be run by hand, on a machine that is idle.

use std::sync::Arc;
use std::time::Duration;

use bridge_demo::ColibriHandler;
use bridge_testkit::capture::{Capture, CaptureRecorder};
use bridge_testkit::simulation::SimulatedCodec;
use bridge_testkit::{Chromium, ScriptedFocus, TestkitError};
use bridge_tests::{Figures, ROOM, Sending, say};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_vp8_simulcast() -> Result<(), TestkitError> {
    record(Sending::VP8_SIMULCAST, SimulatedCodec::Vp8, false).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_vp8_simulcast_with_descriptor() -> Result<(), TestkitError> {
    record(Sending::VP8_SIMULCAST, SimulatedCodec::Vp8, true).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_h264_simulcast() -> Result<(), TestkitError> {
    record(Sending::H264_SIMULCAST, SimulatedCodec::H264, false).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_h264_simulcast_with_descriptor() -> Result<(), TestkitError> {
    record(Sending::H264_SIMULCAST, SimulatedCodec::H264, true).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_vp9_svc() -> Result<(), TestkitError> {
    record(Sending::VP9_SVC, SimulatedCodec::Vp9, false).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_vp9_svc_with_descriptor() -> Result<(), TestkitError> {
    record(Sending::VP9_SVC, SimulatedCodec::Vp9, true).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a capture: to be run by hand"]
async fn capture_of_av1_svc() -> Result<(), TestkitError> {
    record(Sending::AV1_SVC, SimulatedCodec::Av1, true).await
}

async fn record(
    sending: Sending,
    codec: SimulatedCodec,
    descriptor: bool,
) -> Result<(), TestkitError> {
    let recorder = CaptureRecorder::start().await?;
    let handler: Arc<dyn ColibriHandler> = recorder.clone();
    let focus = ScriptedFocus::start(handler).await?;
    let chromium = Chromium::start().await?;
    let url = sending.page_url(&focus, ROOM, "Ada");
    let page = chromium.open(&format!("{url}&dd={}", u8::from(descriptor))).await?;
    let is_full = |value: &Value| Figures(value.clone()).own("height") == f64::from(sending.height);
    page.wait_until("all layers", STATS, PATIENCE, is_full).await?;
    tokio::time::sleep(SETTLING).await;
    let browser = page.evaluate("return navigator.userAgent").await?;
    let name =
        browser.as_str().and_then(|agent| agent.split(' ').find(|word| word.contains("Chrome/")));
    let sender = format!("{}, {}", name.unwrap_or("Chromium"), sending.name);
    let capture = recorder.record(&sender, codec, TIME, KEY_FRAME_INTERVAL).await?;
    let figures = Figures(page.evaluate(STATS).await?);
    say(format!("{sender}: {}", figures.0["own"]));
    let text = capture.to_text();
    let (packets, reports) = (capture.packets.len(), capture.reports.len());
    say(format!("{packets} packets, {reports} sender reports, {} bytes of text", text.len()));
    let path = Capture::path(codec, descriptor);
    std::fs::write(&path, text).expect("the folder of captures can be written");
    chromium.quit().await
}

const STATS: &str = "return window.demo ? await window.demo.stats() : null";
const PATIENCE: Duration = Duration::from_secs(60);

/// Estimates come to rest.
const SETTLING: Duration = Duration::from_secs(8);
const TIME: Duration = Duration::from_secs(10);

/// Replays begin anew at key frames.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(2_500);
