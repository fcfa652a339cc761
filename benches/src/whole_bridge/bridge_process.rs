//! The release binary with a configuration of its own, on a core of its own.

use crate::{clock, cores};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Ends when dropped.
pub(super) struct BridgeProcess {
    child: Child,
    http_port: u16,
    configuration: PathBuf,
    /// From its start to its first answer.
    pub(super) start_time: Duration,
    /// Memory before anybody came.
    pub(super) idle_bytes: u64,
}

impl BridgeProcess {
    /// Starts it and waits until it answers.
    pub(super) fn start() -> Result<Self> {
        let http_port = TcpListener::bind(LOOPBACK)?.local_addr()?.port();
        let udp_port = UdpSocket::bind(LOOPBACK)?.local_addr()?.port();
        let name = format!("videobridge-bench-{}.conf", std::process::id());
        let configuration = std::env::temp_dir().join(name);
        std::fs::write(&configuration, text(http_port, udp_port))?;
        let binary = sibling("videobridge")?;
        let mut command = cores::command_on(cores::MEASURED, &binary);
        command.arg("--config").arg(&configuration).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = clock::wall();
        let child =
            command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let (start_time, idle_bytes) = (Duration::ZERO, 0);
        let mut bridge = Self { child, http_port, configuration, start_time, idle_bytes };
        bridge.wait_until_healthy(begin)?;
        bridge.start_time = begin.elapsed();
        bridge.idle_bytes = bridge.resident_bytes()?;
        Ok(bridge)
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.context("no VmRSS in /proc")? * 1_024)
    }

    fn wait_until_healthy(&mut self, begin: Instant) -> Result<()> {
        while !self.is_healthy() {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "the bridge ended: {ended:?}");
            ensure!(begin.elapsed() < PATIENCE, "the bridge does not answer");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn is_healthy(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port));
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(REQUEST)?;
            let mut answer = [0; 64];
            let len = stream.read(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..len]).into_owned())
        };
        ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
    }
}

impl Drop for BridgeProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.configuration);
    }
}

/// A program of this workspace, built as this one was.
pub(super) fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is missing: `cargo xtask bench` builds it", path.display());
    Ok(path)
}

/// Media and HTTP on loopback only.
fn text(http_port: u16, udp_port: u16) -> String {
    format!(
        "videobridge {{\n  apis.rest.enabled = true\n  ice.udp.port = {udp_port}\n  \
         http-servers.private {{ host = \"127.0.0.1\", port = {http_port} }}\n  \
         health.require-valid-address = false\n}}\n\
         ice4j.harvest {{\n  use-loopback-addresses = true\n  use-ipv6 = false\n  \
         allowed-addresses = [\"127.0.0.1\"]\n  mapping.aws.enabled = false\n  \
         mapping.stun.enabled = false\n}}\n"
    )
}

const REQUEST: &[u8] =
    b"GET /about/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const PATIENCE: Duration = Duration::from_secs(20);
