//! A shard's thread whose end does not go unnoticed.

use bridge_units::ShardId;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Called by the thread of a shard that ends without having been stopped: its sessions are lost, and
/// whatever other threads still send to it.
pub type DeathNotice = Arc<dyn Fn(ShardId) + Send + Sync>;

/// Tells all threads to end.
#[derive(Clone, Default)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

/// A started thread.
pub(crate) struct WatchedThread {
    handle: Option<JoinHandle<()>>,
    running: Arc<AtomicBool>,
}

impl StopFlag {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl WatchedThread {
    /// Runs `work` until it returns, which it shall do only when `stop` is set.
    pub(crate) fn spawn(
        shard: ShardId,
        stop: StopFlag,
        on_death: Option<DeathNotice>,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let running = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&running);
        let handle =
            std::thread::Builder::new().name(format!("shard-{}", shard.0)).spawn(move || {
                let panicked = catch_unwind(AssertUnwindSafe(work)).is_err();
                seen.store(false, Ordering::Release);
                if panicked || !stop.is_set() {
                    tracing::error!(
                        shard = shard.0,
                        panicked,
                        "a shard's thread has died, its sessions are lost"
                    );
                    if let Some(tell) = on_death {
                        tell(shard);
                    }
                }
            })?;
        Ok(Self { handle: Some(handle), running })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Waits for its end. A panic has been told already.
    pub(crate) fn join(&mut self) {
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn watched(
        work: impl FnOnce(&StopFlag) + Send + 'static,
    ) -> (WatchedThread, StopFlag, mpsc::Receiver<ShardId>) {
        let (notice, notices) = mpsc::channel();
        let on_death: DeathNotice = Arc::new(move |shard| {
            let _ = notice.send(shard);
        });
        let stop = StopFlag::default();
        let seen = stop.clone();
        let work = move || work(&seen);
        let thread = WatchedThread::spawn(ShardId(3), stop.clone(), Some(on_death), work).unwrap();
        (thread, stop, notices)
    }

    #[test]
    fn a_panic_is_told() {
        let (mut thread, _, notices) = watched(|_| panic!("on purpose"));
        assert_eq!(notices.recv(), Ok(ShardId(3)));
        assert!(!thread.is_running());
        thread.join();
    }

    #[test]
    fn so_is_an_end_that_nobody_asked_for() {
        let (_thread, _, notices) = watched(|_| ());
        assert_eq!(notices.recv(), Ok(ShardId(3)));
    }

    #[test]
    fn a_stop_is_not() {
        let (mut thread, stop, notices) = watched(|stop| {
            while !stop.is_set() {
                std::thread::yield_now();
            }
        });
        assert!(thread.is_running());
        stop.set();
        thread.join();
        assert!(!thread.is_running());
        assert!(notices.recv().is_err(), "dropped unused");
    }
}
