use aes::Aes128Enc;
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ctr::Ctr32BE;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::derivation::{Packets, SessionKeys};
use crate::error::OpenError;
use crate::keying::MasterKey;
use crate::profile::{Profile, SRTCP_INDEX_LEN};

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
    /// In the low 96 bits.
    salt: u128,
}

/// Counter mode with HMAC-SHA1 as in RFC 3711.
pub(crate) struct CounterMode {
    encryption: Aes128Enc,
    /// Holds the key; cloned for each packet.
    authentication: Hmac<Sha1>,
    /// In the low 112 bits.
    salt: u128,
}

impl Cipher {
    pub(crate) fn new(master: &MasterKey, packets: Packets) -> Self {
        Self::with_session_keys(master.profile(), &SessionKeys::derive(master, packets))
    }

    fn with_session_keys(profile: Profile, keys: &SessionKeys) -> Self {
        match profile {
            Profile::AeadAes128Gcm => Self::Gcm(Box::new(Gcm::new(&aead::AES_128_GCM, keys))),
            Profile::AeadAes256Gcm => Self::Gcm(Box::new(Gcm::new(&aead::AES_256_GCM, keys))),
            Profile::Aes128CmHmacSha1_80 => Self::CounterMode(Box::new(CounterMode::new(keys))),
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
        self.seal_rtp_payload(header, payload, out_payload, tag, (ssrc, index));
    }

    /// Seals `payload` into `out`, which is as long, and writes the tag of both parts.
    pub(crate) fn seal_rtp_payload(
        &self,
        header: &[u8],
        payload: &[u8],
        out: &mut [u8],
        tag: &mut [u8],
        (ssrc, index): (u32, u64),
    ) {
        match self {
            Self::Gcm(gcm) => gcm.seal(ssrc, index, header, payload, out, tag),
            Self::CounterMode(cm) => {
                cm.seal(ssrc, index, payload, out);
                cm.write_tag(&[header, out, &rollovers(index)], tag);
            }
        }
    }

    /// Seals a payload where it is, and writes its tag.
    pub(crate) fn seal_rtp_in_place(
        &self,
        header: &[u8],
        payload: &mut [u8],
        tag: &mut [u8],
        ssrc: u32,
        index: u64,
    ) {
        match self {
            Self::Gcm(gcm) => gcm.seal_in_place(ssrc, index, header, payload, tag),
            Self::CounterMode(cm) => {
                cm.apply_keystream(ssrc, index, payload);
                cm.write_tag(&[header, payload, &rollovers(index)], tag);
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
        Self { key: LessSafeKey::new(key), salt: number(keys.salt.iter().take(GCM_NONCE_LEN)) }
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

    fn seal_in_place(&self, ssrc: u32, index: u64, aad: &[u8], payload: &mut [u8], tag: &mut [u8]) {
        self.key
            .seal_in_place_scatter(self.nonce(ssrc, index), Aad::from(aad), payload, &[], tag)
            .expect("the tag has the right length and a packet is far below GCM's limit");
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
        let bytes = (block ^ self.salt).to_be_bytes();
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
            salt: number(keys.salt.iter()),
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
        let iv = (self.salt << 16) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        let core = InnerIvInit::inner_iv_init(&self.encryption, &iv.to_be_bytes().into());
        StreamCipherCoreWrapper::from_core(core)
    }
}

type Keystream<'a> = Ctr32BE<&'a Aes128Enc>;

/// Bytes as a number, most significant first.
fn number<'a>(bytes: impl Iterator<Item = &'a u8>) -> u128 {
    bytes.fold(0, |value, byte| value << 8 | u128::from(*byte))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::AUTH_KEY_LEN;
    use crate::hex::hex;
    use crate::profile::{MAX_KEY_LEN, MAX_SALT_LEN};

    const GCM_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const GCM_SALT: &str = "517569642070726f2071756f";

    fn keys(key: &str, salt: &str) -> SessionKeys {
        let mut keys = SessionKeys {
            encryption: [0; MAX_KEY_LEN].into(),
            authentication: [0; AUTH_KEY_LEN].into(),
            salt: [0; MAX_SALT_LEN].into(),
        };
        let (key, salt) = (hex(key), hex(salt));
        keys.encryption[..key.len()].copy_from_slice(&key);
        keys.salt[..salt.len()].copy_from_slice(&salt);
        keys
    }

    /// RFC 3711, B.2: the whole keystream, up to the last block that a packet could have.
    #[test]
    fn rfc_3711_b_2() {
        let keys = keys("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let mut stream = vec![0; 16 * 0xFF02];
        CounterMode::new(&keys).apply_keystream(0, 0, &mut stream);
        for (block, expected) in [
            (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ] {
            assert_eq!(stream[16 * block..16 * (block + 1)], hex(expected), "block {block:x}");
        }
    }

    /// RFC 7714, 16.1.1 and 16.2.1.
    #[test]
    fn rfc_7714_16() {
        let plain = hex(concat!(
            "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361",
            "20696e207061727465732074726573"
        ));
        for (profile, expected) in [
            (
                Profile::AeadAes128Gcm,
                concat!(
                    "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d29",
                    "4e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"
                ),
            ),
            (
                Profile::AeadAes256Gcm,
                concat!(
                    "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58",
                    "e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"
                ),
            ),
        ] {
            let cipher = Cipher::with_session_keys(profile, &keys(GCM_KEY, GCM_SALT));
            let mut sealed = vec![0; plain.len() + 16];
            cipher.seal_rtp(&plain[..12], &plain[12..], &mut sealed, 0x5501_a0b2, 0xf17b);
            assert_eq!(sealed, hex(expected), "{profile:?}");
            let opened = cipher.open_rtp(&mut sealed, 12, 0x5501_a0b2, 0xf17b);
            assert_eq!(opened, Ok(plain.len()));
            assert_eq!(sealed[..plain.len()], plain);
        }
    }

    /// RFC 7714, 17.1 and 17.2 (whose subsections agree with one another, but not with the packet
    /// that is printed above them).
    #[test]
    fn rfc_7714_17() {
        let plain = hex(concat!(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61",
            "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
        ));
        for (profile, expected) in [
            (
                Profile::AeadAes128Gcm,
                concat!(
                    "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1",
                    "730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
                ),
            ),
            (
                Profile::AeadAes256Gcm,
                concat!(
                    "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1",
                    "110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"
                ),
            ),
        ] {
            let cipher = Cipher::with_session_keys(profile, &keys(GCM_KEY, GCM_SALT));
            let word = SRTCP_ENCRYPTED | 0x5d4;
            let mut sealed = vec![0; plain.len() + 20];
            cipher.seal_rtcp(&plain, &mut sealed, 0x4d61_7273, word);
            assert_eq!(sealed, hex(expected), "{profile:?}");
            assert_eq!(cipher.open_rtcp(&mut sealed, plain.len(), 0x4d61_7273, word), Ok(()));
            assert_eq!(sealed[..plain.len()], plain);
        }
    }
}
