use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bridge_units::Timestamp;

use super::MAX_SPEAKERS;

/// Which endpoints of a conference have lost their connection (JVB:
/// `EndpointConnectionStatusMonitor`).
///
/// Follows local endpoints that are not visitors. Activity is a received RTP or RTCP packet or a
/// confirmed consent check of the connection in use, not a message.
#[derive(Clone, Debug)]
pub struct EndpointConnectivity<K> {
    config: ConnectivityConfig,
    endpoints: BTreeMap<K, Activity>,
    inactive: BTreeSet<K>,
    /// Inactive ones that left, oldest first: announced when they come back.
    left: VecDeque<K>,
    next_check: Option<Timestamp>,
}

/// Settings, `videobridge.ep-connection-status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectivityConfig {
    /// How long a new endpoint may take for its first packet.
    pub first_transfer_timeout: Duration,
    /// How long an endpoint may send nothing.
    pub max_inactivity_limit: Duration,
    /// How often that is checked.
    pub check_interval: Duration,
}

impl Default for ConnectivityConfig {
    fn default() -> Self {
        Self {
            first_transfer_timeout: Duration::from_secs(15),
            max_inactivity_limit: Duration::from_secs(8),
            check_interval: Duration::from_millis(500),
        }
    }
}

/// An endpoint's connection was lost or is back: to be told to all endpoints, itself included, and
/// to all relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectivityChange<K> {
    /// Whose.
    pub endpoint: K,
    /// Whether it is connected now.
    pub is_active: bool,
    /// Whether it was active before: one that never connected does not count as disconnected.
    pub is_counted: bool,
}

/// Inactive endpoints that left and are remembered in case they come back. JVB keeps all.
pub const MAX_LOST_REMEMBERED: usize = 1_024;

impl<K: Clone + Ord> EndpointConnectivity<K> {
    /// Of an empty conference.
    pub const fn new(config: ConnectivityConfig) -> Self {
        Self {
            config,
            endpoints: BTreeMap::new(),
            inactive: BTreeSet::new(),
            left: VecDeque::new(),
            next_check: None,
        }
    }

    /// A local endpoint was created that is not a visitor. False if there are [`MAX_SPEAKERS`].
    pub fn add_endpoint(&mut self, now: Timestamp, endpoint: K) -> bool {
        if self.endpoints.len() >= MAX_SPEAKERS {
            return false;
        }
        self.left.retain(|other| *other != endpoint);
        self.endpoints.insert(endpoint, Activity { created: now, last: None });
        self.next_check.get_or_insert(now + self.config.check_interval);
        true
    }

    /// An endpoint left. Nothing is announced; if it was inactive and comes back, that will be.
    pub fn remove_endpoint(&mut self, endpoint: &K) {
        let was_known = self.endpoints.remove(endpoint).is_some();
        if was_known && self.inactive.contains(endpoint) {
            if self.left.len() >= MAX_LOST_REMEMBERED
                && let Some(oldest) = self.left.pop_front()
            {
                self.inactive.remove(&oldest);
            }
            self.left.push_back(endpoint.clone());
        }
        if self.endpoints.is_empty() {
            self.next_check = None;
        }
    }

    /// An endpoint was last active at a time.
    pub fn handle_activity(&mut self, endpoint: &K, at: Timestamp) {
        if let Some(activity) = self.endpoints.get_mut(endpoint) {
            activity.last = activity.last.max(Some(at));
        }
    }

    /// Checks all endpoints if it is time to, and answers whose connection changed.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Vec<ConnectivityChange<K>> {
        if self.next_check.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.next_check = Some(now + self.config.check_interval);
        let mut changes = Vec::new();
        for (endpoint, activity) in &self.endpoints {
            let Some(is_active) = activity.is_active(now, &self.config) else { continue };
            let is_changed = if is_active {
                self.inactive.remove(endpoint)
            } else {
                self.inactive.insert(endpoint.clone())
            };
            if is_changed {
                let is_counted = activity.last.is_some();
                changes.push(ConnectivityChange {
                    endpoint: endpoint.clone(),
                    is_active,
                    is_counted,
                });
            }
        }
        changes
    }

    /// When to check next; `None` without endpoints.
    pub const fn poll_timeout(&self) -> Option<Timestamp> {
        self.next_check
    }

    /// The endpoints of the conference that are inactive: what a new client is told.
    pub fn inactive(&self) -> impl Iterator<Item = &K> {
        self.inactive.iter().filter(|endpoint| self.endpoints.contains_key(*endpoint))
    }
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    created: Timestamp,
    last: Option<Timestamp>,
}

impl Activity {
    /// `None` while it is too early to tell.
    fn is_active(self, now: Timestamp, config: &ConnectivityConfig) -> Option<bool> {
        match self.last {
            Some(last) => Some(now.since(last) <= config.max_inactivity_limit),
            None if now.since(self.created) > config.first_transfer_timeout => Some(false),
            None => None,
        }
    }
}
