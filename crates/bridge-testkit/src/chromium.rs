use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::TestkitError;
use crate::process::ChildProcess;
use crate::webdriver::Session;

/// A headless Chromium with an empty profile and fake capture devices.
pub struct Chromium {
    session: Arc<Mutex<Session>>,
    _driver: ChildProcess,
    profile: TempDir,
}

/// A window of a browser.
#[derive(Clone)]
pub struct Page {
    session: Arc<Mutex<Session>>,
    handle: String,
}

impl Chromium {
    /// Starts a browser that also gathers loopback addresses.
    pub async fn start() -> Result<Self, TestkitError> {
        Self::start_with(&["--allow-loopback-in-peer-connection"]).await
    }

    /// Starts a browser whose network is that of people's browsers.
    pub async fn start_as_people_have_it() -> Result<Self, TestkitError> {
        Self::start_with(&[]).await
    }

    async fn start_with(further: &[&str]) -> Result<Self, TestkitError> {
        let mut command = Command::new(program("CHROMEDRIVER", "/usr/bin/chromedriver"));
        command.arg("--port=0");
        let mut driver = ChildProcess::start("chromedriver", command)?;
        let port = driver.wait_for_line(started_port, START_PATIENCE).await?;
        let profile = TempDir::new().map_err(TestkitError::io("temporary directory"))?;
        let arguments = ARGUMENTS.iter().chain(further);
        let mut arguments: Vec<String> = arguments.map(|&text| text.to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "browserName": "chrome",
            "timeouts": { "script": SCRIPT_TIMEOUT_MS },
            "goog:chromeOptions": {
                "binary": program("CHROMIUM", "/usr/bin/chromium"),
                "args": arguments,
            },
        });
        let session = Session::open(port, capabilities).await?;
        let session = Arc::new(Mutex::new(session));
        Ok(Self { session, _driver: driver, profile })
    }

    /// Opens `url` in a new window.
    pub async fn open(&self, url: &str) -> Result<Page, TestkitError> {
        let session = self.session.lock().await;
        let window = session.post("/window/new", json!({ "type": "window" })).await?;
        let handle = window["handle"].as_str().unwrap_or_default().to_owned();
        session.post("/window", json!({ "handle": handle })).await?;
        session.post("/url", json!({ "url": url })).await?;
        drop(session);
        Ok(Page { session: Arc::clone(&self.session), handle })
    }

    /// Ends the browser.
    pub async fn quit(self) -> Result<(), TestkitError> {
        self.session.lock().await.delete("").await.map(drop)
    }
}

impl Drop for Chromium {
    /// A test that fails half-way has not quit: the driver dies with it, its browser would not.
    fn drop(&mut self) {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let pattern = ["-KILL", "-f", "--", &profile];
        // Nothing to kill is what a test that did quit leaves behind.
        let _ = std::process::Command::new("pkill").args(pattern).status();
    }
}

impl Page {
    /// The value of `script`, the body of an asynchronous function: `return 1 + 1`.
    pub async fn evaluate(&self, script: &str) -> Result<Value, TestkitError> {
        let session = self.session.lock().await;
        session.post("/window", json!({ "handle": self.handle })).await?;
        // Awaiting inside makes one round trip of what WebDriver has two commands for.
        let script = format!("return (async () => {{ {script} }})()");
        session.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Evaluates `script` until `is_enough` agrees with its value, which is returned.
    pub async fn wait_until(
        &self,
        what: &str,
        script: &str,
        patience: Duration,
        is_enough: impl Fn(&Value) -> bool,
    ) -> Result<Value, TestkitError> {
        let mut last = Value::Null;
        let attempts = async {
            loop {
                last = self.evaluate(script).await?;
                if is_enough(&last) {
                    return Ok(last.clone());
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let result = tokio::time::timeout(patience, attempts).await;
        result.unwrap_or_else(|_| {
            let what = format!("{what} (last seen: {last})");
            Err(TestkitError::Timeout { what, patience })
        })
    }

    /// A picture of the window, as PNG.
    pub async fn screenshot(&self) -> Result<Vec<u8>, TestkitError> {
        let session = self.session.lock().await;
        session.post("/window", json!({ "handle": self.handle })).await?;
        let value = session.get("/screenshot").await?;
        let text = value.as_str().unwrap_or_default();
        decode_base64(text).ok_or_else(|| TestkitError::unexpected("chromedriver", "no base64"))
    }

    /// Closes the window, as a user does.
    pub async fn close(self) -> Result<(), TestkitError> {
        let session = self.session.lock().await;
        session.post("/window", json!({ "handle": self.handle })).await?;
        session.delete("/window").await.map(drop)
    }
}

/// The port in chromedriver's greeting.
fn started_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("started successfully on port ")?;
    rest.trim_end_matches('.').parse().ok()
}

fn program(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut width) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = BASE64.iter().position(|&known| known == character)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push(u8::try_from(bits >> width & 0xff).ok()?);
        }
    }
    Some(bytes)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Chromedriver is up in a fraction of a second; a loaded machine takes longer.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// How long one script may take.
const SCRIPT_TIMEOUT_MS: u32 = 30_000;

/// Fine enough for join times, coarse enough not to disturb them.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Unattended, as root, no chatter with the vendor, fake camera and microphone, and windows that
/// nobody looks at run as if somebody did.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--window-size=1280,800",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm9v", b"foo"), ("/+8=", b"\xff\xef")]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(decode_base64("Zm 9v"), None);
    }

    #[test]
    fn the_port_is_found() {
        let line = "ChromeDriver was started successfully on port 43121.";
        assert_eq!(started_port(line), Some(43_121));
        assert_eq!(started_port("Starting ChromeDriver 156 on port 0"), None);
    }
}
