//! A bridge process on loopback, and a small HTTP client.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "these tests run a real process in real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A bridge that is up; killed when dropped.
pub struct Bridge {
    child: Child,
    _config: NamedTempFile,
    pub http_port: u16,
    pub udp_port: u16,
}

/// What an HTTP request was answered with.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Bridge {
    /// Starts a bridge with `extra` configuration and waits until it answers.
    pub fn start(extra: &str) -> Self {
        let (http_port, udp_port) = (free_tcp_port(), free_udp_port());
        let config = config_file(&format!(
            r#"videobridge {{
                ice.udp.port = {udp_port}
                apis.rest.enabled = true
                http-servers.private {{ host = "127.0.0.1", port = {http_port} }}
                health.require-valid-address = false
            }}
            ice4j.harvest {{
                use-loopback-addresses = true
                allowed-interfaces = ["lo"]
                use-ipv6 = false
            }}
            {extra}"#
        ));
        let child = program()
            .arg("--config")
            .arg(config.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary was built");
        let bridge = Self { child, _config: config, http_port, udp_port };
        bridge.wait_until_up();
        bridge
    }

    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], "")
    }

    pub fn post_json(&self, path: &str, body: &str) -> Response {
        self.request("POST", path, &["Content-Type: application/json"], body)
    }

    pub fn patch_json(&self, path: &str, body: &str) -> Response {
        self.request("PATCH", path, &["Content-Type: application/json"], body)
    }

    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port)).expect("it listens");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Response {
            status: status.expect("a status line"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Sends a signal by its name and waits for the end.
    pub fn signal(mut self, name: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .expect("kill is part of every system");
        assert!(sent.success());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process is still there.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// The value of a counter or gauge in `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).expect("the metric exists")
    }

    fn wait_until_up(&self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.http_port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "it does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(self.get("/about/health").status, 200);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary under test, with no environment of the caller's.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_videobridge"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A file with this text.
pub fn config_file(text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".conf").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

/// Runs to the end; exit code and standard error.
pub fn run(arguments: &[&str]) -> (i32, String) {
    let output =
        program().args(arguments).stderr(Stdio::piped()).output().expect("the binary was built");
    let error = BufReader::new(&output.stderr[..]).lines().map_while(Result::ok);
    (output.status.code().unwrap_or(-1), error.collect::<Vec<_>>().join("\n"))
}

fn free_tcp_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("it is bound").port()
}
