//! DTLS datagrams of a peer, before and while the handshake runs.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use bridge_dtls::{Certificate, DtlsContext, DtlsRole, DtlsSession, DtlsSettings};
use bridge_rtp::PacketKind;
use bridge_units::Timestamp;

use crate::bytes::{Bytes, records};

/// The role, then datagrams with the time between them.
pub fn run(data: &[u8]) {
    let mut input = Bytes::new(data);
    let role = if input.bool() { DtlsRole::Client } else { DtlsRole::Server };
    let mut now = Timestamp::from_millis(1);
    let session = DtlsSession::new(now, CONTEXT.clone(), CERTIFICATE.clone(), role);
    let Ok(mut session) = session else { unreachable!("a session can begin") };
    let mut buffer = [0; 2_048];
    for _ in 0..MAX_DATAGRAMS {
        if input.is_empty() {
            break;
        }
        now += Duration::from_millis(u64::from(input.u8()) * 16);
        let datagram = input.chunk();
        let _kind = PacketKind::classify(datagram);
        let _result = session.handle_datagram(now, datagram);
        if session.poll_timeout().is_some_and(|at| at <= now) {
            let _result = session.handle_timeout(now);
        }
        while session.poll_transmit(&mut buffer).is_some() {}
        while session.poll_event().is_some() {}
    }
}

/// The begin of a client's hello, whole and in two fragments, an alert and application data.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut whole = vec![0, 1];
    whole.extend(records([&CLIENT_HELLO_START[..]]));
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40];
    let data = [23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3];
    let mut others = vec![1, 0];
    others.extend(records([&alert[..]]));
    others.push(0);
    others.extend(records([&data[..]]));
    vec![whole, others]
}

/// A record with a client's hello of DTLS 1.2 without extensions.
pub(crate) const CLIENT_HELLO_START: [u8; 69] = {
    let mut hello = [7; 69];
    // Record: handshake, version, epoch and number, length.
    let record = [22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 56];
    // Message: client hello, length, number, offset, length.
    let message = [1, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 44];
    // Version; 32 bytes of randomness follow, then session, cookie, one suite, no compression.
    let tail = [0, 0, 0, 2, 0xc0, 0x2b, 1, 0];
    let mut at = 0;
    while at < 13 {
        hello[at] = record[at];
        at += 1;
    }
    at = 0;
    while at < 12 {
        hello[13 + at] = message[at];
        at += 1;
    }
    (hello[25], hello[26]) = (254, 253);
    at = 0;
    while at < 8 {
        hello[59 + at] = tail[at];
        at += 1;
    }
    (hello[67], hello[68]) = (0, 0);
    hello
};

#[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
pub(crate) static CONTEXT: LazyLock<Arc<DtlsContext>> = LazyLock::new(|| {
    DtlsContext::new(DtlsSettings::default(), Instant::now()).expect("the defaults are valid")
});

pub(crate) static CERTIFICATE: LazyLock<Arc<Certificate>> = LazyLock::new(|| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Arc::new(Certificate::generate(now).expect("a certificate can be made"))
});

const MAX_DATAGRAMS: usize = 50;
