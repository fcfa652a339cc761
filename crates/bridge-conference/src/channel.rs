//! The bridge channel: what endpoints say, and what goes to whom (JVB: `EndpointMessageTransport`,
//! `Conference.handleEndpointMessage`).

use crate::conference::Conference;
use bridge_signaling::VideoType;
use bridge_signaling::bridge_channel::{
    BridgeChannelMessage, EndpointMessage, EndpointStats, ForwardedSources, MessageError,
    ServerHello,
};
use bridge_units::{EndpointId, MediaType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Conference {
    /// The peer opened its data channel: it is told the current state. A data channel gets no
    /// unsolicited `ServerHello`, unlike a WebSocket.
    pub(crate) fn handle_channel_opened(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.progress.channel_open = true;
        self.refresh_forwarded_sources();
        self.send_forwarded_sources(id);
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

    /// Tells everybody who is concerned if the forwarded video sources are no longer those that
    /// were announced.
    pub(crate) fn announce_forwarded_sources(&mut self) {
        let before = self.refresh_forwarded_sources();
        let changed: BTreeSet<&EndpointId> = owners_of_difference(&before, &self.forwarded);
        let concerned = |id: &&EndpointId| changed.iter().any(|owner| owner != id);
        let ids: Vec<_> = self.endpoints.keys().filter(concerned).cloned().collect();
        for id in ids {
            self.send_forwarded_sources(&id);
        }
    }

    /// What a client wants to receive, which is kept for the allocation; whatever else only bridges
    /// send is ignored.
    fn note_wish(&mut self, id: &EndpointId, message: BridgeChannelMessage) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        match message {
            BridgeChannelMessage::LastNChangedEvent(event) => {
                endpoint.wishes.set_last_n(event.last_n);
            }
            BridgeChannelMessage::ReceiverVideoConstraints(constraints) => {
                let defaults = &self.environment.settings.receiver;
                endpoint.wishes.set_constraints(constraints, defaults);
            }
            BridgeChannelMessage::ReceiverAudioSubscription(subscription) => {
                endpoint.wishes.set_audio(subscription);
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

    /// As long as not only the loudest are routed, every receiver wants everybody's statistics.
    fn route_endpoint_stats(&mut self, sender: &EndpointId, mut stats: EndpointStats) {
        if self.is_visitor(sender) {
            self.counters.messages_ignored += 1;
            return;
        }
        stats.from = Some(sender.as_str().to_owned());
        self.send_to_others(sender, &BridgeChannelMessage::EndpointStats(stats));
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

    /// Recomputes which video sources are forwarded and returns what was announced before: those
    /// that are switched on, not muted by force and have a stream. Receivers get all but their own,
    /// since the data plane selects nothing yet.
    fn refresh_forwarded_sources(&mut self) -> BTreeMap<String, EndpointId> {
        let now = self.endpoints.values().filter(|endpoint| !endpoint.force_mute.video).flat_map(
            |endpoint| {
                let sent = endpoint.sources.iter().filter(|source| {
                    source.media == MediaType::Video
                        && source.video_type.is_enabled()
                        && !source.streams.is_empty()
                });
                sent.map(|source| (source.name.clone(), endpoint.id.clone()))
            },
        );
        let now = now.collect();
        std::mem::replace(&mut self.forwarded, now)
    }

    fn send_forwarded_sources(&mut self, id: &EndpointId) {
        let Some(endpoint) = self.endpoints.get(id) else { return };
        let accepts_video = endpoint.media.accepts(MediaType::Video);
        let foreign = |(_, owner): &(&String, &EndpointId)| accepts_video && *owner != id;
        let forwarded_sources =
            self.forwarded.iter().filter(foreign).map(|(name, _)| name.clone()).collect();
        let message = ForwardedSources { forwarded_sources };
        self.send(id, &BridgeChannelMessage::ForwardedSources(message));
    }

    fn send_to_others(&mut self, sender: &EndpointId, message: &BridgeChannelMessage) {
        let text: Arc<str> = message.to_json_string().into();
        let others: Vec<_> = self.endpoints.keys().filter(|id| *id != sender).cloned().collect();
        for id in others {
            self.send_text(&id, message, &text);
        }
    }

    fn send(&mut self, id: &EndpointId, message: &BridgeChannelMessage) {
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

/// Whose sources are in one of the two but not, or with another owner, in the other.
fn owners_of_difference<'a>(
    before: &'a BTreeMap<String, EndpointId>,
    after: &'a BTreeMap<String, EndpointId>,
) -> BTreeSet<&'a EndpointId> {
    let gone = before.iter().filter(|(name, owner)| after.get(*name) != Some(owner));
    let new = after.iter().filter(|(name, owner)| before.get(*name) != Some(owner));
    gone.chain(new).map(|(_, owner)| owner).collect()
}
