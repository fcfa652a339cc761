use aes::{Aes128, Aes256};
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use crate::keying::MasterKey;
use crate::profile::{MAX_KEY_LEN, MAX_SALT_LEN};

/// Bytes of an HMAC-SHA1 session key (RFC 3711, 5.2).
pub(crate) const AUTH_KEY_LEN: usize = 20;

/// The kind of packet that session keys are for; the values are the first of three labels
/// (RFC 3711, 4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packets {
    Rtp = 0,
    Rtcp = 3,
}

/// The keys of one direction for one kind of packet, erased when dropped.
pub(crate) struct SessionKeys {
    /// `Profile::key_len` bytes are in use.
    pub(crate) encryption: Zeroizing<[u8; MAX_KEY_LEN]>,
    /// Unused by AEAD profiles.
    pub(crate) authentication: Zeroizing<[u8; AUTH_KEY_LEN]>,
    /// `Profile::salt_len` bytes are in use.
    pub(crate) salt: Zeroizing<[u8; MAX_SALT_LEN]>,
}

impl SessionKeys {
    /// Key derivation with rate 0 (RFC 3711, 4.3.1; RFC 6188 for 256-bit keys).
    pub(crate) fn derive(master: &MasterKey, packets: Packets) -> Self {
        let label = packets as u8;
        let profile = master.profile();
        let mut keys = Self {
            encryption: Zeroizing::new([0; MAX_KEY_LEN]),
            authentication: Zeroizing::new([0; AUTH_KEY_LEN]),
            salt: Zeroizing::new([0; MAX_SALT_LEN]),
        };
        fill(master, label, keys.encryption.iter_mut().take(profile.key_len()));
        fill(master, label + 1, keys.authentication.iter_mut());
        fill(master, label + 2, keys.salt.iter_mut().take(profile.salt_len()));
        keys
    }
}

/// Writes the leading keystream of the pseudo-random function for `label`.
fn fill<'a>(master: &MasterKey, label: u8, out: impl Iterator<Item = &'a mut u8>) {
    const LABEL_AT: usize = 7;
    let mut iv = [0; 16];
    for (at, (to, from)) in iv.iter_mut().zip(master.padded_salt()).enumerate() {
        *to = if at == LABEL_AT { from ^ label } else { *from };
    }
    let mut stream = Zeroizing::new([0; MAX_KEY_LEN]);
    match <&[u8; 16]>::try_from(master.key()) {
        Ok(key) => Ctr32BE::<Aes128>::new(key.into(), &iv.into()).apply_keystream(&mut stream[..]),
        Err(_) => {
            let key = <&[u8; 32]>::try_from(master.key()).expect("keys have 16 or 32 bytes");
            Ctr32BE::<Aes256>::new(key.into(), &iv.into()).apply_keystream(&mut stream[..]);
        }
    }
    for (to, from) in out.zip(stream.iter()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use crate::hex::hex;

    /// RFC 3711, B.3 (its 94-byte authentication key is for another transform; ours is its start).
    #[test]
    fn rfc_3711_b_3() {
        let master = MasterKey::new(
            Profile::Aes128CmHmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        );
        let keys = SessionKeys::derive(&master, Packets::Rtp);
        assert_eq!(keys.encryption[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(keys.authentication[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }
}
