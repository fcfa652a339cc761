//! SRTP and SRTCP contexts: open in place, seal into another buffer, no allocation per packet.
//!
//! One [`SrtpReceiver`] and one [`SrtpSender`] per DTLS association, both made from its
//! [`KeyingMaterial`]. All SSRCs of a direction share the session keys (RFC 3711, 4.3: the key
//! derivation does not see the SSRC), so an SSRC costs a few words of state, not a key schedule.
//!
//! Rules: RFC 3711 (counter mode and HMAC-SHA1), RFC 7714 (AES-GCM), RFC 5764 (DTLS-SRTP keys).
//! Not here: parsing of RTP headers and RTCP (the caller gives the header length), queues, keys
//! that change during a session (MKI, key derivation rate).

#![forbid(unsafe_code)]

mod cipher;
mod derivation;
mod error;
#[cfg(test)]
mod hex;
mod keying;
mod profile;
mod receiver;
mod replay;
mod sender;
mod stream_table;

pub use error::{KeyingError, OpenError, SealError};
pub use keying::{DtlsRole, KeyingMaterial};
pub use profile::{MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD, Profile};
pub use receiver::{MAX_RECEIVE_STREAMS, SrtpReceiver};
pub use replay::REPLAY_WINDOW_PACKETS;
pub use sender::{MAX_SEND_STREAMS, SrtpSender};
