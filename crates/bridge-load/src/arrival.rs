//! What a packet from the bridge is, and whether its payload is what somebody sent.

use crate::media_stream::{AUDIO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE, stamp_offset};
use crate::payload::Stamp;
use crate::reception::Wrong;
use crate::stream_id::{StreamId, StreamKind};

/// A packet from the bridge, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Of a stream of somebody else.
    Media(StreamId),
    /// In the retransmission format, of this encoding.
    Retransmission {
        /// The stream that carries the retransmissions.
        from: StreamId,
        /// The encoding that they are of.
        encoding: u8,
    },
    /// Padding in a stream of somebody else: it has a sequence number there.
    Padding(StreamId),
    /// Padding in the bridge's own stream.
    OwnPadding,
}

impl Arrival {
    /// What arrived at endpoint `own` of a bridge that announced `bridge_ssrcs` as its own. A bridge
    /// may add some padding to media, too; `has_padding` says that there may be nothing else.
    pub(crate) fn of(
        ssrc: u32,
        payload_type: u8,
        has_padding: bool,
        own: u32,
        bridge_ssrcs: &[u32],
    ) -> Result<Self, Wrong> {
        if bridge_ssrcs.contains(&ssrc) {
            return if has_padding { Ok(Self::OwnPadding) } else { Err(Wrong::Payload) };
        }
        let from = StreamId::of_ssrc(ssrc).ok_or(Wrong::UnknownStream)?;
        if from.endpoint == own {
            return Err(Wrong::Echo);
        }
        match (from.kind, payload_type) {
            (StreamKind::Rtx(encoding), RTX_PAYLOAD_TYPE) => {
                Ok(Self::Retransmission { from, encoding })
            }
            (StreamKind::Rtx(_), _) => Err(Wrong::UnknownStream),
            (StreamKind::Audio, AUDIO_PAYLOAD_TYPE)
            | (StreamKind::Video(_), VIDEO_PAYLOAD_TYPE) => {
                Ok(if has_padding { Self::Padding(from) } else { Self::Media(from) })
            }
            _ => Err(Wrong::UnknownStream),
        }
    }
}

/// The stamp in the decrypted payload of a packet under `stream`. Bridges may forward another
/// encoding under the SSRC of the first, and rewrite the codec's own numbers, which are before the
/// stamp; all else is as it was sent.
pub(crate) fn check_media(
    payload_type: u8,
    payload: &[u8],
    stream: StreamId,
) -> Result<Stamp, Wrong> {
    let stamp = payload.get(stamp_offset(payload_type)..).and_then(Stamp::read);
    let stamp = stamp.ok_or(Wrong::Payload)?;
    let from = StreamId::of_ssrc(stamp.ssrc).ok_or(Wrong::Payload)?;
    let is_same_source = from.endpoint == stream.endpoint
        && matches!(from.kind, StreamKind::Audio) == matches!(stream.kind, StreamKind::Audio);
    if is_same_source { Ok(stamp) } else { Err(Wrong::Payload) }
}

/// The sequence number of the original, from the decrypted payload of a retransmission. `None` if
/// there is no original: bridges that probe for bandwidth may send bare padding in this format.
pub(crate) fn check_retransmission(payload: &[u8], stream: StreamId) -> Result<Option<u16>, Wrong> {
    let Some((sequence, original)) = payload.split_first_chunk() else { return Ok(None) };
    if original.is_empty() {
        return Ok(None);
    }
    check_media(VIDEO_PAYLOAD_TYPE, original, stream)?;
    Ok(Some(u16::from_be_bytes(*sequence)))
}

#[cfg(test)]
mod tests {
    use bridge_units::Timestamp;

    use super::*;

    const VIDEO: StreamId = StreamId { endpoint: 3, kind: StreamKind::Video(0) };
    const AUDIO: StreamId = StreamId { endpoint: 3, kind: StreamKind::Audio };
    const RTX: StreamId = StreamId { endpoint: 3, kind: StreamKind::Rtx(1) };
    const JVB: u32 = 0xfeed_beef;

    #[test]
    fn packets_are_told_apart_by_their_header() {
        let retransmission = Arrival::Retransmission { from: RTX, encoding: 1 };
        for (has_padding, payload_type, ssrc, own, expected) in [
            (false, VIDEO_PAYLOAD_TYPE, VIDEO.ssrc(), 1, Ok(Arrival::Media(VIDEO))),
            (true, VIDEO_PAYLOAD_TYPE, VIDEO.ssrc(), 1, Ok(Arrival::Padding(VIDEO))),
            (false, AUDIO_PAYLOAD_TYPE, AUDIO.ssrc(), 1, Ok(Arrival::Media(AUDIO))),
            (false, RTX_PAYLOAD_TYPE, RTX.ssrc(), 1, Ok(retransmission)),
            (true, RTX_PAYLOAD_TYPE, RTX.ssrc(), 1, Ok(retransmission)),
            (true, VIDEO_PAYLOAD_TYPE, JVB, 1, Ok(Arrival::OwnPadding)),
            (false, VIDEO_PAYLOAD_TYPE, JVB, 1, Err(Wrong::Payload)),
            (false, VIDEO_PAYLOAD_TYPE, VIDEO.ssrc(), 3, Err(Wrong::Echo)),
            (true, VIDEO_PAYLOAD_TYPE, 77, 1, Err(Wrong::UnknownStream)),
            (false, AUDIO_PAYLOAD_TYPE, VIDEO.ssrc(), 1, Err(Wrong::UnknownStream)),
            (false, RTX_PAYLOAD_TYPE, VIDEO.ssrc(), 1, Err(Wrong::UnknownStream)),
            (false, VIDEO_PAYLOAD_TYPE, RTX.ssrc(), 1, Err(Wrong::UnknownStream)),
        ] {
            let arrival = Arrival::of(ssrc, payload_type, has_padding, own, &[5, JVB]);
            assert_eq!(arrival, expected, "{ssrc:x} {payload_type}");
        }
    }

    fn payload(from: StreamId) -> Vec<u8> {
        let mut payload = vec![0; 200];
        let stamp = Stamp { ssrc: from.ssrc(), number: 4, sent: Timestamp::from_millis(9) };
        stamp.write(&mut payload[stamp_offset(VIDEO_PAYLOAD_TYPE)..]);
        payload
    }

    #[test]
    fn the_codecs_numbers_may_change_and_nothing_else() {
        let higher = StreamId { kind: StreamKind::Video(2), ..VIDEO };
        let check = |payload: &[u8]| check_media(VIDEO_PAYLOAD_TYPE, payload, VIDEO);
        assert_eq!(check(&payload(higher)).unwrap().number, 4);
        let mut rewritten = payload(VIDEO);
        rewritten[2..5].copy_from_slice(&[0x92, 0x34, 0x56]);
        assert!(check(&rewritten).is_ok());
        rewritten[150] ^= 1;
        assert_eq!(check(&rewritten), Err(Wrong::Payload));
        let stranger = StreamId { endpoint: 4, ..VIDEO };
        for bytes in [&payload(stranger)[..], &payload(AUDIO), &[], &[0; 30]] {
            assert_eq!(check(bytes), Err(Wrong::Payload));
        }
    }

    #[test]
    fn retransmissions_name_their_original() {
        let original = payload(VIDEO);
        let retransmission = [&[0x12, 0x34][..], &original].concat();
        assert_eq!(check_retransmission(&retransmission, RTX), Ok(Some(0x1234)));
        for padding in [&[][..], &[1], &[1, 2]] {
            assert_eq!(check_retransmission(padding, RTX), Ok(None), "{padding:?}");
        }
        assert_eq!(check_retransmission(&original, RTX), Err(Wrong::Payload));
    }
}
