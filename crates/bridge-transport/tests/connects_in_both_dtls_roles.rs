//! A client connects over ICE, DTLS and SCTP, whichever side sends the ClientHello.

mod common;

use std::time::Duration;

use bridge_dtls::{DtlsRole, Setup};
use bridge_srtp::{Profile, SrtpReceiver, SrtpSender};
use bridge_transport::TransportEvent;
use common::{Client, World, bridge_address, client_address};

#[test]
fn with_the_client_as_dtls_client() {
    connect(Setup::Active, DtlsRole::Client);
}

#[test]
fn with_the_client_as_dtls_server() {
    connect(Setup::Passive, DtlsRole::Server);
}

fn connect(setup: Setup, role: DtlsRole) {
    let mut world = World::default();
    world.clients.push(Client::new(client_address()).with_role(role));
    world.signal(Some(setup));
    world.run_until(Duration::from_secs(5), World::is_connected);

    let order = world.events.iter().filter(|event| **event != TransportEvent::Consent);
    let order: Vec<_> = order.collect();
    assert!(
        matches!(
            order[..],
            [
                TransportEvent::IceWriteable,
                TransportEvent::IceConnected { relayed: false },
                TransportEvent::DtlsConnected { .. },
                TransportEvent::ChannelOpened,
            ]
        ),
        "{order:?}"
    );
    assert_eq!(world.bridge.selected(), Some((bridge_address(), client_address())));
    assert!(world.bridge.is_valid_source(client_address()));
    assert!(world.bridge.is_controlling());
    assert!(world.dtls_drops.is_empty(), "{:?}", world.dtls_drops);

    talk(&mut world);
    exchange_media(&mut world);
}

fn talk(world: &mut World) {
    world.clients[0].send_text("hello bridge");
    assert!(world.bridge.send_message(world.now, "hello client"));
    world.run_until(Duration::from_secs(5), |world| {
        world.messages() == ["hello bridge"] && world.clients[0].messages == [b"hello client"]
    });
}

fn exchange_media(world: &mut World) {
    let keying = world.clients[0].keying.clone().expect("the handshake is done");
    let (mut sender, mut receiver) = (SrtpSender::new(&keying), SrtpReceiver::new(&keying));
    let srtp = world.bridge.srtp().expect("the handshake is done");
    let header = [0x80, 111, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4];
    let mut packet = [0; 200];
    let len = sender.seal_rtp(&header, b"to the bridge", &mut packet).expect("keys fit");
    let len = srtp.receiver.open_rtp(&mut packet[..len], 12).expect("keys fit");
    assert_eq!(&packet[12..len], b"to the bridge");
    let len = srtp.sender.seal_rtp(&header, b"to the client", &mut packet).expect("keys fit");
    let len = receiver.open_rtp(&mut packet[..len], 12).expect("keys fit");
    assert_eq!(&packet[12..len], b"to the client");
    assert!(matches!(keying.profile(), Profile::AeadAes128Gcm | Profile::AeadAes256Gcm));
}
