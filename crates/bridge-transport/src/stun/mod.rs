//! Reading and writing the few STUN messages that ICE uses (RFC 8489, RFC 8445 section 16).
//!
//! [`Message`] is a view without allocation, cheap enough for a shard's demultiplexer. Everything
//! here takes bytes from anyone and never panics. TURN is not here.

mod attribute;
mod integrity;
mod write;

pub(crate) use attribute::Summary;
pub(crate) use integrity::{HmacSha1, sign};
pub(crate) use write::{MessageWriter, with_software};

/// A STUN message whose header has been checked: magic cookie, type bits and length.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

/// The class of a STUN message (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// A good answer.
    Success,
    /// A bad answer.
    Error,
}

/// What identifies a request and its answer.
pub type TransactionId = [u8; 12];

impl<'a> Message<'a> {
    /// `None` unless `datagram` is exactly one STUN message with the magic cookie of RFC 8489 and a
    /// length field that agrees with its size.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER_LEN] = datagram.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let valid = header[0] & 0b1100_0000 == 0
            && header[4..8] == MAGIC_COOKIE
            && length % 4 == 0
            && datagram.len() == HEADER_LEN + length;
        valid.then_some(Self { bytes: datagram })
    }

    /// The class.
    pub fn class(self) -> Class {
        match self.message_type() & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// Whether the method is Binding, the only one that ICE uses.
    pub fn is_binding(self) -> bool {
        self.message_type() & !0x0110 == 0x0001
    }

    /// The transaction id.
    pub fn transaction_id(self) -> TransactionId {
        let mut id = TransactionId::default();
        if let Some(bytes) = self.bytes.get(8..HEADER_LEN) {
            id.copy_from_slice(bytes);
        }
        id
    }

    /// The USERNAME attribute, if it is there (before MESSAGE-INTEGRITY) and UTF-8.
    pub fn username(self) -> Option<&'a str> {
        let value = self
            .attributes()
            .map_while(|a| a.filter(|a| a.kind != attribute::MESSAGE_INTEGRITY))
            .find(|a| a.kind == attribute::USERNAME)?
            .value;
        std::str::from_utf8(value).ok()
    }

    /// The receiver's ufrag: USERNAME up to the first colon (RFC 8445, section 7.2.2).
    pub fn local_ufrag(self) -> Option<&'a str> {
        self.username()?.split_once(':').map(|(local, _)| local)
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    fn message_type(self) -> u16 {
        self.bytes.first_chunk().map_or(0, |b: &[u8; 2]| u16::from_be_bytes(*b))
    }

    fn attributes(self) -> attribute::Attributes<'a> {
        attribute::Attributes::new(self.bytes)
    }
}

/// Whether a datagram belongs to ICE by its first byte (RFC 7983, section 7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first <= 3)
}

/// The receiver's ufrag of a Binding request, the key that finds the session of a datagram from an
/// address that is not known yet. `None` for anything else.
pub fn binding_request_ufrag(datagram: &[u8]) -> Option<&str> {
    let message = Message::parse(datagram)?;
    (message.is_binding() && message.class() == Class::Request).then(|| message.local_ufrag())?
}

/// The transaction id of any STUN message, the key that finds the session of a response.
pub fn transaction_id(datagram: &[u8]) -> Option<TransactionId> {
    Message::parse(datagram).map(Message::transaction_id)
}

/// The class of any STUN message.
pub fn class(datagram: &[u8]) -> Option<Class> {
    Message::parse(datagram).map(Message::class)
}

pub(crate) const HEADER_LEN: usize = 20;
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

#[cfg(test)]
mod tests;
