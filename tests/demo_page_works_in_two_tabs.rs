//! `videobridge --demo`, without any configuration: the page in two tabs is a call.

use std::time::Duration;

use bridge_testkit::{BridgeProcess, Chromium, TestkitError};
use bridge_tests::{Figures, artifact, report};
use serde_json::Value;

#[tokio::test]
#[ignore = "needs the release binary, Chromium, and the ports 8080 and 10000"]
async fn the_demo_is_a_call() -> Result<(), TestkitError> {
    let bridge = BridgeProcess::start_demo().await?;
    // As people have it: without the switches that let browsers gather loopback addresses.
    let chromium = Chromium::start_as_people_have_it().await?;
    let ada = chromium.open(&url("Ada")).await?;
    let ben = chromium.open(&url("Ben")).await?;
    let complete = |value: &Value| Figures(value.clone()).is_complete(1);
    for page in [&ada, &ben] {
        page.wait_until("each other's picture and sound", STATS, PATIENCE, complete).await?;
    }
    ada.evaluate("window.demo.wave()").await?;
    let waved = |value: &Value| Figures(value.clone()).count("waves") == 1;
    ben.wait_until("a wave over the bridge channel", STATS, PATIENCE, waved).await?;

    tokio::time::sleep(Duration::from_secs(6)).await;
    let figures = vec![Figures(ada.evaluate(STATS).await?), Figures(ben.evaluate(STATS).await?)];
    report("the demo in two tabs", &figures, &[], None);
    let shown = ben.evaluate(FIGURES_SHOWN).await?;
    assert!(shown.as_array().is_some_and(|tiles| tiles.len() == 2), "{shown}");
    println!("shown: {shown}");
    let picture = artifact("demo-two-tabs.png");
    std::fs::write(&picture, ben.screenshot().await?).expect("artifacts can be written");
    println!("screenshot: {}", picture.display());

    ada.close().await?;
    let alone = |value: &Value| Figures(value.clone()).people().is_empty();
    ben.wait_until("the other's departure", STATS, PATIENCE, alone).await?;
    println!("bridge log:\n{}", bridge.log());
    chromium.quit().await
}

fn url(name: &str) -> String {
    format!("http://localhost:8080/demo?name={name}")
}

const STATS: &str = "return window.demo ? await window.demo.stats() : null";

/// The line of figures of each tile, once it has numbers.
const FIGURES_SHOWN: &str = "return [...document.querySelectorAll('.tile .figures')]\
    .map((list) => list.innerText.replace(/\\s+/g, ' ')).filter((text) => /\\d+\u{d7}\\d+/.test(text))";

const PATIENCE: Duration = Duration::from_secs(60);
