//! MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489, sections 14.5 and 14.7).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::HEADER_LEN;

/// HMAC-SHA1 as the ICE library asks for it.
#[derive(Debug)]
pub(crate) struct HmacSha1;

impl is::Sha1HmacProvider for HmacSha1 {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        sign(key, payloads)
    }
}

/// HMAC-SHA1 over the concatenation of `parts`.
pub(crate) fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; 20];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// Whether `tag` fits the part of `message` before the attribute that begins at `offset`.
pub(super) fn verify(message: &[u8], offset: usize, tag: &[u8], password: &str) -> bool {
    let Some((kind, rest)) = message.get(..offset).and_then(|m| m.split_first_chunk::<2>()) else {
        return false;
    };
    let Some(rest) = rest.get(2..) else { return false };
    // The length field counts up to and including MESSAGE-INTEGRITY while the tag is computed.
    let Ok(length) = u16::try_from(offset + 24 - HEADER_LEN) else { return false };
    let expected = sign(password.as_bytes(), &[kind, &length.to_be_bytes(), rest]);
    verify_slices_are_equal(&expected, tag).is_ok()
}

/// The value of a FINGERPRINT attribute that follows `covered`.
pub(super) fn fingerprint(covered: &[u8]) -> [u8; 4] {
    let crc = covered
        .iter()
        .fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC32[usize::from(crc.to_le_bytes()[0] ^ byte)]);
    (!crc ^ 0x5354_554E).to_be_bytes()
}

/// CRC-32 of ISO 3309, reflected.
const CRC32: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};
