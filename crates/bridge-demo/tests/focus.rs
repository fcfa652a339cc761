//! The focus against a bridge that records requests and answers as a bridge does.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_demo::{ColibriAnswer, ColibriHandler, Demo, DemoError, Joined, Limits};
use bridge_signaling::colibri2::{
    ConferenceModified, ConferenceModify, Endpoint, ErrorReason, Sctp, Transport,
};
use bridge_signaling::ice_udp::{DtlsFingerprint, IceUdpTransport};
use bridge_signaling::{ErrorAnswer, StanzaErrorCondition};

#[derive(Default)]
struct Recorder {
    requests: Mutex<Vec<ConferenceModify>>,
    /// Errors to answer with, first one first; then everything succeeds.
    errors: Mutex<Vec<ErrorAnswer>>,
}

impl Recorder {
    fn take(&self) -> Vec<ConferenceModify> {
        std::mem::take(&mut self.requests.lock().expect("no test panics with it"))
    }
}

impl ColibriHandler for Recorder {
    fn conference_modify(&self, request: ConferenceModify) -> ColibriAnswer {
        let mut errors = self.errors.lock().expect("no test panics with it");
        let endpoints = request.endpoints.iter().map(created).collect();
        self.requests.lock().expect("no test panics with it").push(request);
        let answer = match errors.is_empty() {
            true => Ok(ConferenceModified { endpoints, ..ConferenceModified::default() }),
            false => Err(errors.remove(0)),
        };
        Box::pin(ready(answer))
    }
}

fn created(endpoint: &Endpoint) -> Endpoint {
    let fingerprint = DtlsFingerprint {
        hash: "sha-256".into(),
        fingerprint: "AB:CD".into(),
        setup: None,
        cryptex: false,
    };
    let ice = IceUdpTransport {
        ufrag: Some("ufrag".into()),
        pwd: Some("password".into()),
        fingerprints: vec![fingerprint],
        ..IceUdpTransport::default()
    };
    let sctp = Some(Sctp { role: None, port: Some(5000) });
    let transport = Transport { ice: Some(ice), sctp, ..Transport::default() };
    Endpoint {
        transport: endpoint.create.then_some(transport),
        ..Endpoint::new(endpoint.id.clone())
    }
}

fn demo(limits: Limits) -> (Arc<Recorder>, Arc<Demo>) {
    let recorder = Arc::new(Recorder::default());
    let handler: Arc<dyn ColibriHandler> = recorder.clone();
    (recorder, Demo::new(handler, limits))
}

fn answer_with(ssrc: u32) -> String {
    format!(
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:pw\r\n\
         a=fingerprint:sha-256 AA:BB\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\n\
         a=ssrc:{ssrc} cname:x\r\n"
    )
}

async fn offer(demo: &Demo, who: &Joined) -> String {
    let view = demo.view(&who.token, 0).await.expect("is seated").expect("there is a view");
    view.offer
}

#[tokio::test]
async fn a_call_from_join_to_leave() {
    let (recorder, demo) = demo(Limits::default());
    let ada = demo.join("lobby", "Ada").await.expect("joins");
    demo.answer(&ada.token, &answer_with(111_000)).await.expect("is taken");
    let ben = demo.join("lobby", "Ben").await.expect("joins");
    assert!(ben.view.offer.contains(&format!("a=ssrc:111000 msid:{0} {0}-a0", ada.id)));
    assert!(!offer(&demo, &ada).await.contains("222000"), "Ben has not answered yet");
    demo.answer(&ben.token, &answer_with(222_000)).await.expect("is taken");
    assert!(offer(&demo, &ada).await.contains(&format!("a=ssrc:222000 msid:{}", ben.id)));
    let names: Vec<String> = ben.view.people.iter().map(|person| person.name.clone()).collect();
    assert_eq!(names, ["Ada", "Ben"]);

    demo.leave(&ada.token).await.expect("leaves");
    assert!(!offer(&demo, &ben).await.contains("a=ssrc:111000"));
    demo.leave(&ben.token).await.expect("leaves");
    assert_eq!(demo.sizes(), (0, 0));
    assert!(matches!(demo.leave(&ben.token).await, Err(DemoError::Gone)));

    let requests = recorder.take();
    let creates: Vec<bool> = requests.iter().map(|request| request.create).collect();
    assert_eq!(creates, [true, false, false, false, false, false]);
    let update = &requests[1].endpoints[0];
    assert_eq!(update.sources.as_ref().map(|sources| sources.media_sources.len()), Some(1));
    assert!(update.transport.as_ref().is_some_and(|transport| transport.ice.is_some()));
    assert!(requests[4].endpoints[0].expire && !requests[4].expire);
    assert!(requests[5].expire, "the last one ends the conference");
}

#[tokio::test]
async fn repeated_answers_are_not_sent_again() {
    let (recorder, demo) = demo(Limits::default());
    let ada = demo.join("lobby", "Ada").await.expect("joins");
    for _ in 0..3 {
        demo.answer(&ada.token, &answer_with(1)).await.expect("is taken");
    }
    demo.answer(&ada.token, &answer_with(2)).await.expect("is taken");
    let requests = recorder.take();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert_eq!(requests[2].endpoints[0].transport, None, "the transport is told once");
}

#[tokio::test]
async fn a_conference_that_the_bridge_dropped_is_made_anew() {
    let (recorder, demo) = demo(Limits::default());
    let ada = demo.join("lobby", "Ada").await.expect("joins");
    let lost = ErrorAnswer::new(StanzaErrorCondition::ItemNotFound)
        .with_reason(ErrorReason::ConferenceNotFound);
    recorder.errors.lock().expect("no test panics with it").push(lost);
    let ben = demo.join("lobby", "Ben").await.expect("joins");
    assert!(matches!(demo.view(&ada.token, 0).await, Err(DemoError::Gone)));
    assert_eq!(ben.view.people.len(), 1);
    let requests = recorder.take();
    assert!(requests[2].create && requests[2].meeting_id != requests[0].meeting_id);
    assert_eq!(demo.sizes(), (1, 1));
}

#[tokio::test]
async fn refusals_leave_nothing_behind() {
    let (recorder, demo) = demo(Limits { rooms: 1, participants: 1, ..Limits::default() });
    let full = ErrorAnswer::new(StanzaErrorCondition::ServiceUnavailable).with_text("draining");
    recorder.errors.lock().expect("no test panics with it").push(full);
    let refused = demo.join("lobby", "Ada").await;
    assert!(matches!(refused, Err(DemoError::Bridge(text)) if text.contains("draining")));
    assert_eq!(demo.sizes(), (0, 0));
    assert!(matches!(demo.join("a b", "Ada").await, Err(DemoError::BadRoomName)));
    let ada = demo.join("lobby", "Ada").await.expect("joins");
    assert!(matches!(demo.join("lobby", "Ben").await, Err(DemoError::RoomFull)));
    assert!(matches!(demo.join("other", "Ben").await, Err(DemoError::TooManyRooms)));
    assert!(matches!(demo.answer(&ada.token, "nonsense").await, Err(DemoError::Answer(_))));
    assert!(matches!(demo.answer("0", &answer_with(1)).await, Err(DemoError::Gone)));
    assert_eq!(demo.sizes(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn participants_that_vanish_are_expired() {
    let (recorder, demo) = demo(Limits::default());
    let ada = demo.join("lobby", "Ada").await.expect("joins");
    let ben = demo.join("lobby", "Ben").await.expect("joins");
    let polling = Arc::clone(&demo);
    let token = ada.token.clone();
    let poll = tokio::spawn(async move {
        let mut serial = 0;
        while let Ok(view) = polling.view(&token, serial).await {
            serial = view.map_or(serial, |view| view.serial);
        }
    });
    let expiring = Arc::clone(&demo);
    let expiry = tokio::spawn(async move { expiring.expire_vanished().await });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(matches!(demo.view(&ben.token, 0).await, Err(DemoError::Gone)), "Ben never polled");
    assert_eq!(demo.sizes(), (1, 1), "Ada polls");
    assert!(recorder.take().iter().any(|request| request.endpoints[0].expire));

    poll.abort();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(demo.sizes(), (0, 0));
    expiry.abort();
}
