//! The `openssl` command as a peer, over a loopback socket and real time.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, atomic};
use std::time::{Duration, Instant};

use bridge_dtls::{
    DtlsContext, DtlsError, DtlsEvent, DtlsRole, DtlsSession, DtlsVersion, Fingerprint,
    FingerprintHash, KeyingMaterial, Profile,
};
use bridge_units::Timestamp;
use openssl::x509::X509;

/// Whether the tests can run; says so if not.
pub(crate) fn is_installed() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: the command `openssl` is not installed");
    }
    found
}

/// A certificate of the peer in a directory of its own, removed when dropped.
pub(crate) struct PeerCertificate {
    directory: PathBuf,
    pub(crate) fingerprint: Fingerprint,
}

/// `openssl s_client` or `s_server`.
pub(crate) struct Peer {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// A session of ours with its socket.
pub(crate) struct Ours {
    pub(crate) session: DtlsSession,
    pub(crate) connected: Option<(DtlsVersion, KeyingMaterial)>,
    pub(crate) received: Vec<u8>,
    pub(crate) error: Option<DtlsError>,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    begin: Instant,
}

impl PeerCertificate {
    /// `request` are the arguments that choose key and signature.
    pub(crate) fn generate(request: &[&str]) -> Self {
        static NEXT: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
        let name = format!("bridge-dtls-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).expect("a temporary directory");
        let output = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=peer", "-days", "2"])
            .args(request)
            .arg("-keyout")
            .arg(directory.join("key.pem"))
            .arg("-out")
            .arg(directory.join("cert.pem"))
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let pem = std::fs::read(directory.join("cert.pem")).expect("written");
        let der = X509::from_pem(&pem).and_then(|x509| x509.to_der()).expect("a certificate");
        Self { directory, fingerprint: Fingerprint::of(&der, FingerprintHash::Sha256) }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }
}

impl Drop for PeerCertificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Peer {
    /// A client of the server at `port`.
    pub(crate) fn client(port: u16, certificate: &PeerCertificate, profile: Profile) -> Self {
        let connect = format!("127.0.0.1:{port}");
        Self::run(&["s_client", "-connect", &connect], certificate, profile)
    }

    /// A server at `port` that insists on a certificate.
    pub(crate) fn server(port: u16, certificate: &PeerCertificate, profile: Profile) -> Self {
        let accept = format!("127.0.0.1:{port}");
        let mut peer =
            Self::run(&["s_server", "-accept", &accept, "-Verify", "1"], certificate, profile);
        peer.wait_for("ACCEPT");
        peer
    }

    fn run(role: &[&str], certificate: &PeerCertificate, profile: Profile) -> Self {
        let path = |path: &Path| path.to_str().expect("plain path").to_owned();
        let mut child = Command::new("openssl")
            .args(role)
            .args(["-dtls1_2", "-cipher", "DEFAULT@SECLEVEL=0"])
            .args(["-cert", &path(&certificate.certificate())])
            .args(["-key", &path(&certificate.key())])
            .args(["-use_srtp", command_line_name(profile)])
            .args(["-keymatexport", "EXTRACTOR-dtls_srtp"])
            .args(["-keymatexportlen", &profile.exporter_len().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the peer reads");
    }

    /// The rest of a line that has been printed and begins so.
    pub(crate) fn printed(&mut self, start: &str) -> Option<String> {
        self.seen.extend(self.lines.try_iter());
        let line = self.seen.iter().map(|line| line.trim()).find(|line| line.starts_with(start))?;
        line.strip_prefix(start).map(str::to_owned)
    }

    fn wait_for(&mut self, start: &str) {
        let said = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            self.printed(start).is_some()
        });
        assert!(said, "the peer did not say {start}: {:?}", self.seen);
    }

    /// What it says that it exported, once it has.
    pub(crate) fn keying(
        &mut self,
        profile: Profile,
        our_role: DtlsRole,
    ) -> Option<KeyingMaterial> {
        let hex = self.printed("Keying material: ")?;
        let block: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
            .collect();
        KeyingMaterial::from_exporter(profile, &block, our_role).ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ours {
    /// `server_port` is the peer's, if we are client.
    #[expect(clippy::disallowed_methods, reason = "a real peer lives in real time")]
    pub(crate) fn new(
        context: &Arc<DtlsContext>,
        role: DtlsRole,
        peer_certificate: &PeerCertificate,
        server_port: Option<u16>,
    ) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        socket.set_read_timeout(Some(Duration::from_millis(10))).expect("settable");
        let certificate = crate::certificate();
        let mut session = DtlsSession::new(Timestamp::ZERO, Arc::clone(context), certificate, role)
            .expect("session begins");
        session.set_remote_fingerprints(vec![peer_certificate.fingerprint.clone()]);
        Self {
            session,
            connected: None,
            received: Vec::new(),
            error: None,
            socket,
            peer: server_port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            begin: Instant::now(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// Runs until `done` or ten seconds are over.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let limit = self.now() + Duration::from_secs(10);
        while !done(self) && self.now() < limit {
            self.step();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.begin.elapsed()
    }

    fn step(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some(len) = self.session.poll_transmit(&mut buffer) {
            if let Some(peer) = self.peer {
                // A peer that is not there yet or any more is as good as a lossy network.
                let _ = self.socket.send_to(&buffer[..len], peer);
            }
        }
        if let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            self.peer = Some(from);
            let result = self.session.handle_datagram(self.now(), &buffer[..len]);
            self.note(result);
        }
        let result = self.session.handle_timeout(self.now());
        self.note(result);
        while let Some(event) = self.session.poll_event() {
            match event {
                DtlsEvent::Connected { version, keying } => {
                    self.connected = Some((version, keying));
                }
                DtlsEvent::ApplicationData(data) => self.received.extend(data),
                DtlsEvent::Closed => {}
            }
        }
    }

    fn note(&mut self, result: Result<(), DtlsError>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }
}

const fn command_line_name(profile: Profile) -> &'static str {
    match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        Profile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        Profile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_SHA1_80",
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    socket.local_addr().expect("bound").port()
}
