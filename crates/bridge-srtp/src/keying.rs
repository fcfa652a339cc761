use std::fmt;

use zeroize::Zeroize;

use crate::error::KeyingError;
use crate::profile::{MAX_KEY_LEN, MAX_SALT_LEN, Profile};

/// Which side of a DTLS handshake we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We send the ClientHello.
    Client,
    /// We answer it.
    Server,
}

/// The master keys and salts of both directions, erased when dropped.
#[derive(Clone)]
pub struct KeyingMaterial {
    profile: Profile,
    local: MasterKey,
    remote: MasterKey,
}

/// One direction's master key and salt.
#[derive(Clone)]
pub(crate) struct MasterKey {
    key: [u8; MAX_KEY_LEN],
    salt: [u8; MAX_SALT_LEN],
    profile: Profile,
}

impl KeyingMaterial {
    /// Splits what the exporter `EXTRACTOR-dtls_srtp` gave: client key, server key, client salt,
    /// server salt (RFC 5764, 4.2). `role` is ours.
    pub fn from_exporter(
        profile: Profile,
        block: &[u8],
        role: DtlsRole,
    ) -> Result<Self, KeyingError> {
        if block.len() != profile.exporter_len() {
            return Err(KeyingError::WrongLength);
        }
        let (keys, salts) = block.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        let client = MasterKey::new(profile, client_key, client_salt);
        let server = MasterKey::new(profile, server_key, server_salt);
        let (local, remote) = match role {
            DtlsRole::Client => (client, server),
            DtlsRole::Server => (server, client),
        };
        Ok(Self { profile, local, remote })
    }

    /// The negotiated profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The key that our packets are sealed with.
    pub fn local_key(&self) -> &[u8] {
        self.local.key()
    }

    /// The salt of our packets.
    pub fn local_salt(&self) -> &[u8] {
        self.local.salt()
    }

    /// The key that the peer's packets are opened with.
    pub fn remote_key(&self) -> &[u8] {
        self.remote.key()
    }

    /// The salt of the peer's packets.
    pub fn remote_salt(&self) -> &[u8] {
        self.remote.salt()
    }

    pub(crate) const fn local(&self) -> &MasterKey {
        &self.local
    }

    pub(crate) const fn remote(&self) -> &MasterKey {
        &self.remote
    }
}

impl MasterKey {
    /// `key` and `salt` have the lengths of `profile`.
    pub(crate) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Self {
        let mut master = Self { key: [0; MAX_KEY_LEN], salt: [0; MAX_SALT_LEN], profile };
        for (to, from) in master.key.iter_mut().zip(key) {
            *to = *from;
        }
        for (to, from) in master.salt.iter_mut().zip(salt) {
            *to = *from;
        }
        master
    }

    pub(crate) const fn profile(&self) -> Profile {
        self.profile
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.profile.key_len()).expect("no profile has a key of over MAX_KEY_LEN")
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.salt.get(..self.profile.salt_len()).expect("no profile has a longer salt")
    }

    /// The salt with zeros to its right up to the 112 bits of the key derivation
    /// (RFC 7714, 11: a 96-bit salt is used as its leftmost bits).
    pub(crate) const fn padded_salt(&self) -> &[u8; MAX_SALT_LEN] {
        &self.salt
    }
}

impl fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyingMaterial").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exporter_block_is_split_by_role() {
        for profile in Profile::ALL {
            let block: Vec<u8> = (0..).take(profile.exporter_len()).collect();
            let key = profile.key_len();
            let client = KeyingMaterial::from_exporter(profile, &block, DtlsRole::Client)
                .expect("right length");
            let server = KeyingMaterial::from_exporter(profile, &block, DtlsRole::Server)
                .expect("right length");
            assert_eq!(client.local_key(), &block[..key]);
            assert_eq!(client.remote_key(), &block[key..2 * key]);
            assert_eq!(client.local_salt(), &block[2 * key..2 * key + profile.salt_len()]);
            assert_eq!(client.remote_salt(), &block[2 * key + profile.salt_len()..]);
            assert_eq!(server.local_key(), client.remote_key());
            assert_eq!(server.local_salt(), client.remote_salt());
            assert_eq!(server.remote_key(), client.local_key());
            assert_eq!(server.remote_salt(), client.local_salt());
        }
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        for len in [0, 59, 61, 88] {
            let refused = KeyingMaterial::from_exporter(
                Profile::Aes128CmHmacSha1_80,
                &vec![0; len],
                DtlsRole::Client,
            );
            assert_eq!(refused.err(), Some(KeyingError::WrongLength));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let keying =
            KeyingMaterial::from_exporter(Profile::AeadAes128Gcm, &[0xAB; 56], DtlsRole::Client)
                .expect("right length");
        assert_eq!(format!("{keying:?}"), "KeyingMaterial { profile: AeadAes128Gcm, .. }");
    }
}
