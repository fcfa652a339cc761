use crate::world::*;
use bridge_conference::{ConferenceSettings, LocalAddresses, RequestError};
use bridge_dtls::FingerprintHash;
use bridge_signaling::StanzaErrorCondition;
use bridge_signaling::colibri2::{
    Capability, Endpoint, ForceMute, MediaKind, MucRole, RtpHeaderExtension, Sctp, SctpRole,
    Transport,
};
use bridge_signaling::ice_udp::{CandidateType, DtlsSetup, IceUdpTransport};
use bridge_units::MediaType;
use std::collections::HashSet;

fn ice(endpoint: &Endpoint) -> &IceUdpTransport {
    endpoint.transport.as_ref().unwrap().ice.as_ref().unwrap()
}

fn with_sctp(sctp: Option<Sctp>) -> Endpoint {
    let transport = Some(Transport { ice_controlling: true, sctp, ..Transport::default() });
    Endpoint { transport, ..new_endpoint("a") }
}

#[track_caller]
fn assert_refused(endpoint: Endpoint, condition: StanzaErrorCondition, text: &str) {
    let mut world = World::with_endpoints(&["z"]);
    let answer = world.modify(endpoint).unwrap_err().to_error_answer();
    assert_eq!((answer.condition, answer.reason), (condition, None));
    assert_eq!(answer.text.as_deref(), Some(text));
}

#[test]
fn the_answer_has_credentials_that_differ_for_each_endpoint() {
    let mut world = World::new();
    world.create_conference();
    let mut seen = HashSet::new();
    for n in 0..50 {
        let id = format!("e{n}");
        let answer = world.create(&id);
        let (ufrag, pwd) = (ice(&answer).ufrag.clone().unwrap(), ice(&answer).pwd.clone().unwrap());
        assert!(ufrag.len() >= 4 && pwd.len() >= 22);
        assert_eq!(
            (&world.session(&id).ice.ufrag, &world.session(&id).ice.password),
            (&ufrag, &pwd)
        );
        assert!(seen.insert(ufrag) && seen.insert(pwd));
    }
}

#[test]
fn the_configured_prefix_begins_the_ufrag_without_its_colon() {
    let settings = ConferenceSettings { ufrag_prefix: "jvb-123:".to_owned(), ..settings() };
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    let answer = world.create("a");
    let ufrag = ice(&answer).ufrag.clone().unwrap();
    assert!(ufrag.starts_with("jvb-123") && !ufrag.contains(':'), "{ufrag}");
}

#[test]
fn the_answer_has_one_actpass_fingerprint_of_our_certificate() {
    let mut world = World::with_endpoints(&["z"]);
    let answer = world.create("a");
    let [fingerprint] = &ice(&answer).fingerprints[..] else { panic!("not one fingerprint") };
    assert_eq!(
        (fingerprint.hash.as_str(), fingerprint.setup),
        ("sha-256", Some(DtlsSetup::Actpass))
    );
    let expected = certificate().fingerprint(FingerprintHash::Sha256).to_string();
    assert_eq!(fingerprint.fingerprint, expected);
    assert!(!fingerprint.cryptex);
}

#[test]
fn the_answer_has_every_candidate_and_no_more_come() {
    let answer = World::with_endpoints(&["z"]).create("a");
    let ice = ice(&answer);
    assert!(ice.rtcp_mux && ice.ice_generation.is_none() && ice.web_sockets.is_empty());
    let shape: Vec<_> =
        ice.candidates.iter().map(|c| (c.kind, c.ip.as_str(), c.port, c.priority)).collect();
    assert_eq!(
        shape,
        [
            (CandidateType::Host, "10.0.0.5", 10_000, 2_130_706_431),
            (CandidateType::Srflx, "203.0.113.10", 10_000, 1_694_498_815),
        ]
    );
    for candidate in &ice.candidates {
        assert_eq!((candidate.component, candidate.generation, candidate.network), (1, 0, 0));
        assert_eq!((candidate.protocol.as_str(), &candidate.tcptype), ("udp", &None));
    }
    let related = (ice.candidates[1].rel_addr.as_deref(), ice.candidates[1].rel_port);
    assert_eq!(related, (Some("10.0.0.5"), Some(10_000)));
    let ids: HashSet<_> = ice.candidates.iter().map(|c| c.id.clone().unwrap()).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn sctp_is_answered_if_it_was_asked_for() {
    for sctp in [Sctp::default(), Sctp { role: Some(SctpRole::Server), port: Some(5_000) }] {
        let mut world = World::with_endpoints(&["z"]);
        let answer = world.modify(with_sctp(Some(sctp))).unwrap();
        let expected = Sctp { role: Some(SctpRole::Server), port: Some(5_000) };
        assert_eq!(answer.endpoints[0].transport.as_ref().unwrap().sctp, Some(expected));
        assert!(world.session("a").sctp);
    }
    let mut world = World::with_endpoints(&["z"]);
    let answer = world.modify(with_sctp(None)).unwrap();
    assert_eq!(answer.endpoints[0].transport.as_ref().unwrap().sctp, None);
    assert!(!world.session("a").sctp);
}

#[test]
fn a_create_without_transport_is_refused() {
    let endpoint = Endpoint { transport: None, ..new_endpoint("a") };
    let text = "Attempt to create endpoint a with no <transport>";
    assert_refused(endpoint, StanzaErrorCondition::BadRequest, text);
}

#[test]
fn a_create_without_source_names_is_refused() {
    let endpoint = Endpoint { capabilities: Vec::new(), ..new_endpoint("a") };
    assert_refused(endpoint, StanzaErrorCondition::BadRequest, "Source name support is mandatory.");
}

#[test]
fn the_sctp_client_role_is_refused() {
    let endpoint = with_sctp(Some(Sctp { role: Some(SctpRole::Client), port: None }));
    let text = "Unsupported SCTP role: CLIENT";
    assert_refused(endpoint, StanzaErrorCondition::FeatureNotImplemented, text);
}

#[test]
fn another_sctp_port_is_refused() {
    let endpoint = with_sctp(Some(Sctp { role: None, port: Some(6_000) }));
    let text = "Specific SCTP port requested, not supported.";
    assert_refused(endpoint, StanzaErrorCondition::BadRequest, text);
}

#[test]
fn sctp_is_refused_where_it_is_switched_off() {
    let settings = ConferenceSettings { sctp: false, ..settings() };
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    let answer = world.modify(new_endpoint("a")).unwrap_err().to_error_answer();
    assert_eq!(answer.condition, StanzaErrorCondition::FeatureNotImplemented);
    assert_eq!(answer.text.as_deref(), Some("SCTP support is not configured"));
    world.modify(Endpoint { id: endpoint_id("b"), ..with_sctp(None) }).unwrap();
}

#[test]
fn a_failure_before_the_endpoint_exists_leaves_nothing_new() {
    let mut world = World::with_endpoints(&["z"]);
    let commands = world.ledger.commands_seen;
    world.modify(Endpoint { transport: None, ..new_endpoint("a") }).unwrap_err();
    assert_eq!(world.endpoint_ids(), ["z"]);
    assert_eq!(world.ledger.commands_seen, commands);
}

#[test]
fn a_failure_over_sctp_leaves_the_endpoint() {
    let mut world = World::with_endpoints(&["z"]);
    world.modify(with_sctp(Some(Sctp { role: None, port: Some(1) }))).unwrap_err();
    assert_eq!(world.endpoint_ids(), ["a", "z"]);
    assert!(!world.session("a").sctp && world.session("a").media.is_empty());
    let again = world.modify(new_endpoint("a")).unwrap_err();
    assert_eq!(again, RequestError::EndpointExists(endpoint_id("a")));
}

#[test]
fn a_second_create_conflicts_and_leaves_the_first_untouched() {
    let mut world = World::with_endpoints(&["a"]);
    let commands = world.ledger.commands_seen;
    let answer = world.modify(new_endpoint("a")).unwrap_err().to_error_answer();
    assert_eq!((answer.condition, answer.reason), (StanzaErrorCondition::Conflict, None));
    assert_eq!(answer.text.as_deref(), Some("Endpoint with ID a already exists"));
    assert_eq!(world.ledger.commands_seen, commands);
}

#[test]
fn unknown_capabilities_are_ignored() {
    let mut endpoint = new_endpoint("a");
    endpoint.capabilities.push(Capability::Other("teleport".to_owned()));
    World::with_endpoints(&["z"]).modify(endpoint).unwrap();
}

#[test]
fn private_addresses_can_be_hidden_but_for_those_who_can_use_them() {
    let mut world = World::with(settings(), |mut environment| {
        let hosts = ["10.0.0.5:10000".parse().unwrap(), "198.51.100.1:10000".parse().unwrap()];
        environment.addresses = LocalAddresses::new(hosts, Vec::new(), false);
        environment
    });
    world.create_conference();
    let shown = |answer: &Endpoint| -> Vec<String> {
        ice(answer).candidates.iter().map(|c| c.ip.clone()).collect()
    };
    assert_eq!(shown(&world.create("a")), ["198.51.100.1"]);
    let mut jibri = new_endpoint("b");
    jibri.capabilities.push(Capability::PrivateAddressConnectivity);
    let answer = world.modify(jibri).unwrap();
    assert_eq!(shown(&answer.endpoints[0]), ["10.0.0.5", "198.51.100.1"]);
}

#[test]
fn the_bridge_controls_ice_if_it_is_told_to() {
    let mut world = World::with_endpoints(&["a"]);
    assert!(world.session("a").ice.controlling);
    let transport = Some(Transport::default());
    world.modify(Endpoint { transport, ..new_endpoint("b") }).unwrap();
    assert!(!world.session("b").ice.controlling);
}

#[test]
fn an_endpoint_can_be_muted_from_the_start() {
    let mut world = World::with_endpoints(&["z"]);
    let force_mute = Some(ForceMute { audio: true, video: false });
    world.modify(Endpoint { force_mute, ..new_endpoint("a") }).unwrap();
    assert_eq!(world.session("a").force_mutes, [(true, false)]);
}

#[test]
fn a_visitor_is_created_with_empty_sources() {
    let mut world = World::with_endpoints(&["z"]);
    let muc_role = Some(MucRole::Visitor);
    world.modify(Endpoint { muc_role, ..new_endpoint("a") }).unwrap();
    assert!(world.session("a").visitor && !world.session("z").visitor);
    assert_eq!(world.conference().visitor_count(), 1);
}

#[test]
fn a_visitor_with_sources_is_refused_but_exists_with_its_media() {
    let mut world = World::with_endpoints(&["z"]);
    let visitor = Endpoint {
        muc_role: Some(MucRole::Visitor),
        sources: with_sources("a", vec![audio("a-a0", 1)]).sources,
        ..new_endpoint("a")
    };
    let answer = world.modify(visitor).unwrap_err().to_error_answer();
    assert_eq!((answer.condition, answer.reason), (StanzaErrorCondition::BadRequest, None));
    let text = "Attempt to set sources for visitor endpoint a";
    assert_eq!(answer.text.as_deref(), Some(text));
    assert_eq!(world.session("a").media.len(), 1);
    assert!(world.streams().is_empty());
}

#[test]
fn unknown_codecs_are_kept_and_unknown_extensions_are_not() {
    let mut endpoint = new_endpoint("a");
    endpoint.medias = vec![media(MediaKind::Video, &[(35, "X-Future", 90_000)])];
    let mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
    endpoint.medias[0].header_extensions =
        vec![RtpHeaderExtension::new(1, "urn:example:x"), RtpHeaderExtension::new(10, mid)];
    let mut world = World::with_endpoints(&["z"]);
    world.modify(endpoint).unwrap();
    let media = world.session("a").media.last().unwrap().clone();
    let codec = &media.payload_types[0];
    assert_eq!((codec.number, codec.name.as_str()), (35, "x-future"));
    assert_eq!(codec.media, MediaType::Video);
    assert_eq!(media.header_extensions, [(10, mid.to_owned())]);
}

#[test]
fn what_is_accepted_follows_the_payload_types() {
    let mut world = World::with_endpoints(&["z"]);
    let medias = vec![media(MediaKind::Video, &[(100, "VP8", 90_000)])];
    world.modify(Endpoint { medias, ..new_endpoint("a") }).unwrap();
    let state = world.conference().debug_state();
    assert_eq!(state["endpoints"]["a"]["accept_audio"], false);
    assert_eq!(state["endpoints"]["a"]["accept_video"], true);
}

#[test]
fn a_new_certificate_is_for_new_endpoints_only() {
    // The environment is shared, so the certificate can be replaced while conferences go on.
    let mut world = World::with_endpoints(&["a"]);
    let before = world.session("a").certificate.clone();
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_100_000);
    let fresh = std::sync::Arc::new(bridge_dtls::Certificate::generate(now).unwrap());
    world.environment().certificate.replace(fresh.clone());
    let answer = world.create("b");
    let expected = fresh.fingerprint(FingerprintHash::Sha256).to_string();
    assert_eq!(ice(&answer).fingerprints[0].fingerprint, expected);
    assert!(std::sync::Arc::ptr_eq(&world.session("b").certificate, &fresh));
    let restart = Transport { ice_restart: true, ..Transport::default() };
    let old = world.modify(Endpoint { transport: Some(restart), ..update("a") }).unwrap();
    let expected = before.fingerprint(FingerprintHash::Sha256).to_string();
    assert_eq!(ice(&old.endpoints[0]).fingerprints[0].fingerprint, expected);
}
