//! Who fell silent, and what clients are told of it and of their own connection (JVB:
//! `EndpointConnectionStatusMonitor`, `Endpoint` for `ConnectionStats`).

use crate::conference::Conference;
use crate::timers::Timer;
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, ConnectionStats, EndpointConnectivityStatusChangeEvent,
};
use bridge_units::{EndpointId, SessionId, Timestamp};

impl Conference {
    /// Begins to look after a new endpoint.
    pub(crate) fn watch(&mut self, now: Timestamp, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        if let Some(interval) = self.environment.settings.connection_stats_interval {
            self.timers.set(Timer::ConnectionStats(endpoint.session), now + interval);
        }
        if !endpoint.traits.visitor {
            self.connectivity.add_endpoint(now, id.clone());
            self.wait_for_connectivity();
        }
    }

    pub(crate) fn unwatch(&mut self, id: &EndpointId) {
        self.connectivity.remove_endpoint(id);
        self.wait_for_connectivity();
    }

    /// Time to look who fell silent or came back; everybody is told, also the one concerned.
    pub(crate) fn check_connectivity(&mut self, now: Timestamp) {
        for change in self.connectivity.handle_timeout(now) {
            if change.is_active {
                self.counters.endpoints_reconnected += 1;
            } else if change.is_counted {
                self.counters.endpoints_disconnected += 1;
            }
            self.send_to_all(&status(&change.endpoint, change.is_active));
        }
        self.wait_for_connectivity();
    }

    /// Who is silent now, for a channel that opens.
    pub(crate) fn send_inactive(&mut self, id: &EndpointId) {
        let inactive: Vec<_> = self.connectivity.inactive().cloned().collect();
        for subject in inactive {
            self.send(id, &status(&subject, false));
        }
    }

    /// Time to tell a client its bandwidth, if it is known.
    pub(crate) fn send_connection_stats(&mut self, now: Timestamp, session: SessionId) {
        let Some(interval) = self.environment.settings.connection_stats_interval else { return };
        self.timers.set(Timer::ConnectionStats(session), now + interval);
        let Some(id) = self.sessions.get(&session).cloned() else { return };
        let estimate = self.endpoints.get(&id).and_then(|endpoint| endpoint.video.estimate);
        if let Some(estimate) = estimate.filter(|_| self.has_channel(&id)) {
            let estimated_downlink_bandwidth = i64::try_from(estimate.bps()).unwrap_or(i64::MAX);
            let stats = ConnectionStats { estimated_downlink_bandwidth };
            self.send(&id, &BridgeChannelMessage::ConnectionStats(stats));
        }
    }

    fn wait_for_connectivity(&mut self) {
        match self.connectivity.poll_timeout() {
            Some(at) => self.timers.set(Timer::Connectivity, at),
            None => self.timers.clear(Timer::Connectivity),
        }
    }
}

fn status(endpoint: &EndpointId, active: bool) -> BridgeChannelMessage {
    let event = EndpointConnectivityStatusChangeEvent { endpoint: endpoint.to_string(), active };
    BridgeChannelMessage::EndpointConnectivityStatusChangeEvent(event)
}
