use std::fmt;

use aws_lc_rs::digest;
use thiserror::Error;

/// A hash function of certificate fingerprints (RFC 8122, 5). MD2 and MD5 are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FingerprintHash {
    /// `sha-1`
    Sha1,
    /// `sha-224`
    Sha224,
    /// `sha-256`, what every WebRTC client sends.
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

/// A hash of a certificate, as signalling carries it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: FingerprintHash,
    bytes: Vec<u8>,
}

/// Why a signalled fingerprint was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FingerprintParseError {
    /// The hash function is unknown or too weak.
    #[error("unknown hash function")]
    UnknownHash,
    /// Not as many pairs of hex digits as the hash has bytes, separated by colons.
    #[error("malformed fingerprint")]
    Malformed,
}

/// Why a certificate was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum FingerprintMismatch {
    /// None of the fingerprints for the deciding hash is the certificate's.
    #[error("different from every signalled fingerprint")]
    Different,
    /// Signalling delivered no fingerprint with an accepted hash.
    #[error("none signalled with an accepted hash")]
    NotSignalled,
}

/// Checks a certificate (DER) against what signalling announced.
///
/// The first hash of `accepted` with a signalled fingerprint decides alone: a mismatch is not
/// forgiven by a weaker hash, and no fingerprint at all is a mismatch.
pub fn verify_certificate(
    der: &[u8],
    signalled: &[Fingerprint],
    accepted: &[FingerprintHash],
) -> Result<(), FingerprintMismatch> {
    let deciding = accepted
        .iter()
        .find(|hash| signalled.iter().any(|fingerprint| fingerprint.hash == **hash))
        .ok_or(FingerprintMismatch::NotSignalled)?;
    let actual = Fingerprint::of(der, *deciding);
    if signalled.contains(&actual) { Ok(()) } else { Err(FingerprintMismatch::Different) }
}

impl FingerprintHash {
    /// Strongest first: `jmt.dtls.accepted-fingerprint-hash-functions` by default.
    pub const ACCEPTED: [Self; 4] = [Self::Sha512, Self::Sha384, Self::Sha256, Self::Sha1];

    /// From its name in signalling and configuration, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    /// The name in signalling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl Fingerprint {
    /// Of a certificate in DER form.
    pub fn of(der: &[u8], hash: FingerprintHash) -> Self {
        Self { hash, bytes: digest::digest(hash.algorithm(), der).as_ref().to_vec() }
    }

    /// From signalling: the name of the hash and `AB:CD:..`, both in any case.
    pub fn parse(hash: &str, value: &str) -> Result<Self, FingerprintParseError> {
        let hash =
            FingerprintHash::from_name(hash.trim()).ok_or(FingerprintParseError::UnknownHash)?;
        let len = hash.algorithm().output_len();
        let value = value.trim();
        if value.len() != 3 * len - 1 {
            return Err(FingerprintParseError::Malformed);
        }
        let bytes = value
            .split(':')
            .map(|pair| match pair.as_bytes() {
                [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .filter(|bytes| bytes.len() == len)
            .ok_or(FingerprintParseError::Malformed)?;
        Ok(Self { hash, bytes })
    }

    /// The hash function.
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// The hash itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for FingerprintHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value without the hash's name: `AB:CD:..` in upper case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.bytes.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ABC_SHA1: &str = "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";

    #[test]
    fn text_form_is_upper_case_and_read_in_any_case() {
        let fingerprint = Fingerprint::of(b"abc", FingerprintHash::Sha1);
        assert_eq!(fingerprint.to_string(), ABC_SHA1);
        assert_eq!(Fingerprint::parse("SHA-1", &ABC_SHA1.to_lowercase()), Ok(fingerprint));
    }

    #[test]
    fn malformed_values_are_refused() {
        use FingerprintParseError::{Malformed, UnknownHash};
        for (hash, value, error) in [
            ("md5", ABC_SHA1, UnknownHash),
            ("md2", ABC_SHA1, UnknownHash),
            ("", ABC_SHA1, UnknownHash),
            ("sha-256", ABC_SHA1, Malformed),
            ("sha-1", "", Malformed),
            ("sha-1", &ABC_SHA1.replace(':', "-"), Malformed),
            ("sha-1", &ABC_SHA1.replace("A9", "AG"), Malformed),
            ("sha-1", &ABC_SHA1.replace("A9", "+9"), Malformed),
            ("sha-1", &ABC_SHA1.replace("A9:9", "A99:"), Malformed),
            ("sha-1", &format!("{ABC_SHA1}:00"), Malformed),
        ] {
            assert_eq!(Fingerprint::parse(hash, value), Err(error), "{hash} {value}");
        }
    }

    #[test]
    fn the_first_accepted_hash_with_a_fingerprint_decides_alone() {
        use FingerprintMismatch::{Different, NotSignalled};
        let good = |hash| Fingerprint::of(b"certificate", hash);
        let bad = |hash| Fingerprint::of(b"other", hash);
        let (sha1, sha256, sha512) =
            (FingerprintHash::Sha1, FingerprintHash::Sha256, FingerprintHash::Sha512);
        for (signalled, expected) in [
            (vec![good(sha256)], Ok(())),
            (vec![bad(sha256)], Err(Different)),
            (vec![bad(sha256), good(sha256)], Ok(())),
            (vec![good(sha1), bad(sha256)], Err(Different)),
            (vec![bad(sha1), good(sha256)], Ok(())),
            (vec![bad(sha512), good(sha256), good(sha1)], Err(Different)),
            (vec![good(sha1)], Ok(())),
            (vec![], Err(NotSignalled)),
            (vec![good(FingerprintHash::Sha224)], Err(NotSignalled)),
        ] {
            let verdict =
                verify_certificate(b"certificate", &signalled, &FingerprintHash::ACCEPTED);
            assert_eq!(verdict, expected, "{signalled:?}");
        }
        assert_eq!(verify_certificate(b"certificate", &[good(sha1)], &[sha256]), Err(NotSignalled));
    }

    proptest! {
        #[test]
        fn parse_inverts_display(der: Vec<u8>, which in 0..5_usize) {
            let names = ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"];
            let hash = FingerprintHash::from_name(names[which]).expect("known name");
            let fingerprint = Fingerprint::of(&der, hash);
            prop_assert_eq!(Fingerprint::parse(hash.name(), &fingerprint.to_string()), Ok(fingerprint));
        }

        #[test]
        fn parse_never_panics(hash in "sha-(1|224|256|384|512)", value: String) {
            let _ = Fingerprint::parse(&hash, &value);
        }
    }
}
