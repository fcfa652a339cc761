use crate::world::*;
use bridge_conference::{ConferenceSettings, RequestError};
use bridge_dtls::{FingerprintHash, Setup};
use bridge_shard::{StreamDescription, StreamRole};
use bridge_signaling::colibri2::{
    Endpoint, ForceMute, InitialLastN, MediaKind, Sources, SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{
    Candidate, CandidateType, DtlsFingerprint, DtlsSetup, IceUdpTransport,
};
use bridge_signaling::{StanzaErrorCondition, colibri2::ErrorReason};
use bridge_units::{MediaType, SourceId};

fn fingerprint(setup: Option<DtlsSetup>) -> DtlsFingerprint {
    DtlsFingerprint {
        hash: "sha-256".to_owned(),
        fingerprint: certificate().fingerprint(FingerprintHash::Sha256).to_string(),
        setup,
        cryptex: false,
    }
}

fn candidate(ip: &str, port: u16) -> Candidate {
    Candidate {
        component: 1,
        foundation: "842163049".to_owned(),
        generation: 0,
        id: None,
        ip: ip.to_owned(),
        network: 1,
        port,
        priority: 1_677_729_535,
        protocol: "udp".to_owned(),
        kind: CandidateType::Srflx,
        rel_addr: None,
        rel_port: None,
        tcptype: None,
    }
}

fn peer(setup: Option<DtlsSetup>, candidates: Vec<Candidate>) -> IceUdpTransport {
    IceUdpTransport {
        ufrag: Some("q7Rs".to_owned()),
        pwd: Some("hT3mW9xK1vB5nC8zL2pD6fGj".to_owned()),
        fingerprints: vec![fingerprint(setup)],
        candidates,
        ..IceUdpTransport::default()
    }
}

fn with_transport(id: &str, ice: IceUdpTransport) -> Endpoint {
    Endpoint { transport: Some(Transport { ice: Some(ice), ..Transport::default() }), ..update(id) }
}

fn restart(id: &str) -> Endpoint {
    let transport = Transport { ice_restart: true, ..Transport::default() };
    Endpoint { transport: Some(transport), ..update(id) }
}

fn stream(
    world: &World,
    owner: &str,
    source: u32,
    media: MediaType,
    role: StreamRole,
) -> StreamDescription {
    StreamDescription { owner: world.session_id(owner), source: SourceId(source), media, role }
}

const PRIMARY: StreamRole = StreamRole::Primary { encoding: 0 };

#[test]
fn an_update_is_answered_with_the_bare_endpoint() {
    let mut world = World::with_endpoints(&["a"]);
    let everything = Endpoint {
        sources: with_sources("a", vec![audio("a-a0", 1)]).sources,
        initial_last_n: Some(InitialLastN { value: 25 }),
        stats_id: Some("Ada-x1Y".to_owned()),
        ..with_transport("a", peer(Some(DtlsSetup::Active), Vec::new()))
    };
    let answer = world.modify(everything).unwrap();
    assert_eq!(answer.endpoints, [update("a")]);
    assert_eq!(answer.sources, None);
}

#[test]
fn the_peers_description_reaches_the_data_plane() {
    let mut world = World::with_endpoints(&["a"]);
    let ice = peer(Some(DtlsSetup::Active), vec![candidate("198.51.100.23", 53_214)]);
    world.modify(with_transport("a", ice)).unwrap();
    let [remote] = &world.session("a").remote[..] else { panic!("not one description") };
    let credentials = ("q7Rs".to_owned(), "hT3mW9xK1vB5nC8zL2pD6fGj".to_owned());
    assert_eq!(remote.credentials, Some(credentials));
    assert_eq!(remote.setup, Some(Setup::Active));
    assert_eq!(remote.fingerprints, [certificate().fingerprint(FingerprintHash::Sha256)]);
    assert_eq!(remote.candidates[0].address, "198.51.100.23:53214".parse().unwrap());
    assert_eq!(remote.candidates[0].priority, 1_677_729_535);
}

#[test]
fn candidates_that_cannot_be_used_are_skipped() {
    let with = |change: fn(&mut Candidate)| {
        let mut skipped = candidate("198.51.100.23", 53_214);
        change(&mut skipped);
        skipped
    };
    let candidates = vec![
        with(|c| c.ip = "0ddba11-cafe.local".to_owned()),
        with(|c| c.ip = "0.0.0.0".to_owned()),
        with(|c| c.ip = "224.0.0.1".to_owned()),
        with(|c| c.generation = 1),
        with(|c| c.component = 2),
        with(|c| c.protocol = "tcp".to_owned()),
        with(|c| c.port = 0),
        candidate("2001:db8::7", 9),
    ];
    let mut world = World::with_endpoints(&["a"]);
    world.modify(with_transport("a", peer(None, candidates))).unwrap();
    let remote = &world.session("a").remote[0];
    assert_eq!(remote.candidates.len(), 1);
    assert_eq!(remote.candidates[0].address, "[2001:db8::7]:9".parse().unwrap());
}

#[test]
fn a_description_without_fingerprint_or_password_leaves_them_out() {
    let mut world = World::with_endpoints(&["a"]);
    let ice = IceUdpTransport { ufrag: Some("q7Rs".to_owned()), ..IceUdpTransport::default() };
    world.modify(with_transport("a", ice)).unwrap();
    let remote = &world.session("a").remote[0];
    assert!(remote.fingerprints.is_empty() && remote.credentials.is_none());
    assert_eq!(remote.setup, None);
}

#[test]
fn unreadable_fingerprints_are_skipped() {
    let mut world = World::with_endpoints(&["a"]);
    let mut ice = peer(Some(DtlsSetup::Active), Vec::new());
    let odd = |hash: &str, text: &str| DtlsFingerprint {
        hash: hash.to_owned(),
        fingerprint: text.to_owned(),
        setup: None,
        cryptex: false,
    };
    ice.fingerprints.extend([odd("md5", "AA:BB"), odd("sha-256", "AA"), odd("sha-1", "zz")]);
    world.modify(with_transport("a", ice)).unwrap();
    assert_eq!(world.session("a").remote[0].fingerprints.len(), 1);
}

#[test]
fn our_role_complements_the_peers_and_cannot_change() {
    for (said, ours) in
        [(DtlsSetup::Active, DtlsSetup::Passive), (DtlsSetup::Passive, DtlsSetup::Active)]
    {
        let mut world = World::with_endpoints(&["a"]);
        world.modify(with_transport("a", peer(Some(said), Vec::new()))).unwrap();
        let changed =
            if said == DtlsSetup::Active { DtlsSetup::Passive } else { DtlsSetup::Active };
        world.modify(with_transport("a", peer(Some(changed), Vec::new()))).unwrap();
        assert_eq!(world.session("a").remote[1].setup, None);
        let answer = world.modify(restart("a")).unwrap();
        let ice = answer.endpoints[0].transport.clone().unwrap().ice.unwrap();
        assert_eq!(ice.fingerprints[0].setup, Some(ours));
    }
}

#[test]
fn a_setup_that_chooses_nothing_fixes_no_role() {
    let mut world = World::with_endpoints(&["a"]);
    for setup in [Some(DtlsSetup::Actpass), Some(DtlsSetup::Holdconn), None] {
        world.modify(with_transport("a", peer(setup, Vec::new()))).unwrap();
        assert_eq!(world.session("a").remote.last().unwrap().setup, None);
    }
}

#[test]
fn a_description_of_another_ice_generation_is_ignored() {
    let mut world = World::with_endpoints(&["a"]);
    let ice = IceUdpTransport { ice_generation: Some(1), ..peer(None, Vec::new()) };
    let answer = world.modify(with_transport("a", ice)).unwrap();
    assert_eq!(answer.endpoints, [update("a")]);
    assert!(world.session("a").remote.is_empty());
}

#[test]
fn an_ice_restart_is_answered_with_the_existing_transport_without_generation() {
    let mut world = World::with_endpoints(&["a"]);
    let answer = world.modify(restart("a")).unwrap();
    let transport = answer.endpoints[0].transport.clone().unwrap();
    let ice = transport.ice.unwrap();
    assert_eq!(ice.ufrag.as_ref(), Some(&world.session("a").ice.ufrag));
    assert_eq!((ice.ice_generation, transport.sctp), (None, None));
    assert_eq!(answer.sources, None);
}

#[test]
fn an_ice_restart_that_is_switched_off_is_answered_with_the_bare_endpoint() {
    let settings = ConferenceSettings { ice_restart: false, ..settings() };
    let mut world = World::with(settings, |environment| environment);
    world.create_conference();
    world.create("a");
    assert_eq!(world.modify(restart("a")).unwrap().endpoints, [update("a")]);
}

#[test]
fn sources_with_groups_become_streams() {
    use SsrcGroupSemantics::{Fid, Simulcast};
    let mut world = World::with_endpoints(&["a", "b"]);
    let camera = media_source_with_groups();
    world.modify(with_sources("a", vec![audio("a-a0", 11), camera])).unwrap();
    let video = |role| stream(&world, "a", 2, MediaType::Video, role);
    let expected = [
        (11, stream(&world, "a", 1, MediaType::Audio, PRIMARY)),
        (21, video(StreamRole::Primary { encoding: 0 })),
        (22, video(StreamRole::Primary { encoding: 1 })),
        (23, video(StreamRole::Primary { encoding: 2 })),
        (31, video(StreamRole::Rtx { encoding: 0, primary: 21 })),
        (32, video(StreamRole::Rtx { encoding: 1, primary: 22 })),
        (33, video(StreamRole::Rtx { encoding: 2, primary: 23 })),
    ];
    assert_eq!(world.streams(), expected.into());

    fn media_source_with_groups() -> bridge_signaling::colibri2::MediaSource {
        let ssrcs = [21, 22, 23, 31, 32, 33];
        let camera = source(MediaKind::Video, "a-v0", &ssrcs);
        let camera = with_group(camera, Simulcast, &ssrcs[..3]);
        (0..3).fold(camera, |camera, n| with_group(camera, Fid, &[ssrcs[n], ssrcs[n + 3]]))
    }
}

#[test]
fn the_last_set_of_sources_replaces_the_one_before() {
    let mut world = World::with_endpoints(&["a"]);
    world.modify(with_sources("a", vec![audio("a-a0", 1), video("a-v0", 2)])).unwrap();
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    assert_eq!(world.streams().into_keys().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_update_without_sources_leaves_them_and_empty_sources_clear_them() {
    let mut world = World::with_endpoints(&["a"]);
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    world.modify(update("a")).unwrap();
    assert_eq!(world.streams().len(), 1);
    world.modify(Endpoint { sources: Some(Sources::default()), ..update("a") }).unwrap();
    assert!(world.streams().is_empty());
}

#[test]
fn the_same_update_again_changes_nothing() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.open_channel("b");
    let again = Endpoint {
        medias: new_endpoint("a").medias,
        force_mute: Some(ForceMute { audio: true, video: true }),
        ..with_sources("a", vec![audio("a-a0", 1), video("a-v0", 2)])
    };
    world.modify(again.clone()).unwrap();
    let commands = world.ledger.commands_seen;
    assert_eq!(world.modify(again).unwrap().endpoints, [update("a")]);
    assert_eq!(world.ledger.commands_seen, commands);
}

#[test]
fn an_ssrc_of_another_endpoint_is_taken_over() {
    let mut world = World::with_endpoints(&["a", "b"]);
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    world.modify(with_sources("b", vec![audio("b-a0", 1)])).unwrap();
    assert_eq!(world.streams()[&1].owner, world.session_id("b"));
    assert_eq!(world.conference().counters().ssrcs_taken_over, 1);
    world.modify(with_sources("a", vec![audio("a-a0", 1)])).unwrap();
    assert_eq!(world.streams()[&1].owner, world.session_id("a"));
    world.modify(expire("a")).unwrap();
    assert!(world.streams().is_empty());
}

#[test]
fn synthetic_sources_are_not_streams_of_the_endpoint() {
    let mut world = World::with_endpoints(&["a"]);
    let mut translated = audio("a-a0.de", 2);
    translated.synthetic = true;
    world.modify(with_sources("a", vec![audio("a-a0", 1), translated])).unwrap();
    assert_eq!(world.streams().into_keys().collect::<Vec<_>>(), [1]);
}

#[test]
fn force_mute_sets_both_kinds_each_time() {
    let mut world = World::with_endpoints(&["a"]);
    let mute =
        |audio, video| Endpoint { force_mute: Some(ForceMute { audio, video }), ..update("a") };
    for (audio, video) in [(true, false), (false, true), (false, false)] {
        world.modify(mute(audio, video)).unwrap();
    }
    let seen = &world.session("a").force_mutes;
    assert_eq!(*seen, [(true, false), (false, true), (false, false)]);
}

#[test]
fn media_is_added_to_what_was_there() {
    let mut world = World::with_endpoints(&["a"]);
    let medias = vec![media(MediaKind::Video, &[(100, "VP9", 90_000), (101, "H264", 90_000)])];
    world.modify(Endpoint { medias, ..update("a") }).unwrap();
    let description = world.session("a").media.last().unwrap().clone();
    let types: Vec<_> =
        description.payload_types.iter().map(|p| (p.number, p.name.as_str())).collect();
    assert_eq!(types, [(100, "vp9"), (101, "h264"), (111, "opus")]);
}

#[test]
fn initial_last_n_yields_to_what_the_client_said() {
    let mut world = World::with_endpoints(&["a"]);
    let last_n = |world: &World| {
        let state = world.conference().debug_state();
        let controller = &state["endpoints"]["a"]["bitrate_controller"];
        controller["bitrate_allocator"]["allocationSettings"]["last_n"].as_i64().unwrap()
    };
    let initial = |value| Endpoint { initial_last_n: Some(InitialLastN { value }), ..update("a") };
    assert_eq!(last_n(&world), -1);
    world.modify(initial(0)).unwrap();
    assert_eq!(last_n(&world), 0);
    world.say("a", r#"{"colibriClass":"ReceiverVideoConstraints","lastN":7}"#);
    world.modify(initial(3)).unwrap();
    assert_eq!(last_n(&world), 7);
}

#[test]
fn an_update_with_content_of_an_unknown_endpoint_names_it() {
    let unknown = [
        with_sources("e5f60718", Vec::new()),
        restart("e5f60718"),
        Endpoint { medias: new_endpoint("x").medias, ..update("e5f60718") },
    ];
    for element in unknown {
        let mut world = World::with_endpoints(&["a"]);
        let error = world.modify(element).unwrap_err();
        assert_eq!(error, RequestError::UnknownEndpoint(endpoint_id("e5f60718")));
        let answer = error.to_error_answer();
        assert_eq!(answer.condition, StanzaErrorCondition::ItemNotFound);
        assert_eq!(answer.reason, Some(ErrorReason::UnknownEndpoint));
        assert_eq!(answer.endpoint, Some(endpoint_id("e5f60718")));
        assert_eq!(answer.text.as_deref(), Some("Endpoint not found for ID: e5f60718"));
    }
}

#[test]
fn mute_and_last_n_of_an_unknown_endpoint_are_no_errors() {
    let mut world = World::with_endpoints(&["a"]);
    let batch = vec![
        Endpoint { force_mute: Some(ForceMute::default()), ..update("x") },
        Endpoint { initial_last_n: Some(InitialLastN { value: 3 }), ..update("y") },
    ];
    let answer = world.request(&modify(batch)).unwrap();
    assert_eq!(answer.endpoints, [update("x"), update("y")]);
    assert_eq!(world.endpoint_ids(), ["a"]);
}
