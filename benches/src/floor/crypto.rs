//! AES-128-GCM as SRTP uses it, without streams, rollover counters and replay windows.

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// The key of the sender and one for each receiver.
pub(super) struct Keys {
    inbound: LessSafeKey,
    outbound: Vec<LessSafeKey>,
}

impl Keys {
    pub(super) fn new(receivers: usize) -> Result<Self> {
        let outbound = (0..receivers).map(|n| key(n as u8)).collect::<Result<_>>()?;
        Ok(Self { inbound: key(0xff)?, outbound })
    }

    /// Packet `number` of `size` bytes as the sender sends it.
    pub(super) fn sealed_packet(&self, number: u64, size: usize) -> Result<Vec<u8>> {
        let mut packet = vec![0x5a; size + TAG];
        packet[..HEADER].copy_from_slice(&[0x80, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet[NUMBER].copy_from_slice(&number.to_be_bytes());
        seal(&self.inbound, number, &mut packet)?;
        Ok(packet)
    }

    /// Opens a packet in place; its header says which one it is.
    pub(super) fn open(&self, packet: &mut [u8]) -> Result<()> {
        let (header, rest) = packet.split_at_mut(HEADER);
        let mut number = [0; 8];
        number.copy_from_slice(&header[NUMBER]);
        let nonce = nonce(u64::from_be_bytes(number));
        let opened = self.inbound.open_in_place(nonce, Aad::from(&*header), rest);
        opened.map(|_| ()).map_err(|_| anyhow!("a packet did not open"))
    }

    /// Copies `packet` to `out` with a header of the receiver's own, and seals it there.
    pub(super) fn seal(
        &self,
        receiver: usize,
        number: u64,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let key = self.outbound.get(receiver).ok_or_else(|| anyhow!("no such receiver"))?;
        let plain = packet.len() - TAG;
        out[..plain].copy_from_slice(&packet[..plain]);
        // Marker and payload type stay; sequence number, timestamp and SSRC are the receiver's.
        out[2..HEADER].copy_from_slice(&[receiver as u8; HEADER - 2]);
        seal(key, number, out)
    }
}

fn key(n: u8) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &[n; 16]);
    key.map(LessSafeKey::new).map_err(|_| anyhow!("no AES-128-GCM"))
}

/// Seals in place; the last bytes are the tag's.
fn seal(key: &LessSafeKey, number: u64, packet: &mut [u8]) -> Result<()> {
    let (header, rest) = packet.split_at_mut(HEADER);
    let (payload, tag_place) = rest.split_at_mut(rest.len() - TAG);
    let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(&*header), payload);
    tag_place.copy_from_slice(tag.map_err(|_| anyhow!("packet {number} was not sealed"))?.as_ref());
    Ok(())
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Bytes that sealing adds.
pub(super) const TAG: usize = 16;
/// The fixed part of an RTP header.
const HEADER: usize = 12;
/// Where the sender puts a packet's number.
const NUMBER: std::ops::Range<usize> = 2..10;
