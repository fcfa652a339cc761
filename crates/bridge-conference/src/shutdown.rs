//! Leaving in good order: JVB's `ShutdownManager`.

use bridge_units::Timestamp;
use std::time::Duration;

/// How far the bridge is on its way out. There is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownState {
    /// Serves.
    Running,
    /// Takes no new conferences and waits for the participants to leave.
    GracefulShutdown,
    /// About to exit; Jicofo moves away what is left.
    ShuttingDown,
}

/// The shutdown keys of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownTimes {
    /// `shutdown.graceful-shutdown-max-duration`.
    pub graceful_max: Duration,
    /// `shutdown.graceful-shutdown-min-participants`: with so many local endpoints or fewer a
    /// graceful shutdown goes on.
    pub graceful_min_participants: usize,
    /// `shutdown.shutting-down-delay`: gives Jicofo time to see the state.
    pub shutting_down_delay: Duration,
}

/// The state machine. Asks for an exit by [`Shutdown::is_due`].
#[derive(Clone, Debug)]
pub struct Shutdown {
    times: ShutdownTimes,
    state: ShutdownState,
    graceful: bool,
    deadline: Option<Timestamp>,
    due: bool,
}

impl Default for ShutdownTimes {
    fn default() -> Self {
        Self {
            graceful_max: Duration::from_secs(24 * 60 * 60),
            graceful_min_participants: 0,
            shutting_down_delay: Duration::from_secs(60),
        }
    }
}

impl Shutdown {
    /// Running.
    pub fn new(times: ShutdownTimes) -> Self {
        Self { times, state: ShutdownState::Running, graceful: false, deadline: None, due: false }
    }

    /// REST `graceful-shutdown: true`, with the local endpoints that there are now.
    pub fn request_graceful(&mut self, now: Timestamp, local_endpoints: usize) {
        if self.state == ShutdownState::Running {
            self.state = ShutdownState::GracefulShutdown;
            self.graceful = true;
            self.deadline = Some(now + self.times.graceful_max);
        }
        self.handle_endpoint_count(now, local_endpoints);
    }

    /// REST `graceful-shutdown: false`.
    pub fn request_forced(&mut self, now: Timestamp) {
        if self.state != ShutdownState::ShuttingDown {
            self.state = ShutdownState::ShuttingDown;
            self.deadline = Some(now + self.times.shutting_down_delay);
        }
    }

    /// Call it when local endpoints expired, with how many are left (visitors included).
    pub fn handle_endpoint_count(&mut self, now: Timestamp, local_endpoints: usize) {
        let few = local_endpoints <= self.times.graceful_min_participants;
        if self.state == ShutdownState::GracefulShutdown && few {
            self.request_forced(now);
        }
    }

    /// Call it at [`Shutdown::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.state == ShutdownState::GracefulShutdown {
            self.request_forced(now);
        } else {
            self.deadline = None;
            self.due = true;
        }
    }

    /// When to call [`Shutdown::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Where it stands.
    pub fn state(&self) -> ShutdownState {
        self.state
    }

    /// The statistic `graceful_shutdown`: a graceful shutdown was asked for, also when it has
    /// become a final one.
    pub fn is_graceful(&self) -> bool {
        self.graceful
    }

    /// The statistic `shutting_down`.
    pub fn is_shutting_down(&self) -> bool {
        self.state == ShutdownState::ShuttingDown
    }

    /// Whether the process should exit now, with status 0.
    pub fn is_due(&self) -> bool {
        self.due
    }
}

impl ShutdownState {
    /// As `/debug` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::GracefulShutdown => "GRACEFUL_SHUTDOWN",
            Self::ShuttingDown => "SHUTTING_DOWN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn shutdown() -> Shutdown {
        Shutdown::new(ShutdownTimes::default())
    }

    #[test]
    fn graceful_on_an_empty_bridge_exits_after_a_minute() {
        let mut shutdown = shutdown();
        shutdown.request_graceful(NOW, 0);
        assert_eq!(shutdown.state(), ShutdownState::ShuttingDown);
        assert!(shutdown.is_graceful() && shutdown.is_shutting_down());
        shutdown.handle_timeout(NOW + Duration::from_secs(59));
        assert!(!shutdown.is_due());
        shutdown.handle_timeout(NOW + Duration::from_secs(60));
        assert!(shutdown.is_due());
        assert_eq!(shutdown.poll_timeout(), None);
    }

    #[test]
    fn graceful_waits_for_the_last_participant() {
        let mut shutdown = shutdown();
        shutdown.request_graceful(NOW, 2);
        shutdown.handle_endpoint_count(NOW, 1);
        assert_eq!(shutdown.state(), ShutdownState::GracefulShutdown);
        shutdown.handle_endpoint_count(NOW, 0);
        assert_eq!(shutdown.state(), ShutdownState::ShuttingDown);
    }

    #[test]
    fn graceful_gives_up_after_its_longest_time() {
        let mut shutdown = shutdown();
        shutdown.request_graceful(NOW, 2);
        let end = NOW + Duration::from_secs(24 * 60 * 60);
        assert_eq!(shutdown.poll_timeout(), Some(end));
        shutdown.request_graceful(NOW + Duration::from_secs(5), 2);
        assert_eq!(shutdown.poll_timeout(), Some(end), "a second request changes nothing");
        shutdown.handle_timeout(end);
        assert_eq!(shutdown.state(), ShutdownState::ShuttingDown);
        assert!(!shutdown.is_due());
    }

    #[test]
    fn forced_is_not_graceful_and_final() {
        let mut shutdown = shutdown();
        shutdown.request_forced(NOW);
        shutdown.request_graceful(NOW + Duration::from_secs(1), 5);
        assert!(!shutdown.is_graceful());
        assert_eq!(shutdown.state().as_str(), "SHUTTING_DOWN");
        assert_eq!(shutdown.poll_timeout(), Some(NOW + Duration::from_secs(60)));
    }

    #[test]
    fn endpoints_that_leave_a_running_bridge_change_nothing() {
        let mut shutdown = shutdown();
        shutdown.handle_endpoint_count(NOW, 0);
        shutdown.handle_timeout(NOW);
        assert_eq!(shutdown.state(), ShutdownState::Running);
    }
}
