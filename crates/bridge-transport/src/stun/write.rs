//! Making messages: our own answers, and the SOFTWARE attribute in those of the ICE library.

use std::net::{IpAddr, SocketAddr};

#[cfg(test)]
use super::attribute::USERNAME;
use super::attribute::{
    ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY, SOFTWARE, UNKNOWN_ATTRIBUTES, XOR_MAPPED_ADDRESS,
};
use super::integrity::{fingerprint, sign};
use super::{HEADER_LEN, MAGIC_COOKIE, Message, TransactionId};

/// A STUN message under construction.
pub(crate) struct MessageWriter {
    bytes: Vec<u8>,
}

impl MessageWriter {
    pub(crate) fn success(id: TransactionId) -> Self {
        Self::new(0x0101, id)
    }

    /// An error answer with `code` (300 to 699) and its reason.
    pub(crate) fn error(id: TransactionId, code: u16, reason: &str) -> Self {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        Self::new(0x0111, id).attribute(ERROR_CODE, &value)
    }

    #[cfg(test)]
    pub(crate) fn request(id: TransactionId) -> Self {
        Self::new(0x0001, id)
    }

    fn new(message_type: u16, id: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&message_type.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&id);
        Self { bytes }
    }

    #[cfg(test)]
    pub(crate) fn username(self, username: &str) -> Self {
        self.attribute(USERNAME, username.as_bytes())
    }

    /// Nothing is written for the empty text.
    pub(crate) fn software(self, software: &str) -> Self {
        if software.is_empty() {
            return self;
        }
        let whole = |end: &usize| software.is_char_boundary(*end);
        let end = (0..=MAX_SOFTWARE_LEN.min(software.len())).rev().find(whole).unwrap_or(0);
        self.attribute(SOFTWARE, &software.as_bytes()[..end])
    }

    pub(crate) fn unknown_attributes(self, kinds: &[u16]) -> Self {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(UNKNOWN_ATTRIBUTES, &value)
    }

    pub(crate) fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let mut mask = MAGIC_COOKIE.into_iter().chain(self.transaction_id());
        let port = address.port().to_be_bytes();
        let port = [port[0] ^ MAGIC_COOKIE[0], port[1] ^ MAGIC_COOKIE[1]];
        let mut masked =
            |octets: &[u8]| octets.iter().zip(&mut mask).map(|(o, m)| o ^ m).collect::<Vec<u8>>();
        let (family, ip) = match address.ip() {
            IpAddr::V4(ip) => (1, masked(&ip.octets())),
            IpAddr::V6(ip) => (2, masked(&ip.octets())),
        };
        let mut value = vec![0, family, port[0], port[1]];
        value.extend_from_slice(&ip);
        self.attribute(XOR_MAPPED_ADDRESS, &value)
    }

    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Closes the message, signed with `password` if there is one.
    pub(crate) fn finish(mut self, password: Option<&str>) -> Vec<u8> {
        if let Some(password) = password {
            self.set_length(24);
            let tag = sign(password.as_bytes(), &[&self.bytes]);
            self = self.attribute(MESSAGE_INTEGRITY, &tag);
        }
        self.set_length(8);
        let value = fingerprint(&self.bytes);
        self.attribute(FINGERPRINT, &value).bytes
    }

    /// The length field as it will be after `more` bytes.
    fn set_length(&mut self, more: usize) {
        let length = (self.bytes.len() - HEADER_LEN + more) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }

    fn transaction_id(&self) -> TransactionId {
        let mut id = TransactionId::default();
        id.copy_from_slice(&self.bytes[8..HEADER_LEN]);
        id
    }
}

/// `message` with a SOFTWARE attribute, signed anew with `password`.
pub(crate) fn with_software(message: Message<'_>, software: &str, password: &str) -> Vec<u8> {
    let mut writer = MessageWriter { bytes: message.bytes()[..HEADER_LEN].to_vec() };
    for attribute in message.attributes().map_while(|a| a) {
        if attribute.kind == MESSAGE_INTEGRITY || attribute.kind == FINGERPRINT {
            break;
        }
        writer = writer.attribute(attribute.kind, attribute.value);
    }
    writer.software(software).finish(Some(password))
}

/// Keeps every message far below the MTU; RFC 8489, section 14.14, would allow 763 bytes.
const MAX_SOFTWARE_LEN: usize = 64;
