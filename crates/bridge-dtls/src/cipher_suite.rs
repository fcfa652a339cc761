use dimpl::crypto::Dtls12CipherSuite;

/// A DTLS 1.2 cipher suite of `jmt.dtls.cipher-suites`. DTLS 1.3 has its own, not configurable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the IANA names")]
pub enum CipherSuite {
    EcdheEcdsaAes128GcmSha256,
    EcdheEcdsaAes256GcmSha384,
    EcdheEcdsaChacha20Poly1305Sha256,
    EcdheRsaAes128GcmSha256,
    EcdheRsaAes256GcmSha384,
    EcdheRsaChacha20Poly1305Sha256,
    DheRsaAes128GcmSha256,
}

impl CipherSuite {
    /// The configuration's default, in its order.
    pub const DEFAULT: [Self; 5] = [
        Self::EcdheEcdsaAes128GcmSha256,
        Self::EcdheRsaAes128GcmSha256,
        Self::EcdheEcdsaChacha20Poly1305Sha256,
        Self::EcdheRsaChacha20Poly1305Sha256,
        Self::DheRsaAes128GcmSha256,
    ];

    const ALL: [Self; 7] = [
        Self::EcdheEcdsaAes128GcmSha256,
        Self::EcdheEcdsaAes256GcmSha384,
        Self::EcdheEcdsaChacha20Poly1305Sha256,
        Self::EcdheRsaAes128GcmSha256,
        Self::EcdheRsaAes256GcmSha384,
        Self::EcdheRsaChacha20Poly1305Sha256,
        Self::DheRsaAes128GcmSha256,
    ];

    /// From its IANA name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// The IANA name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdheEcdsaAes128GcmSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheEcdsaAes256GcmSha384 => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheEcdsaChacha20Poly1305Sha256 => {
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
            }
            Self::EcdheRsaAes128GcmSha256 => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheRsaAes256GcmSha384 => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaChacha20Poly1305Sha256 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::DheRsaAes128GcmSha256 => "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        }
    }

    /// Whether our own certificate can serve it.
    pub const fn is_ecdsa(self) -> bool {
        matches!(
            self,
            Self::EcdheEcdsaAes128GcmSha256
                | Self::EcdheEcdsaAes256GcmSha384
                | Self::EcdheEcdsaChacha20Poly1305Sha256
        )
    }

    pub(crate) const fn openssl_name(self) -> &'static str {
        match self {
            Self::EcdheEcdsaAes128GcmSha256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Self::EcdheEcdsaAes256GcmSha384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Self::EcdheEcdsaChacha20Poly1305Sha256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            Self::EcdheRsaAes128GcmSha256 => "ECDHE-RSA-AES128-GCM-SHA256",
            Self::EcdheRsaAes256GcmSha384 => "ECDHE-RSA-AES256-GCM-SHA384",
            Self::EcdheRsaChacha20Poly1305Sha256 => "ECDHE-RSA-CHACHA20-POLY1305",
            Self::DheRsaAes128GcmSha256 => "DHE-RSA-AES128-GCM-SHA256",
        }
    }

    pub(crate) const fn dimpl(self) -> Option<Dtls12CipherSuite> {
        match self {
            Self::EcdheEcdsaAes128GcmSha256 => {
                Some(Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256)
            }
            Self::EcdheEcdsaAes256GcmSha384 => {
                Some(Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384)
            }
            Self::EcdheEcdsaChacha20Poly1305Sha256 => {
                Some(Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_the_suite() {
        for suite in CipherSuite::ALL {
            assert_eq!(CipherSuite::from_name(suite.name()), Some(suite));
            assert_eq!(suite.is_ecdsa(), suite.dimpl().is_some());
        }
        assert_eq!(CipherSuite::from_name("TLS_RSA_WITH_NULL_SHA"), None);
    }
}
