use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::ChildProcess;
use crate::{TestkitError, free_tcp_port, free_udp_port, http};

/// The `videobridge` binary with a configuration of its own on free ports of loopback.
pub struct BridgeProcess {
    process: ChildProcess,
    settings: BridgeSettings,
    _directory: TempDir,
}

/// What differs between tests.
#[derive(Clone, Debug)]
pub struct BridgeSettings {
    /// The port of the private HTTP server.
    pub http_port: u16,
    /// The port of all media.
    pub udp_port: u16,
    /// HOCON that is appended to the common configuration.
    pub extra: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
}

impl Default for BridgeSettings {
    fn default() -> Self {
        Self {
            http_port: free_tcp_port(),
            udp_port: free_udp_port(),
            extra: String::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl BridgeProcess {
    /// Starts the bridge and waits until it answers health checks.
    pub async fn start(settings: BridgeSettings) -> Result<Self, TestkitError> {
        let directory = TempDir::new().map_err(TestkitError::io("temporary directory"))?;
        let file = directory.path().join("jvb.conf");
        std::fs::write(&file, configuration(&settings)).map_err(TestkitError::io("jvb.conf"))?;
        let mut command = Command::new(binary());
        command.arg("--config").arg(&file).args(&settings.arguments);
        command.envs(settings.environment.iter().map(|(name, value)| (name, value)));
        let process = ChildProcess::start("videobridge", command)?;
        let mut bridge = Self { process, settings, _directory: directory };
        bridge.wait_until_healthy().await?;
        Ok(bridge)
    }

    /// Starts `videobridge --demo`, which has its own ports and reads no file.
    pub async fn start_demo() -> Result<Self, TestkitError> {
        let directory = TempDir::new().map_err(TestkitError::io("temporary directory"))?;
        let mut command = Command::new(binary());
        command.arg("--demo").current_dir(directory.path());
        let process = ChildProcess::start("videobridge --demo", command)?;
        let settings = BridgeSettings {
            http_port: DEMO_HTTP_PORT,
            udp_port: DEMO_UDP_PORT,
            ..BridgeSettings::default()
        };
        let mut bridge = Self { process, settings, _directory: directory };
        bridge.wait_until_healthy().await?;
        Ok(bridge)
    }

    /// Its private HTTP server.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.settings.http_port))
    }

    /// Where its media arrives.
    pub fn udp(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.settings.udp_port))
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// The process.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// `/colibri/stats`.
    pub async fn stats(&self) -> Result<Value, TestkitError> {
        let answer = http::get(self.http(), "/colibri/stats").await?;
        if answer.status == 200 {
            return Ok(answer.json());
        }
        Err(TestkitError::unexpected("/colibri/stats", answer.head))
    }

    /// The samples of `/metrics` whose name begins with `prefix`.
    pub async fn metrics(&self, prefix: &str) -> Result<BTreeMap<String, f64>, TestkitError> {
        let answer = http::get(self.http(), "/metrics").await?;
        if answer.status != 200 {
            return Err(TestkitError::unexpected("/metrics", answer.head));
        }
        let text = answer.text();
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter(|line| line.starts_with(prefix)).filter_map(sample).collect())
    }

    /// The time that all of its threads together have spent on a CPU.
    pub fn cpu_time(&self) -> Result<Duration, TestkitError> {
        let id =
            self.process.id().ok_or_else(|| TestkitError::unexpected("videobridge", "ended"))?;
        let tasks = std::fs::read_dir(format!("/proc/{id}/task"));
        let mut nanoseconds = 0;
        for task in tasks.map_err(TestkitError::io("/proc"))? {
            let path = task.map_err(TestkitError::io("/proc"))?.path().join("schedstat");
            // A thread that has just ended has no file any more.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let spent = text.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            nanoseconds += spent.unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    async fn wait_until_healthy(&mut self) -> Result<(), TestkitError> {
        let address = self.http();
        let attempts = async {
            loop {
                let answer = http::get(address, "/about/health").await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_PATIENCE, attempts).await.map_err(|_| TestkitError::Ended {
            program: "videobridge (never became healthy)".to_owned(),
            detail: self.log(),
        })
    }
}

/// Media and HTTP on loopback only, REST on: everything that most tests need.
fn configuration(settings: &BridgeSettings) -> String {
    let BridgeSettings { http_port, udp_port, extra, .. } = settings;
    format!(
        "videobridge {{\n  apis.rest.enabled = true\n  ice.udp.port = {udp_port}\n  \
         http-servers.private {{ host = \"127.0.0.1\", port = {http_port} }}\n}}\n\
         ice4j.harvest {{\n  use-loopback-addresses = true\n  use-ipv6 = false\n  \
         allowed-addresses = [\"127.0.0.1\"]\n  mapping.aws.enabled = false\n  \
         mapping.stun.enabled = false\n}}\n{extra}\n"
    )
}

/// `VIDEOBRIDGE_BIN`, or the release build of this workspace.
fn binary() -> PathBuf {
    std::env::var_os("VIDEOBRIDGE_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/release/videobridge"),
        PathBuf::from,
    )
}

const DEMO_HTTP_PORT: u16 = 8080;
const DEMO_UDP_PORT: u16 = 10_000;

/// It starts in milliseconds; a loaded machine takes longer.
const START_PATIENCE: Duration = Duration::from_secs(20);
