//! The attributes of a message, in one pass.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{HEADER_LEN, MAGIC_COOKIE, Message, TransactionId, integrity};

/// One attribute, or `None` once where the message stops making sense.
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
    /// Where its header begins in the message.
    pub(super) offset: usize,
}

/// What an agent has to know of a message, in the order of RFC 8489, section 6.3.
#[derive(Default)]
pub(crate) struct Summary<'a> {
    /// An attribute does not fit, a fixed-size one has another size, or FINGERPRINT is not last.
    pub(crate) malformed: bool,
    pub(crate) username: Option<&'a str>,
    pub(crate) priority: Option<u32>,
    pub(crate) controlling: Option<u64>,
    pub(crate) controlled: Option<u64>,
    pub(crate) mapped_address: Option<SocketAddr>,
    /// Types below 0x8000 that mean nothing to ICE, the first few of them.
    pub(crate) unknown: Vec<u16>,
    integrity: Option<Attribute<'a>>,
    fingerprint: Option<Attribute<'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { bytes: message, offset: HEADER_LEN }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<Attribute<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let offset = self.offset;
        let attribute = rest.split_first_chunk::<4>().and_then(|(header, rest)| {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let kind = u16::from_be_bytes([header[0], header[1]]);
            let value = rest.get(..length)?;
            self.offset = offset + 4 + length.next_multiple_of(4);
            Some(Attribute { kind, value, offset })
        });
        if attribute.is_none() {
            self.offset = self.bytes.len();
        }
        Some(attribute)
    }
}

impl<'a> Summary<'a> {
    pub(crate) fn of(message: Message<'a>) -> Self {
        let mut summary = Self::default();
        for attribute in message.attributes() {
            let Some(attribute) = attribute.filter(|_| summary.fingerprint.is_none()) else {
                summary.malformed = true;
                break;
            };
            summary.take(message, attribute);
        }
        summary
    }

    pub(crate) fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY is there and made with `password`.
    pub(crate) fn verifies(&self, message: Message<'_>, password: &str) -> bool {
        self.integrity.is_some_and(|attribute| {
            integrity::verify(message.bytes(), attribute.offset, attribute.value, password)
        })
    }

    /// Whether FINGERPRINT is absent or right.
    pub(crate) fn fingerprint_fits(&self, message: Message<'_>) -> bool {
        self.fingerprint.is_none_or(|attribute| {
            message
                .bytes()
                .get(..attribute.offset)
                .is_some_and(|covered| attribute.value == integrity::fingerprint(covered))
        })
    }

    fn take(&mut self, message: Message<'a>, attribute: Attribute<'a>) {
        let value = attribute.value;
        if attribute.kind == FINGERPRINT {
            self.malformed |= value.len() != 4;
            self.fingerprint = Some(attribute);
            return;
        }
        // RFC 8489, section 14.5: what follows MESSAGE-INTEGRITY is ignored, except FINGERPRINT.
        if self.integrity.is_some() {
            return;
        }
        match attribute.kind {
            MESSAGE_INTEGRITY => {
                self.malformed |= value.len() != 20;
                self.integrity = Some(attribute);
            }
            USERNAME => {
                self.username = std::str::from_utf8(value).ok();
                self.malformed |= self.username.is_none();
            }
            PRIORITY => set(&mut self.priority, value, u32::from_be_bytes, &mut self.malformed),
            ICE_CONTROLLING => {
                set(&mut self.controlling, value, u64::from_be_bytes, &mut self.malformed);
            }
            ICE_CONTROLLED => {
                set(&mut self.controlled, value, u64::from_be_bytes, &mut self.malformed);
            }
            XOR_MAPPED_ADDRESS => {
                self.mapped_address = xor_address(value, message.transaction_id());
                self.malformed |= self.mapped_address.is_none();
            }
            USE_CANDIDATE | MAPPED_ADDRESS | ERROR_CODE | UNKNOWN_ATTRIBUTES | REALM | NONCE => {}
            kind if kind < COMPREHENSION_OPTIONAL && self.unknown.len() < MAX_UNKNOWN => {
                self.unknown.push(kind);
            }
            _ => {}
        }
    }
}

fn set<const N: usize, T>(
    slot: &mut Option<T>,
    value: &[u8],
    read: fn([u8; N]) -> T,
    malformed: &mut bool,
) {
    *slot = value.try_into().ok().map(read);
    *malformed |= slot.is_none();
}

fn xor_address(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    let (head, rest) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ MAGIC_COOKIE[0], head[3] ^ MAGIC_COOKIE[1]]);
    let mask = MAGIC_COOKIE.into_iter().chain(id);
    let ip = match head[1] {
        1 => IpAddr::V4(Ipv4Addr::from(unmask::<4>(rest, mask)?)),
        2 => IpAddr::V6(Ipv6Addr::from(unmask::<16>(rest, mask)?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn unmask<const N: usize>(value: &[u8], mask: impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut bytes: [u8; N] = value.try_into().ok()?;
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    Some(bytes)
}

pub(super) const MAPPED_ADDRESS: u16 = 0x0001;
pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
pub(super) const REALM: u16 = 0x0014;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const SOFTWARE: u16 = 0x8022;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802A;
/// Types from here on may be ignored by who does not know them (RFC 8489, section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;
/// Unknown types named in an answer; a request with more is hostile and one is enough to refuse it.
const MAX_UNKNOWN: usize = 4;
