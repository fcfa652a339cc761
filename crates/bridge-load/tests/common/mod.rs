//! The bridge's binary as a process. VIDEOBRIDGE_BIN names it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must stop")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bridge_load::{Arguments, Scenario};

pub struct Bridge {
    process: Child,
    http: u16,
    pub udp: u16,
    _directory: tempfile::TempDir,
}

impl Bridge {
    /// With HOCON that is appended to what it needs.
    pub fn start(extra: &str) -> Self {
        let binary = std::env::var("VIDEOBRIDGE_BIN").expect("VIDEOBRIDGE_BIN names the bridge");
        let (http, udp) = (free_tcp_port(), free_udp_port());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jvb.conf");
        let configuration = format!(
            "videobridge {{ ice.udp.port = {udp}, apis.rest.enabled = true\n\
             http-servers.private {{ host = \"127.0.0.1\", port = {http} }}\n\
             health.require-valid-address = false }}\n\
             ice4j.harvest {{ use-loopback-addresses = true, allowed-interfaces = [\"lo\"]\n\
             use-ipv6 = false }}\n{extra}"
        );
        std::fs::write(&file, configuration).unwrap();
        let process = Command::new(binary)
            .arg("--config")
            .arg(&file)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let bridge = Self { process, http, udp, _directory: directory };
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok() {
                return bridge;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the bridge does not listen");
    }

    /// A small run.
    pub fn arguments(&self, scenario: Scenario) -> Arguments {
        Arguments {
            receivers: 5,
            participants: 4,
            duration: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            pid: Some(self.process.id()),
            ..Arguments::new(format!("http://127.0.0.1:{}", self.http).parse().unwrap(), scenario)
        }
    }

    /// The sum of all metrics whose name begins with `prefix`.
    pub fn metric(&self, prefix: &str) -> f64 {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http)).unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let samples = answer.lines().filter(|line| line.starts_with(prefix));
        let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let values: Vec<f64> = values.collect();
        assert!(!values.is_empty(), "no metric {prefix}");
        values.iter().sum()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_tcp_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn free_udp_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
