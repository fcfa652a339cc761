//! The bridge channel: what endpoints say, and what goes to whom (JVB: `EndpointMessageTransport`,
//! `Conference.handleEndpointMessage`).

use crate::conference::Conference;
use crate::endpoint::Endpoint;
use bridge_signaling::VideoType;
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, EndpointMessage, EndpointStats, MessageError, ServerHello,
};
use bridge_units::EndpointId;
use std::sync::Arc;

impl Conference {
    /// The peer opened its data channel: it is told the current state, in JVB's order. A data
    /// channel gets no unsolicited `ServerHello`, unlike a WebSocket.
    pub(crate) fn handle_channel_opened(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.progress.channel_open = true;
        self.senders.repeat(id);
        self.tell_senders();
        self.send_forwarded_sources(id);
        self.send_all_source_maps(id);
        self.send_inactive(id);
        self.send_speakers(id);
    }

    /// One text message. What cannot be read is dropped and counted; the channel stays.
    pub(crate) fn handle_channel_message(&mut self, id: &EndpointId, text: &str) {
        let message = match BridgeChannelMessage::parse(text) {
            Ok(message) => message,
            Err(MessageError::UnknownClass) => {
                self.counters.messages_unknown_class += 1;
                return;
            }
            Err(error) => {
                self.counters.messages_malformed += 1;
                tracing::debug!(endpoint = %id, %error, "bridge channel message dropped");
                return;
            }
        };
        self.counters.messages_received += 1;
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            endpoint.messages.note_received(&message);
        }
        match message {
            BridgeChannelMessage::EndpointMessage(message) => {
                self.route_endpoint_message(id, message);
            }
            BridgeChannelMessage::EndpointStats(stats) => self.route_endpoint_stats(id, stats),
            BridgeChannelMessage::SourceVideoTypeMessage(message) => {
                self.set_video_type(id, &message.source_name, message.video_type);
            }
            BridgeChannelMessage::VideoTypeMessage(message) => {
                let name = format!("{id}-v0");
                self.set_video_type(id, &name, message.video_type);
            }
            BridgeChannelMessage::ClientHello => {
                let version = self.environment.settings.announced_version.clone();
                self.send(id, &BridgeChannelMessage::ServerHello(ServerHello { version }));
            }
            wish => self.note_wish(id, wish),
        }
    }

    /// What a client wants to receive, which is kept for the allocation; whatever else only bridges
    /// send is ignored.
    fn note_wish(&mut self, id: &EndpointId, message: BridgeChannelMessage) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        match message {
            BridgeChannelMessage::LastNChangedEvent(event) => {
                endpoint.wishes.set_last_n(event.last_n);
                self.apply_wishes(id);
            }
            BridgeChannelMessage::ReceiverVideoConstraints(constraints) => {
                let config = &self.environment.settings.allocation;
                endpoint.wishes.set_constraints(constraints, config);
                self.apply_wishes(id);
            }
            BridgeChannelMessage::ReceiverAudioSubscription(subscription) => {
                endpoint.wishes.set_audio(subscription);
                self.select_audio(id);
                self.refresh_heard();
            }
            _ => self.counters.messages_ignored += 1,
        }
    }

    fn route_endpoint_message(&mut self, sender: &EndpointId, mut message: EndpointMessage) {
        if self.is_visitor(sender) {
            self.counters.messages_ignored += 1;
            return;
        }
        message.from = Some(sender.as_str().to_owned());
        if message.is_broadcast() {
            self.send_to_others(sender, &BridgeChannelMessage::EndpointMessage(message));
            return;
        }
        match EndpointId::new(&message.to).filter(|to| self.endpoints.contains_key(to)) {
            Some(to) => self.send(&to, &BridgeChannelMessage::EndpointMessage(message)),
            None => self.counters.messages_ignored += 1,
        }
    }

    /// Statistics go to those who pay attention to the sender, which is everybody as long as not
    /// only the loudest are heard.
    fn route_endpoint_stats(&mut self, sender: &EndpointId, mut stats: EndpointStats) {
        if self.is_visitor(sender) {
            self.counters.messages_ignored += 1;
            return;
        }
        stats.from = Some(sender.as_str().to_owned());
        let message = BridgeChannelMessage::EndpointStats(stats);
        let others = self.endpoints.values().filter(|endpoint| endpoint.id != *sender);
        let concerned = others.filter(|receiver| self.wants_stats(receiver, sender));
        let ids: Vec<_> = concerned.map(|endpoint| endpoint.id.clone()).collect();
        self.send_to_each(&ids, &message);
    }

    /// JVB: `Endpoint.wantsStatsFrom`.
    fn wants_stats(&self, receiver: &Endpoint, sender: &EndpointId) -> bool {
        if self.endpoints.len() <= self.environment.settings.stats_filter_threshold
            || self.speakers.is_recent_or_heard(sender)
        {
            return true;
        }
        let mut sent = self.endpoints.get(sender).into_iter().flat_map(|e| e.sources.iter());
        sent.any(|source| {
            receiver.wishes.has_chosen(&source.name) || receiver.video.wants(source.id)
        })
    }

    /// Would go to relays only, never to clients.
    fn set_video_type(&mut self, id: &EndpointId, source: &str, video_type: VideoType) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        let refused_before = endpoint.sources.refused();
        endpoint.sources.set_video_type(source, video_type);
        self.counters.sources_refused += endpoint.sources.refused() - refused_before;
        self.streams_changed = true;
    }

    fn is_visitor(&self, id: &EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(|endpoint| endpoint.traits.visitor)
    }

    /// Whether a message for `id` would be sent at all.
    pub(crate) fn has_channel(&self, id: &EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(|endpoint| endpoint.progress.channel_open)
    }

    /// To all local endpoints with a channel, visitors included.
    pub(crate) fn send_to_all(&mut self, message: &BridgeChannelMessage) {
        let reachable = self.endpoints.values().filter(|endpoint| endpoint.progress.channel_open);
        let ids: Vec<_> = reachable.map(|endpoint| endpoint.id.clone()).collect();
        self.send_to_each(&ids, message);
    }

    fn send_to_others(&mut self, sender: &EndpointId, message: &BridgeChannelMessage) {
        let others: Vec<_> = self.endpoints.keys().filter(|id| *id != sender).cloned().collect();
        self.send_to_each(&others, message);
    }

    fn send_to_each(&mut self, ids: &[EndpointId], message: &BridgeChannelMessage) {
        let text: Arc<str> = message.to_json_string().into();
        for id in ids {
            self.send_text(id, message, &text);
        }
    }

    pub(crate) fn send(&mut self, id: &EndpointId, message: &BridgeChannelMessage) {
        self.send_text(id, message, &message.to_json_string().into());
    }

    /// A message for an endpoint without channel is lost, as in JVB: state is told again when the
    /// channel opens.
    fn send_text(&mut self, id: &EndpointId, message: &BridgeChannelMessage, text: &Arc<str>) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let sent = endpoint.progress.channel_open && self.queue_message(id, Arc::clone(text));
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        if sent {
            endpoint.messages.note_sent(message);
            self.counters.messages_sent += 1;
        } else {
            endpoint.messages.outgoing_dropped += 1;
            self.counters.messages_dropped += 1;
        }
    }
}
