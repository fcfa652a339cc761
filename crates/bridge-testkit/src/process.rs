use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::TestkitError;

/// A program that is killed with the test, with its last lines of output.
pub struct ChildProcess {
    name: String,
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
    count: watch::Receiver<usize>,
}

impl ChildProcess {
    /// Starts `command` and reads along what it prints.
    pub fn start(name: &str, mut command: Command) -> Result<Self, TestkitError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.kill_on_drop(true).spawn();
        let mut child =
            spawned.map_err(|source| TestkitError::Start { program: name.to_owned(), source })?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, count) = watch::channel(0);
        let sender = Arc::new(sender);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_along(stdout, Arc::clone(&lines), Arc::clone(&sender)));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read_along(stderr, Arc::clone(&lines), sender));
        }
        Ok(Self { name: name.to_owned(), child, lines, count })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The last lines that it printed.
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().fold(String::new(), |all, line| all + line + "\n")
    }

    /// Waits for a line for which `pick` has a value.
    pub async fn wait_for_line<T>(
        &mut self,
        pick: impl Fn(&str) -> Option<T>,
        patience: Duration,
    ) -> Result<T, TestkitError> {
        let ended =
            |output: String| TestkitError::Ended { program: self.name.clone(), detail: output };
        let mut count = self.count.clone();
        let search = async {
            loop {
                if let Some(value) = self.output().lines().find_map(&pick) {
                    return Ok(value);
                }
                if count.changed().await.is_err() {
                    return Err(ended(self.output()));
                }
            }
        };
        let timeout = || TestkitError::Timeout {
            what: format!("the line of {} that was waited for", self.name),
            patience,
        };
        tokio::time::timeout(patience, search).await.map_err(|_| timeout())?
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().await;
    }

    /// Asks it to end as a service supervisor does, and returns its exit code.
    pub async fn terminate(&mut self, patience: Duration) -> Result<Option<i32>, TestkitError> {
        if let Some(id) = self.child.id() {
            let kill = Command::new("kill").arg("-TERM").arg(id.to_string()).status().await;
            kill.map_err(TestkitError::io("kill"))?;
        }
        let what = format!("the end of {}", self.name);
        let status = tokio::time::timeout(patience, self.child.wait())
            .await
            .map_err(|_| TestkitError::Timeout { what, patience })?;
        Ok(status.map_err(TestkitError::io(&self.name))?.code())
    }
}

async fn read_along(
    pipe: impl AsyncRead + Unpin,
    lines: Arc<Mutex<VecDeque<String>>>,
    count: Arc<watch::Sender<usize>>,
) {
    let mut reader = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        count.send_modify(|count| *count += 1);
    }
}

/// Enough to see why a program ended.
const MAX_LINES: usize = 2_000;
