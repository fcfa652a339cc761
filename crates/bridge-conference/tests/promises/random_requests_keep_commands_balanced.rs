use crate::world::*;
use bridge_conference::{ConferenceSettings, EntryCounts, LoudestConfig};
use bridge_shard::{AudioLevel, SessionEventKind, SourceMapping};
use bridge_signaling::colibri2::{
    Capability, ConferenceModify, Endpoint, ForceMute, InitialLastN, MediaKind, MucRole, Relay,
    Sctp, SctpRole, Sources, SsrcGroupSemantics, Transport,
};
use bridge_signaling::ice_udp::{DtlsFingerprint, DtlsSetup, IceUdpTransport};
use bridge_units::{Bitrate, MediaType, SessionId, ShardId, SourceId, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Request(ConferenceModify),
    Event(u64, Kind),
    Pass(u64),
}

#[derive(Clone, Debug)]
enum Kind {
    Moved(u16),
    IceConnected,
    IceFailed,
    ChannelOpened,
    ChannelClosed,
    Message(String),
    Activity,
    Layers(u32, [u64; 9]),
    Levels(Vec<(u64, u32, u8, u64)>),
    Estimate(Option<u64>),
    FirstVideoSent,
    RoundTrip(u64),
    Mapped(bool, Vec<(u32, u32)>),
    Crashed,
}

impl From<Kind> for SessionEventKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Moved(shard) => Self::Moved(ShardId(shard)),
            Kind::IceConnected => Self::IceConnected { relayed: true },
            Kind::IceFailed => Self::IceFailed,
            Kind::ChannelOpened => Self::ChannelOpened,
            Kind::ChannelClosed => Self::ChannelClosed,
            Kind::Message(text) => Self::ChannelMessage(text),
            Kind::Activity => Self::Activity,
            Kind::Layers(source, kbps) => {
                Self::SourceLayers(SourceId(source), Box::new(camera(kbps)))
            }
            Kind::Levels(levels) => Self::AudioLevels(levels.into_iter().map(level).collect()),
            Kind::Estimate(kbps) => Self::Estimate(kbps.map(Bitrate::from_kbps)),
            Kind::FirstVideoSent => Self::FirstVideoSent,
            Kind::RoundTrip(millis) => Self::RoundTrip(Duration::from_millis(millis)),
            Kind::Mapped(video, slots) => {
                let media = if video { MediaType::Video } else { MediaType::Audio };
                Self::SourcesMapped(media, slots.into_iter().map(mapping).collect())
            }
            Kind::Crashed => Self::Crashed,
        }
    }
}

fn level((session, source, level, received): (u64, u32, u8, u64)) -> AudioLevel {
    AudioLevel {
        session: SessionId(session),
        source: (source > 0).then_some(SourceId(source)),
        level,
        received: Timestamp::from_millis(received),
    }
}

fn mapping((source, ssrc): (u32, u32)) -> SourceMapping {
    SourceMapping { source: SourceId(source), ssrc, rtx: ssrc + 1, mid: None }
}

fn endpoint_name() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn sources() -> impl Strategy<Value = Sources> {
    let semantics = prop_oneof![
        Just(SsrcGroupSemantics::Simulcast),
        Just(SsrcGroupSemantics::Fid),
        Just(SsrcGroupSemantics::FecFr),
        Just(SsrcGroupSemantics::Other("X".to_owned())),
    ];
    let kind = prop_oneof![Just(MediaKind::Audio), Just(MediaKind::Video), Just(MediaKind::Data)];
    let group = (semantics, vec(0u32..8, 0..4));
    let one = (kind, "[a-b]-v[0-1]", vec(0u32..8, 0..5), vec(group, 0..3), any::<bool>());
    vec(one, 0..3).prop_map(|list| Sources {
        media_sources: list
            .into_iter()
            .map(|(kind, name, ssrcs, groups, synthetic)| {
                let mut source = source(kind, &name, &ssrcs);
                source.synthetic = synthetic;
                groups.into_iter().fold(source, |source, (semantics, ssrcs)| {
                    with_group(source, semantics, &ssrcs)
                })
            })
            .collect(),
    })
}

fn transport() -> impl Strategy<Value = Transport> {
    let setup = option::of(prop_oneof![
        Just(DtlsSetup::Active),
        Just(DtlsSetup::Passive),
        Just(DtlsSetup::Actpass)
    ]);
    let sctp = option::of((option::of(Just(SctpRole::Client)), option::of(4_999u16..5_001)));
    let ice = option::of((option::of("[a-z]{0,4}"), setup, option::of(1u32..3)));
    (any::<bool>(), any::<bool>(), ice, sctp).prop_map(|(controlling, restart, ice, sctp)| {
        let ice = ice.map(|(text, setup, ice_generation)| IceUdpTransport {
            ufrag: text.clone(),
            pwd: text,
            ice_generation,
            fingerprints: vec![DtlsFingerprint {
                hash: "sha-1".to_owned(),
                fingerprint: "AA".to_owned(),
                setup,
                cryptex: true,
            }],
            ..IceUdpTransport::default()
        });
        Transport {
            ice_controlling: controlling,
            ice_restart: restart,
            ice,
            sctp: sctp.map(|(role, port)| Sctp { role, port }),
            ..Transport::default()
        }
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let flags = (
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
    );
    let parts = (
        option::weighted(0.8, transport()),
        option::of(sources()),
        option::of((any::<bool>(), any::<bool>())),
        option::of(any::<i32>()),
        vec((prop_oneof![Just(MediaKind::Audio), Just(MediaKind::Video)], 0u8..128), 0..2),
    );
    (endpoint_name(), flags, parts).prop_map(|(id, flags, parts)| {
        let (create, expire, visitor, names) = flags;
        let (transport, sources, mute, last_n, medias) = parts;
        Endpoint {
            create,
            expire,
            muc_role: visitor.then_some(MucRole::Visitor),
            capabilities: match names {
                true => vec![Capability::SourceNames, Capability::SsrcRewriting],
                false => Vec::new(),
            },
            transport,
            sources,
            force_mute: mute.map(|(audio, video)| ForceMute { audio, video }),
            initial_last_n: last_n.map(|value| InitialLastN { value }),
            medias: medias
                .into_iter()
                .map(|(kind, number)| media(kind, &[(number, "opus", 48_000)]))
                .collect(),
            ..update(&id)
        }
    })
}

fn request() -> impl Strategy<Value = ConferenceModify> {
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.05));
    let endpoints = prop_oneof![
        8 => vec(endpoint(), 1..2),
        1 => vec(endpoint(), 0..4),
        1 => vec(endpoint_name().prop_map(|id| expire(&id)), 0..4),
    ];
    let relays = vec(Just(Relay::new("jvb-b")), 0..2);
    let relays = prop_oneof![9 => Just(Vec::new()), 1 => relays];
    (flags, endpoints, relays).prop_map(|((create, expire), endpoints, relays)| ConferenceModify {
        create,
        expire,
        relays,
        ..modify(endpoints)
    })
}

fn message() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        Just(r#"{"colibriClass":"ClientHello"}"#.to_owned()),
        Just(r#"{"colibriClass":"EndpointStats","x":1}"#.to_owned()),
        "[a-e]?".prop_map(|to| format!(r#"{{"colibriClass":"EndpointMessage","to":"{to}"}}"#)),
        "(none|camera|desktop)"
            .prop_map(|t| format!(r#"{{"colibriClass":"VideoTypeMessage","videoType":"{t}"}}"#)),
        any::<i32>()
            .prop_map(|n| format!(r#"{{"colibriClass":"ReceiverVideoConstraints","lastN":{n}}}"#)),
        ("[a-b]-v[0-1]", -1i32..1_000).prop_map(|(name, height)| format!(
            r#"{{"colibriClass":"ReceiverVideoConstraints","onStageSources":["{name}"],
                "defaultConstraints":{{"maxHeight":{height}}}}}"#
        )),
        ("[a-b]-v[0-1]", any::<bool>()).prop_map(|(name, all)| format!(
            r#"{{"colibriClass":"ReceiverAudioSubscription","all":{all},"include":["{name}"]}}"#
        )),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        1 => (0u16..4).prop_map(Kind::Moved),
        1 => Just(Kind::IceConnected),
        1 => Just(Kind::IceFailed),
        2 => Just(Kind::ChannelOpened),
        1 => Just(Kind::ChannelClosed),
        3 => message().prop_map(Kind::Message),
        2 => Just(Kind::Activity),
        4 => (0u32..20, any::<[u16; 9]>())
            .prop_map(|(source, kbps)| Kind::Layers(source, kbps.map(u64::from))),
        2 => vec((0u64..12, 0u32..20, 0u8..128, 0u64..100_000), 0..9).prop_map(Kind::Levels),
        2 => option::of(0u64..5_000).prop_map(Kind::Estimate),
        1 => Just(Kind::FirstVideoSent),
        1 => (0u64..9_000).prop_map(Kind::RoundTrip),
        1 => (any::<bool>(), vec((0u32..20, 0u32..9), 0..5))
            .prop_map(|(video, slots)| Kind::Mapped(video, slots)),
        1 => Just(Kind::Crashed),
    ];
    prop_oneof![
        5 => request().prop_map(Step::Request),
        8 => (0u64..12, kind).prop_map(|(session, kind)| Step::Event(session, kind)),
        1 => (1u64..90).prop_map(Step::Pass),
    ]
}

fn run(world: &mut World, step: Step) {
    match step {
        Step::Request(request) => {
            let before = world.exists();
            if world.request(&request).is_err() {
                assert!(world.exists() || !before, "an error ended the conference");
            }
        }
        Step::Event(session, kind) if world.exists() => {
            world.session_event(SessionId(session), kind.into());
        }
        Step::Event(..) => {}
        Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
    }
    if world.exists() {
        let counts = world.conference().entry_counts();
        assert_eq!((counts.endpoints, counts.sessions), (world.ledger.living(), counts.endpoints));
        assert_eq!(counts.commands, 0);
        world.conference().debug_state();
    } else {
        assert_eq!(world.ledger.living(), 0);
        assert!(world.ledger.snapshots.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The ledger checks the order of all commands as they come; at the end every session that was
    /// created has ended exactly once.
    #[test]
    fn every_create_is_followed_by_exactly_one_expire(steps in vec(step(), 1..60)) {
        let loudest = LoudestConfig { route_loudest_only: true, ..LoudestConfig::default() };
        let settings = ConferenceSettings { loudest, ..settings() };
        let mut world = World::with(settings, |environment| environment);
        for step in steps {
            run(&mut world, step);
        }
        if world.exists() {
            let request = ConferenceModify { expire: true, ..ConferenceModify::new(MEETING) };
            world.request(&request).unwrap();
        }
        prop_assert_eq!(world.ledger.living(), 0);
        prop_assert!(world.index.is_empty());
        prop_assert_eq!(world.index.local_endpoints(), 0);
        prop_assert!(world.conferences.values().all(|c| c.entry_counts() == EntryCounts::default()));
    }
}
