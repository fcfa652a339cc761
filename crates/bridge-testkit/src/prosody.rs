//! A real Prosody, configured like the internal one of a Jitsi deployment, for tests.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// A Prosody with its own directory and ephemeral port on the loopback address. Ends with the
/// value, and its directory is removed.
///
/// - accounts [`JVB`] and [`FOCUS`] on [`AUTH_DOMAIN`];
/// - the brewery room [`BREWERY`] on the component [`INTERNAL_MUC`], which only accounts of
///   [`AUTH_DOMAIN`] may enter;
/// - anonymous logins on [`DOMAIN`] and rooms on [`CONFERENCE_MUC`], for clients.
#[derive(Debug)]
pub struct Prosody {
    directory: PathBuf,
    options: ProsodyOptions,
    port: u16,
    process: Option<Child>,
}

impl Prosody {
    /// Starts with the options of a usual deployment.
    ///
    /// # Errors
    ///
    /// See [`Prosody::start_with`].
    pub fn start() -> io::Result<Self> {
        Self::start_with(ProsodyOptions::default())
    }

    /// Starts and waits until connections are accepted.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written, `prosody` or `openssl` is not installed, or nothing
    /// listens after ten seconds.
    pub fn start_with(options: ProsodyOptions) -> io::Result<Self> {
        let directory = fresh_directory()?;
        let port = free_port()?;
        let mut prosody = Self { directory, options, port, process: None };
        prosody.write_certificate()?;
        prosody.write_account(&JVB)?;
        prosody.write_account(&FOCUS)?;
        prosody.write_configuration()?;
        prosody.start_process()?;
        Ok(prosody)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The file with the self-signed certificate of all hosts, as PEM.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("server.crt")
    }

    /// What Prosody logged since the start, restarts included.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("prosody.log")).unwrap_or_default()
    }

    /// Stops in an orderly way: streams are closed.
    ///
    /// # Errors
    ///
    /// When the process cannot be signalled.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        Command::new("kill").arg(process.id().to_string()).status()?;
        for _ in 0..POLLS {
            if process.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(POLL_PAUSE);
        }
        process.kill()?;
        process.wait().map(drop)
    }

    /// Kills it: connections break.
    ///
    /// # Errors
    ///
    /// When the process cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.kill()?;
        process.wait().map(drop)
    }

    /// Starts again after [`Prosody::stop`] or [`Prosody::kill`], on the same port.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_process(&mut self) -> io::Result<()> {
        let output =
            File::options().create(true).append(true).open(self.directory.join("output.log"))?;
        let process = Command::new("prosody")
            .args(["-F", "--config"])
            .arg(self.directory.join("prosody.cfg.lua"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        self.process = Some(process);
        for _ in 0..POLLS {
            if TcpStream::connect(self.address()).is_ok() {
                return Ok(());
            }
            sleep(POLL_PAUSE);
        }
        let output = fs::read_to_string(self.directory.join("output.log")).unwrap_or_default();
        Err(io::Error::other(format!("prosody does not listen: {output}")))
    }

    fn write_certificate(&self) -> io::Result<()> {
        let names = [DOMAIN, AUTH_DOMAIN, INTERNAL_MUC, CONFERENCE_MUC];
        let names: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let status = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext"])
            .arg(format!("subjectAltName={}", names.join(",")))
            .arg("-keyout")
            .arg(self.directory.join("server.key"))
            .arg("-out")
            .arg(self.certificate())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("openssl failed")) }
    }

    /// The plain password is hashed by Prosody with the first login.
    fn write_account(&self, account: &Account) -> io::Result<()> {
        let directory =
            self.directory.join("data").join(AUTH_DOMAIN.replace('.', "%2e")).join("accounts");
        fs::create_dir_all(&directory)?;
        fs::write(
            directory.join(format!("{}.dat", account.username)),
            format!("return {{ [\"password\"] = \"{}\"; }};\n", account.password),
        )
    }

    fn write_configuration(&self) -> io::Result<()> {
        let directory = self.directory.display();
        let port = self.port;
        let require_tls = self.options.require_tls;
        let tls = if self.options.tls { "\"tls\";" } else { "" };
        let smacks = if self.options.stream_management { "\"smacks\";" } else { "" };
        let nodelay = self.options.tcp_nodelay;
        let public_jids = self.options.public_jids;
        let room_locking = self.options.room_locking;
        let configuration = format!(
            r#"
run_as_root = true
pidfile = "{directory}/prosody.pid"
data_path = "{directory}/data"
log = {{ debug = "{directory}/prosody.log" }}
certificates = "{directory}"
modules_enabled = {{ "roster"; "saslauth"; {tls} "disco"; "ping"; {smacks} }}
modules_disabled = {{ "s2s"; "offline"; }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
c2s_require_encryption = {require_tls}
allow_unencrypted_plain_auth = true
smacks_hibernation_time = 15
network_settings = {{ tcp_nodelay = {nodelay} }}
storage = {{ accounts = "internal"; roster = "memory"; muc = "memory" }}
default_storage = "memory"
ssl = {{ key = "{directory}/server.key"; certificate = "{directory}/server.crt" }}
admins = {{ "{jvb}@{AUTH_DOMAIN}"; "{focus}@{AUTH_DOMAIN}" }}

VirtualHost "{DOMAIN}"
    authentication = "anonymous"

VirtualHost "{AUTH_DOMAIN}"
    authentication = "internal_hashed"

Component "{INTERNAL_MUC}" "muc"
    muc_room_locking = {room_locking}
    muc_room_default_public_jids = {public_jids}
    restrict_room_creation = true

Component "{CONFERENCE_MUC}" "muc"
    muc_room_locking = false
    muc_room_default_public_jids = true
"#,
            jvb = JVB.username,
            focus = FOCUS.username,
        );
        fs::write(self.directory.join("prosody.cfg.lua"), configuration)
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        // Nothing is left to tell of a failure to.
        drop(self.kill());
        drop(fs::remove_dir_all(&self.directory));
    }
}

/// How Prosody is configured.
#[derive(Clone, Copy, Debug)]
pub struct ProsodyOptions {
    /// Whether TLS is offered.
    pub tls: bool,
    /// Whether TLS is demanded.
    pub require_tls: bool,
    /// Whether streams can be resumed (XEP-0198), for 15 s.
    pub stream_management: bool,
    /// Whether small writes are sent at once.
    pub tcp_nodelay: bool,
    /// Whether occupants of new rooms see one another's JIDs unless the owner says otherwise.
    pub public_jids: bool,
    /// Whether a new room is closed until its owner configured it.
    pub room_locking: bool,
}

impl Default for ProsodyOptions {
    /// As in a deployment with containers, but a focus may log in without TLS.
    fn default() -> Self {
        Self {
            tls: true,
            require_tls: false,
            stream_management: true,
            tcp_nodelay: false,
            public_jids: true,
            room_locking: false,
        }
    }
}

/// A user that can log in.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// The local part of the JID; the domain is [`AUTH_DOMAIN`].
    pub username: &'static str,
    /// The password.
    pub password: &'static str,
}

/// The account of all bridges.
pub const JVB: Account = Account { username: "jvb", password: "jvb-secret" };
/// The account of the focus.
pub const FOCUS: Account = Account { username: "focus", password: "focus-secret" };
/// Where clients log in.
pub const DOMAIN: &str = "meet.localhost";
/// Where bridges and focus log in.
pub const AUTH_DOMAIN: &str = "auth.meet.localhost";
/// The component with the brewery.
pub const INTERNAL_MUC: &str = "internal.auth.meet.localhost";
/// The component with the rooms of the clients.
pub const CONFERENCE_MUC: &str = "conference.meet.localhost";
/// The room in which bridges show up.
pub const BREWERY: &str = "jvbbrewery@internal.auth.meet.localhost";

fn fresh_directory() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory: &Path = &std::env::temp_dir();
    let directory = directory.join(format!("bridge-prosody-{}-{number}", std::process::id()));
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Ten seconds for starting and stopping.
const POLLS: u32 = 200;
const POLL_PAUSE: Duration = Duration::from_millis(50);
