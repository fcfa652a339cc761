use aes::Aes128Enc;
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ctr::Ctr32BE;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::derivation::{Packets, SessionKeys};
use crate::error::OpenError;
use crate::keying::MasterKey;
use crate::profile::{MAX_SALT_LEN, Profile, SRTCP_INDEX_LEN};

/// The session keys of one direction and kind of packet, their schedules expanded once.
///
/// `index` is the 48-bit index of an RTP packet or the 31-bit index of an RTCP packet.
pub(crate) enum Cipher {
    Gcm(Box<Gcm>),
    CounterMode(Box<CounterMode>),
}

/// AEAD as in RFC 7714.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; GCM_NONCE_LEN],
}

/// Counter mode with HMAC-SHA1 as in RFC 3711.
pub(crate) struct CounterMode {
    encryption: Aes128Enc,
    /// Holds the key; cloned for each packet.
    authentication: Hmac<Sha1>,
    salt: [u8; MAX_SALT_LEN],
}

impl Cipher {
    pub(crate) fn new(master: &MasterKey, packets: Packets) -> Self {
        let keys = SessionKeys::derive(master, packets);
        match master.profile() {
            Profile::AeadAes128Gcm => Self::Gcm(Box::new(Gcm::new(&aead::AES_128_GCM, &keys))),
            Profile::AeadAes256Gcm => Self::Gcm(Box::new(Gcm::new(&aead::AES_256_GCM, &keys))),
            Profile::Aes128CmHmacSha1_80 => Self::CounterMode(Box::new(CounterMode::new(&keys))),
        }
    }

    /// Seals into all of `out`, whose length is that of the parts and the tag.
    pub(crate) fn seal_rtp(
        &self,
        header: &[u8],
        payload: &[u8],
        out: &mut [u8],
        ssrc: u32,
        index: u64,
    ) {
        let (out_header, rest) = out.split_at_mut(header.len());
        let (out_payload, tag) = rest.split_at_mut(payload.len());
        out_header.copy_from_slice(header);
        match self {
            Self::Gcm(gcm) => gcm.seal(ssrc, index, header, payload, out_payload, tag),
            Self::CounterMode(cm) => {
                cm.seal(ssrc, index, payload, out_payload);
                cm.write_tag(&[header, out_payload, &rollovers(index)], tag);
            }
        }
    }

    /// Opens in place and returns the length without the tag.
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, OpenError> {
        let tag_len = self.tag_len();
        let plain_len = packet.len().checked_sub(tag_len).ok_or(OpenError::TooShort)?;
        match self {
            Self::Gcm(gcm) => {
                let (header, sealed) = split(packet, header_len)?;
                gcm.open(ssrc, index, header, sealed)?;
            }
            Self::CounterMode(cm) => {
                let (sealed, tag) = split(packet, plain_len)?;
                cm.verify(&[sealed, &rollovers(index)], tag)?;
                let (_, payload) = split(sealed, header_len)?;
                cm.apply_keystream(ssrc, index, payload);
            }
        }
        Ok(plain_len)
    }

    /// Seals a compound packet into all of `out`. `word` is the index with the E bit.
    pub(crate) fn seal_rtcp(&self, packet: &[u8], out: &mut [u8], ssrc: u32, word: u32) {
        let (header, payload) = packet.split_at(RTCP_HEADER_LEN);
        let (out_header, rest) = out.split_at_mut(RTCP_HEADER_LEN);
        let (out_payload, trailer) = rest.split_at_mut(payload.len());
        out_header.copy_from_slice(header);
        let index = rtcp_index(word);
        let word = word.to_be_bytes();
        match self {
            Self::Gcm(gcm) => {
                let (tag, out_word) = trailer.split_at_mut(GCM_TAG_LEN);
                out_word.copy_from_slice(&word);
                gcm.seal(ssrc, index, &rtcp_aad(header, word), payload, out_payload, tag);
            }
            Self::CounterMode(cm) => {
                let (out_word, tag) = trailer.split_at_mut(SRTCP_INDEX_LEN);
                out_word.copy_from_slice(&word);
                cm.seal(ssrc, index, payload, out_payload);
                cm.write_tag(&[header, out_payload, &word], tag);
            }
        }
    }

    /// Opens a compound packet in place; its first `plain_len` bytes are the result.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut [u8],
        plain_len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<(), OpenError> {
        let index = rtcp_index(word);
        match self {
            Self::Gcm(gcm) => {
                let (header, rest) = split(packet, RTCP_HEADER_LEN)?;
                let sealed_len =
                    rest.len().checked_sub(SRTCP_INDEX_LEN).ok_or(OpenError::TooShort)?;
                let (sealed, _) = split(rest, sealed_len)?;
                gcm.open(ssrc, index, &rtcp_aad(header, word.to_be_bytes()), sealed)
            }
            Self::CounterMode(cm) => {
                let (sealed, tag) = split(packet, plain_len + SRTCP_INDEX_LEN)?;
                cm.verify(&[sealed], tag)?;
                let (compound, _) = split(sealed, plain_len)?;
                let (_, payload) = split(compound, RTCP_HEADER_LEN)?;
                cm.apply_keystream(ssrc, index, payload);
                Ok(())
            }
        }
    }

    /// Where the index word of an SRTCP packet of `packet_len` bytes is: at the very end with
    /// AEAD (RFC 7714, 9.2), else before the tag (RFC 3711, 3.4).
    pub(crate) const fn rtcp_word_at(&self, packet_len: usize) -> Option<usize> {
        match self {
            Self::Gcm(_) => packet_len.checked_sub(SRTCP_INDEX_LEN),
            Self::CounterMode(_) => packet_len.checked_sub(CM_TAG_LEN + SRTCP_INDEX_LEN),
        }
    }

    const fn tag_len(&self) -> usize {
        match self {
            Self::Gcm(_) => GCM_TAG_LEN,
            Self::CounterMode(_) => CM_TAG_LEN,
        }
    }
}

impl Gcm {
    fn new(algorithm: &'static aead::Algorithm, keys: &SessionKeys) -> Self {
        let key = keys.encryption.get(..algorithm.key_len()).unwrap_or_default();
        let key = UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
        let salt = *keys.salt.first_chunk().expect("a session salt has room for 12 bytes");
        Self { key: LessSafeKey::new(key), salt }
    }

    fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        payload: &[u8],
        out: &mut [u8],
        tag: &mut [u8],
    ) {
        self.key
            .seal_out_of_place_scatter(
                self.nonce(ssrc, index),
                Aad::from(aad),
                payload,
                out,
                &[],
                tag,
            )
            .expect("output and tag have the right lengths and a packet is far below GCM's limit");
    }

    fn open(&self, ssrc: u32, index: u64, aad: &[u8], sealed: &mut [u8]) -> Result<(), OpenError> {
        self.key
            .open_in_place(self.nonce(ssrc, index), Aad::from(aad), sealed)
            .map(|_| ())
            .map_err(|_| OpenError::Unauthenticated)
    }

    /// RFC 7714, 8.1 and 9.1, which agree if the RTCP index is seen as a 48-bit number.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let block = (u128::from(ssrc) << 48) | u128::from(index);
        let salt = self.salt.iter().fold(0u128, |acc, byte| acc << 8 | u128::from(*byte));
        let bytes = (block ^ salt).to_be_bytes();
        Nonce::assume_unique_for_key(*bytes.last_chunk().expect("12 of 16 bytes"))
    }
}

impl CounterMode {
    fn new(keys: &SessionKeys) -> Self {
        let key = keys.encryption.first_chunk::<16>().expect("encryption keys have 32 bytes");
        Self {
            encryption: Aes128Enc::new(key.into()),
            authentication: Hmac::new_from_slice(&keys.authentication[..])
                .expect("HMAC takes keys of any length"),
            salt: *keys.salt,
        }
    }

    fn seal(&self, ssrc: u32, index: u64, payload: &[u8], out: &mut [u8]) {
        self.keystream(ssrc, index).apply_keystream_b2b(payload, out);
    }

    fn apply_keystream(&self, ssrc: u32, index: u64, payload: &mut [u8]) {
        self.keystream(ssrc, index).apply_keystream(payload);
    }

    fn write_tag(&self, parts: &[&[u8]], tag: &mut [u8]) {
        let full = self.mac(parts).finalize().into_bytes();
        for (to, from) in tag.iter_mut().zip(full) {
            *to = from;
        }
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), OpenError> {
        self.mac(parts).verify_truncated_left(tag).map_err(|_| OpenError::Unauthenticated)
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha1> {
        let mut mac = self.authentication.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// RFC 3711, 4.1.1. The last 16 bits count blocks from 0, and no packet has 2^16 of them, so
    /// that a counter of 32 bits never carries into the index.
    fn keystream(&self, ssrc: u32, index: u64) -> Keystream<'_> {
        let salt = self.salt.iter().fold(0u128, |acc, byte| acc << 8 | u128::from(*byte));
        let iv = (salt << 16) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        let core = InnerIvInit::inner_iv_init(&self.encryption, &iv.to_be_bytes().into());
        StreamCipherCoreWrapper::from_core(core)
    }
}

type Keystream<'a> = Ctr32BE<&'a Aes128Enc>;

/// The rollover counter of an RTP index, which the tag of counter mode covers.
fn rollovers(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn rtcp_index(word: u32) -> u64 {
    u64::from(word & !SRTCP_ENCRYPTED)
}

/// What AEAD covers without encrypting: the first header and the index word (RFC 7714, 9.2).
fn rtcp_aad(header: &[u8], word: [u8; SRTCP_INDEX_LEN]) -> [u8; RTCP_HEADER_LEN + SRTCP_INDEX_LEN] {
    let mut aad = [0; RTCP_HEADER_LEN + SRTCP_INDEX_LEN];
    for (to, from) in aad.iter_mut().zip(header.iter().chain(&word)) {
        *to = *from;
    }
    aad
}

fn split(packet: &mut [u8], at: usize) -> Result<(&mut [u8], &mut [u8]), OpenError> {
    packet.split_at_mut_checked(at).ok_or(OpenError::TooShort)
}

/// The part of a compound RTCP packet that stays in the clear: first header and sender SSRC.
pub(crate) const RTCP_HEADER_LEN: usize = 8;
/// The E bit of the index word.
pub(crate) const SRTCP_ENCRYPTED: u32 = 1 << 31;
const GCM_NONCE_LEN: usize = 12;
const GCM_TAG_LEN: usize = 16;
/// Of the 20 bytes of HMAC-SHA1.
const CM_TAG_LEN: usize = 10;
