use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::fingerprint::{Fingerprint, FingerprintHash};

/// Age from which the owner makes a new certificate for later sessions.
pub const CERTIFICATE_ROTATION: Duration = Duration::from_secs(24 * 60 * 60);

/// A self-signed ECDSA P-256 certificate with its key. One serves the whole process.
///
/// A session keeps the one that it was created with, so that rotation never invalidates a
/// fingerprint that signalling has already sent.
pub struct Certificate {
    x509: X509,
    key: PKey<Private>,
    der: Vec<u8>,
    key_der: Zeroizing<Vec<u8>>,
    created: SystemTime,
}

/// Why no certificate could be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The wall clock is before 1970 or beyond what a certificate can say.
    #[error("the clock is out of range")]
    Clock,
    /// The cryptographic library failed.
    #[error("cannot generate a certificate")]
    Library(#[from] ErrorStack),
}

impl Certificate {
    /// Generates a key and certificate, valid from a day before to seven days after `now`, the
    /// wall clock's time.
    pub fn generate(now: SystemTime) -> Result<Self, CertificateError> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let x509 = self_signed(&key, now)?;
        let der = x509.to_der()?;
        let key_der = Zeroizing::new(key.private_key_to_pkcs8()?);
        Ok(Self { x509, key, der, key_der, created: now })
    }

    /// The certificate in DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its fingerprint for signalling.
    pub fn fingerprint(&self, hash: FingerprintHash) -> Fingerprint {
        Fingerprint::of(&self.der, hash)
    }

    /// Wall-clock time of creation.
    pub const fn created(&self) -> SystemTime {
        self.created
    }

    /// Wall-clock time from which it is no longer valid.
    pub fn not_after(&self) -> SystemTime {
        self.created + VALID_AFTER
    }

    /// Time since creation; zero if the wall clock went back.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.created).unwrap_or_default()
    }

    /// Whether the owner should make a new one for later sessions.
    pub fn is_due_for_rotation(&self, now: SystemTime) -> bool {
        self.age(now) >= CERTIFICATE_ROTATION
    }

    pub(crate) const fn x509(&self) -> &X509 {
        &self.x509
    }

    pub(crate) const fn key(&self) -> &PKey<Private> {
        &self.key
    }

    /// The key as PKCS #8.
    pub(crate) fn key_der(&self) -> &[u8] {
        &self.key_der
    }
}

fn self_signed(key: &PKey<Private>, now: SystemTime) -> Result<X509, CertificateError> {
    let since_epoch = now.duration_since(UNIX_EPOCH).map_err(|_| CertificateError::Clock)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, COMMON_NAME)?;
    let name = name.build();
    // The serial number is the creation time in milliseconds, as JVB's.
    let serial = BigNum::from_dec_str(&since_epoch.as_millis().to_string())?;

    let mut builder = X509Builder::new()?;
    builder.set_version(X509_V3)?;
    builder.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(asn1_time(since_epoch.saturating_sub(VALID_BEFORE))?.as_ref())?;
    builder.set_not_after(asn1_time(since_epoch + VALID_AFTER)?.as_ref())?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn asn1_time(since_epoch: Duration) -> Result<Asn1Time, CertificateError> {
    let seconds = i64::try_from(since_epoch.as_secs()).map_err(|_| CertificateError::Clock)?;
    Ok(Asn1Time::from_unix(seconds)?)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("sha256", &self.fingerprint(FingerprintHash::Sha256).to_string())
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Nobody shows it; it must only be there.
const COMMON_NAME: &str = "videobridge";
/// Tolerance for peers whose clock is behind.
const VALID_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
const VALID_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The version field counts from 0.
const X509_V3: i32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_says_what_the_contract_asks() {
        let now = UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
        let certificate = Certificate::generate(now).expect("generation works");
        let x509 = X509::from_der(certificate.der()).expect("valid DER");
        let seconds = Asn1Time::from_unix(1_790_000_000).expect("valid time");
        let before = x509.not_before().diff(&seconds).expect("comparable");
        let after = seconds.diff(x509.not_after()).expect("comparable");
        assert_eq!((before.days, before.secs), (1, 0));
        assert_eq!((after.days, after.secs), (7, 0));
        let serial = x509.serial_number().to_bn().and_then(|bn| bn.to_dec_str()).expect("number");
        assert_eq!(serial.to_string(), "1790000000123");
        let key = x509.public_key().expect("key");
        assert!(x509.verify(&key).expect("verifiable"), "self-signed");
        let curve = key.ec_key().expect("EC key").group().curve_name();
        assert_eq!(curve, Some(Nid::X9_62_PRIME256V1));
        assert_eq!(x509.signature_algorithm().object().nid(), Nid::ECDSA_WITH_SHA256);
    }

    #[test]
    fn age_decides_rotation() {
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let certificate = Certificate::generate(now).expect("generation works");
        let hour = Duration::from_secs(3_600);
        assert!(!certificate.is_due_for_rotation(now - hour));
        assert!(!certificate.is_due_for_rotation(now + 23 * hour));
        assert!(certificate.is_due_for_rotation(now + 24 * hour));
        assert_eq!(certificate.not_after(), now + 7 * 24 * hour);
        assert_eq!(certificate.age(now + hour), hour);
    }

    #[test]
    fn debug_shows_no_key() {
        let certificate = Certificate::generate(UNIX_EPOCH + Duration::from_secs(1_790_000_000))
            .expect("generation works");
        let shown = format!("{certificate:?}");
        assert!(shown.starts_with("Certificate { sha256:") && !shown.contains("key"), "{shown}");
    }

    #[test]
    fn a_clock_before_1970_is_refused() {
        let refused = Certificate::generate(UNIX_EPOCH - Duration::from_secs(1));
        assert!(matches!(refused, Err(CertificateError::Clock)));
    }
}
