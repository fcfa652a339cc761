use std::time::Duration;

/// How much the demo takes on. It is for a few people on one machine, not a service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rooms at a time.
    pub rooms: usize,
    /// Participants in one room. Each gets two sections per other participant, which a browser
    /// negotiates in a time that grows with the square.
    pub participants: usize,
    /// How long one long poll waits for news. Below the 30 s after which proxies give up.
    pub poll: Duration,
    /// A page that has not polled for this long has vanished. A reload takes about a second, a page
    /// in the background polls at least once a second.
    pub vanished_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 32,
            participants: 12,
            poll: Duration::from_secs(20),
            vanished_after: Duration::from_secs(8),
        }
    }
}
