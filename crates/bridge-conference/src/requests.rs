//! What a colibri2 request changes, in JVB's order (JVB: `Colibri2ConferenceHandler`).

use crate::conference::Conference;
use crate::description;
use crate::endpoint::{Endpoint, EndpointTraits, NewEndpoint};
use crate::error::{ConnectError, RequestError};
use crate::limits::MAX_ENDPOINTS;
use crate::random::local_ice;
use bridge_dtls::role_after;
use bridge_shard::{SessionAction, SessionSetup};
use bridge_signaling::colibri2::{
    self, Capability, ConferenceModified, ConferenceModify, Connect, ForceMute, MediaKind,
    MediaSource, Sctp, SctpRole, Source, Sources, Transport,
};
use bridge_signaling::ice_udp::IceUdpTransport;
use bridge_units::{EndpointId, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;

impl Conference {
    /// Steps 1 to 6 of a request; expiry is the caller's.
    pub(crate) fn process(
        &mut self,
        now: Timestamp,
        request: &ConferenceModify,
    ) -> Result<ConferenceModified, RequestError> {
        check_restrictions(request)?;
        let lenient = ignores_unknown_endpoints(request);
        let mut answer = ConferenceModified::default();
        for element in &request.endpoints {
            answer.endpoints.push(self.process_endpoint(now, element, lenient)?);
        }
        check_connects(&request.connects)?;
        if !request.relays.is_empty() {
            return Err(RequestError::RelaysDisabled);
        }
        if request.create || request.endpoints.iter().any(|endpoint| endpoint.create) {
            answer.sources = Some(self.feedback_sources());
        }
        Ok(answer)
    }

    fn process_endpoint(
        &mut self,
        now: Timestamp,
        element: &colibri2::Endpoint,
        lenient: bool,
    ) -> Result<colibri2::Endpoint, RequestError> {
        let id = &element.id;
        if element.expire {
            self.expire_endpoint(id);
            return Ok(colibri2::Endpoint::expired(id.clone()));
        }
        if element.create {
            self.create_endpoint(now, element)?;
        } else if !self.endpoints.contains_key(id) {
            return match lenient {
                true => Ok(colibri2::Endpoint::new(id.clone())),
                false => Err(RequestError::UnknownEndpoint(id.clone())),
            };
        }
        self.apply(element)?;
        let transport = self.answered_transport(element);
        Ok(colibri2::Endpoint { transport, ..colibri2::Endpoint::new(id.clone()) })
    }

    fn create_endpoint(
        &mut self,
        now: Timestamp,
        element: &colibri2::Endpoint,
    ) -> Result<(), RequestError> {
        let id = &element.id;
        if self.endpoints.contains_key(id) {
            return Err(RequestError::EndpointExists(id.clone()));
        }
        let Some(transport) = &element.transport else {
            return Err(RequestError::NoTransport(id.clone()));
        };
        if !element.has_capability(&Capability::SourceNames) {
            return Err(RequestError::NoSourceNames);
        }
        if self.endpoints.len() >= MAX_ENDPOINTS {
            return Err(RequestError::TooManyEndpoints);
        }
        let sctp = check_sctp(transport.sctp, self.environment.settings.sctp);
        self.insert_endpoint(now, element, transport.ice_controlling, sctp == Ok(true));
        // As in JVB the endpoint exists by now, whatever comes of SCTP.
        sctp.map(drop)
    }

    fn insert_endpoint(
        &mut self,
        now: Timestamp,
        element: &colibri2::Endpoint,
        controlling: bool,
        sctp: bool,
    ) {
        self.publish_first();
        let environment = &self.environment;
        let session = environment.session_ids.next_id();
        let settings = &environment.settings;
        let traits = EndpointTraits::of(element);
        let certificate = environment.certificate.current();
        let ice = local_ice(&settings.ufrag_prefix, session, controlling, &mut self.random);
        let mut endpoint = Endpoint::new(
            NewEndpoint {
                id: element.id.clone(),
                session,
                shard: environment.initial_shard(session),
                candidates: environment
                    .addresses
                    .candidates(traits.private_addresses, &mut self.random),
                certificate: Arc::clone(&certificate),
                traits: traits.clone(),
                ice: ice.clone(),
                sctp,
                allocation: Arc::clone(&settings.allocation),
            },
            now,
        );
        endpoint.video.allocator.set_bridge_last_n(self.bridge_last_n);
        self.endpoints.insert(element.id.clone(), endpoint);
        self.sessions.insert(session, element.id.clone());
        self.counters.endpoints_created += 1;
        if !traits.visitor {
            self.add_speaker(&element.id);
        }
        let setup = SessionSetup {
            conference: self.identity.id,
            endpoint: element.id.clone(),
            ice,
            sctp,
            visitor: traits.visitor,
            rewrites_ssrcs: traits.ssrc_rewriting,
            mid_demux: traits.mid_demux,
            certificate,
        };
        self.command(&element.id, SessionAction::Create(Box::new(setup)));
        self.watch(now, &element.id);
        self.allocations_due.add(&element.id);
    }

    /// What create and update have in common, from `media` to `force-mute`.
    fn apply(&mut self, element: &colibri2::Endpoint) -> Result<(), RequestError> {
        let id = &element.id;
        let Some(endpoint) = self.endpoints.get_mut(id) else { return Ok(()) };
        if endpoint.media.apply(&element.medias) {
            let description = endpoint.media.description();
            self.command(id, SessionAction::SetMedia(description));
            self.apply_capabilities(id);
        }
        if let (Some(last_n), Some(endpoint)) = (element.initial_last_n, self.endpoints.get_mut(id))
        {
            endpoint.wishes.set_initial_last_n(last_n.value);
            self.apply_wishes(id);
        }
        if let Some(ice) = element.transport.as_ref().and_then(|transport| transport.ice.as_ref()) {
            self.set_remote_transport(id, ice);
        }
        if let Some(sources) = &element.sources {
            self.set_sources(id, sources)?;
        }
        if let Some(force_mute) = element.force_mute {
            self.set_force_mute(id, force_mute);
        }
        Ok(())
    }

    fn set_remote_transport(&mut self, id: &EndpointId, signalled: &IceUdpTransport) {
        // Part of a restart, and none is pending: these credentials are of another agent.
        if signalled.ice_generation.is_some() {
            return;
        }
        let mut remote = description::remote(signalled);
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        match role_after(endpoint.role, remote.setup.map(|setup| setup.name())) {
            Ok(role) => endpoint.role = role,
            Err(error) => {
                tracing::debug!(endpoint = %id, %error, "setup of the peer ignored");
                remote.setup = None;
            }
        }
        self.command(id, SessionAction::SetRemoteTransport(Box::new(remote)));
    }

    fn set_sources(&mut self, id: &EndpointId, sources: &Sources) -> Result<(), RequestError> {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return Ok(()) };
        if endpoint.traits.visitor {
            return match sources.media_sources.is_empty() {
                true => Ok(()),
                false => Err(RequestError::VisitorSources(id.clone())),
            };
        }
        let refused_before = endpoint.sources.refused();
        self.streams_changed |= endpoint.sources.replace(sources, &mut self.source_ids);
        self.counters.sources_refused += endpoint.sources.refused() - refused_before;
        let session = endpoint.session;
        let signalled: HashSet<u32> = endpoint.sources.streams().map(|(ssrc, ..)| ssrc).collect();
        self.ssrc_owners.retain(|ssrc, owner| *owner != session || signalled.contains(ssrc));
        for ssrc in signalled {
            let before = self.ssrc_owners.insert(ssrc, session);
            if before.is_some_and(|owner| owner != session) {
                self.counters.ssrcs_taken_over += 1;
                self.streams_changed = true;
                tracing::debug!(endpoint = %id, ssrc, "SSRC taken over from another endpoint");
            }
        }
        Ok(())
    }

    fn set_force_mute(&mut self, id: &EndpointId, force_mute: ForceMute) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        if endpoint.force_mute == force_mute {
            return;
        }
        endpoint.force_mute = force_mute;
        // A muted video is not forwarded, which the receivers are told.
        self.streams_changed = true;
        let ForceMute { audio, video } = force_mute;
        self.command(id, SessionAction::SetForceMute { audio, video });
    }

    /// The transport in the answer: on create, and where an ICE restart is asked for.
    ///
    /// Differs from JVB: a restart is never begun. The answer is that of a transport that is not
    /// established yet, its existing description without generation, which Jicofo takes for "not
    /// needed"; without any transport it would drop the participant.
    fn answered_transport(&self, element: &colibri2::Endpoint) -> Option<Transport> {
        let endpoint = self.endpoints.get(&element.id)?;
        let requested = element.transport.as_ref()?;
        let restart = requested.ice_restart && self.environment.settings.ice_restart;
        if !element.create && !restart {
            return None;
        }
        let offered = (element.create && endpoint.sctp)
            .then_some(Sctp { role: Some(SctpRole::Server), port: Some(SCTP_PORT) });
        Some(Transport {
            ice: Some(endpoint.describe(self.environment.settings.fingerprint_hash)),
            sctp: offered,
            ..Transport::default()
        })
    }

    /// The sources that stand for the bridge itself.
    fn feedback_sources(&self) -> Sources {
        let source = |kind, name: &str, ssrc| {
            let mut source = MediaSource::new(kind, name);
            source.sources.push(Source::named(ssrc, name));
            source
        };
        Sources {
            media_sources: vec![
                source(MediaKind::Audio, "jvb-a0", self.feedback.audio),
                source(MediaKind::Video, "jvb-v0", self.feedback.video),
            ],
        }
    }
}

/// What a request may combine, checked before anything is done.
fn check_restrictions(request: &ConferenceModify) -> Result<(), RequestError> {
    if !request.endpoints.is_empty() && !request.relays.is_empty() {
        return Err(RequestError::EndpointsAndRelays);
    }
    if request.endpoints.len() > 1 && request.endpoints.iter().any(changes_more_than_a_flag) {
        return Err(RequestError::SeveralEndpoints);
    }
    if request.relays.len() > 1 {
        return Err(RequestError::SeveralRelays);
    }
    Ok(())
}

/// Expire, mute and last-n of endpoints that have just left are no errors.
fn ignores_unknown_endpoints(request: &ConferenceModify) -> bool {
    !request.endpoints.iter().any(changes_more_than_a_flag)
        && request.relays.iter().all(|relay| relay.expire)
}

fn changes_more_than_a_flag(element: &colibri2::Endpoint) -> bool {
    element.create
        || !element.medias.is_empty()
        || element.transport.is_some()
        || element.sources.is_some()
}

/// Whether SCTP is wanted and possible.
fn check_sctp(wanted: Option<Sctp>, enabled: bool) -> Result<bool, RequestError> {
    let Some(sctp) = wanted else { return Ok(false) };
    if !enabled {
        return Err(RequestError::SctpDisabled);
    }
    if sctp.role.is_some_and(|role| role != SctpRole::Server) {
        return Err(RequestError::SctpRole);
    }
    if sctp.port.is_some_and(|port| port != SCTP_PORT) {
        return Err(RequestError::SctpPort);
    }
    Ok(true)
}

/// The rules for export connections, given that none ever runs: they are not there yet.
fn check_connects(connects: &[Connect]) -> Result<(), ConnectError> {
    if connects.iter().any(|connect| connect.video) {
        return Err(ConnectError::Video);
    }
    let mut expired = HashSet::new();
    for connect in connects.iter().filter(|connect| connect.expire) {
        if !expired.insert(&connect.id) {
            return Err(ConnectError::DuplicateExpire(connect.id.clone()));
        }
    }
    let mut named = HashSet::new();
    for connect in connects.iter().filter(|connect| !connect.expire) {
        if !named.insert(&connect.id) {
            return Err(ConnectError::Several(connect.id.clone()));
        }
    }
    if let Some(connect) = connects.iter().find(|connect| !connect.expire && !connect.create) {
        return Err(match expired.contains(&connect.id) {
            true => ConnectError::UpdateOfExpired(connect.id.clone()),
            false => ConnectError::Unknown(connect.id.clone()),
        });
    }
    match named.is_empty() {
        true => Ok(()),
        false => Err(ConnectError::Unsupported),
    }
}

/// RFC 8841 leaves it open; Jitsi knows only this one.
const SCTP_PORT: u16 = 5_000;
