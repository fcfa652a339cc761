use bridge_srtp::Profile;

/// What a ClientHello offers, as far as the choice of a backend depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// DTLS 1.2 would do.
    pub(crate) dtls12: bool,
    /// DTLS 1.3 is offered, which is told in the extension `supported_versions` only (RFC 9147,
    /// 5.3; RFC 8446, 4.2.1).
    pub(crate) dtls13: bool,
    /// The SRTP profiles that we know, in the client's order.
    pub(crate) srtp_profiles: Vec<Profile>,
}

impl ClientHello {
    /// From the body of the message; `None` if it is malformed.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut hello = Reader { rest: body };
        hello.take(VERSION_LEN + RANDOM_LEN)?;
        hello.vector8()?; // session id
        hello.vector8()?; // cookie
        hello.vector16()?; // cipher suites
        hello.vector8()?; // compression methods
        let mut offer = Self { dtls12: true, ..Self::default() };
        if hello.rest.is_empty() {
            return Some(offer);
        }
        let mut extensions = Reader { rest: hello.vector16()? };
        while !extensions.rest.is_empty() {
            let kind = extensions.u16()?;
            let mut content = Reader { rest: extensions.vector16()? };
            match kind {
                SUPPORTED_VERSIONS => {
                    let versions = content.vector8()?;
                    let offers = |wanted| versions.chunks_exact(2).any(|version| version == wanted);
                    (offer.dtls12, offer.dtls13) = (offers(DTLS_1_2), offers(DTLS_1_3));
                }
                USE_SRTP => offer.srtp_profiles = srtp_profiles(content.vector16()?),
                _ => {}
            }
        }
        Some(offer)
    }

    /// Whether to answer with DTLS 1.3, given our profiles in the order of preference.
    ///
    /// dimpl takes the client's first profile in 1.3, and Chromium's first is counter mode with
    /// HMAC-SHA1, which costs three times as much CPU per packet as AES-GCM for the whole call. If
    /// a better profile is offered with 1.2, that is worth one round trip more.
    pub(crate) fn is_served_best_by_dtls13(&self, preferred: &[Profile]) -> bool {
        let ours = preferred.iter().find(|profile| self.srtp_profiles.contains(profile));
        let theirs = self.srtp_profiles.first();
        let is_slow = |profile: Option<&Profile>| profile == Some(&Profile::Aes128CmHmacSha1_80);
        self.dtls13 && (!self.dtls12 || !is_slow(theirs) || is_slow(ours))
    }
}

fn srtp_profiles(list: &[u8]) -> Vec<Profile> {
    let ids = list.chunks_exact(2).filter_map(|id| Some(u16::from_be_bytes(id.try_into().ok()?)));
    let mut profiles = Vec::new();
    for profile in ids.filter_map(Profile::from_id) {
        // Each once, so that the list is as short as the profiles that we know are few.
        if !profiles.contains(&profile) {
            profiles.push(profile);
        }
    }
    profiles
}

/// Takes fields off the front of a message.
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else { return None };
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.uint(1).and_then(|value| u8::try_from(value).ok())
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.uint(2).and_then(|value| u16::try_from(value).ok())
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        self.uint(3)
    }

    fn uint(&mut self, len: usize) -> Option<usize> {
        self.take(len).map(|bytes| bytes.iter().fold(0, |acc, byte| acc << 8 | usize::from(*byte)))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let len = self.uint(1)?;
        self.take(len)
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = self.uint(2)?;
        self.take(len)
    }
}

const VERSION_LEN: usize = 2;
const RANDOM_LEN: usize = 32;
const SUPPORTED_VERSIONS: u16 = 43;
const USE_SRTP: u16 = 14;
const DTLS_1_2: [u8; 2] = [0xFE, 0xFD];
const DTLS_1_3: [u8; 2] = [0xFE, 0xFC];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ClientHello with an extension of another kind and, if given, `supported_versions`.
    pub(crate) fn hello(versions: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![0xFE, 0xFD];
        body.extend([7; 32]);
        body.extend([0, 0]);
        body.extend([0, 2, 0xC0, 0x2B]);
        body.extend([1, 0]);
        let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
        if let Some(versions) = versions {
            let len = u8::try_from(versions.len()).expect("short");
            extensions.extend([0, 43, 0, len + 1, len]);
            extensions.extend(versions);
        }
        body.extend(u16::try_from(extensions.len()).expect("short").to_be_bytes());
        body.extend(extensions);
        body
    }

    /// Whether 1.2 and 1.3 are offered.
    fn versions(body: &[u8]) -> Option<(bool, bool)> {
        ClientHello::parse(body).map(|hello| (hello.dtls12, hello.dtls13))
    }

    #[test]
    fn version_1_3_is_found_only_in_supported_versions() {
        assert_eq!(versions(&hello(None)), Some((true, false)));
        assert_eq!(versions(&hello(Some(&[0xFE, 0xFD]))), Some((true, false)));
        assert_eq!(versions(&hello(Some(&[0xFE, 0xFD, 0xFE, 0xFC]))), Some((true, true)));
        assert_eq!(versions(&hello(Some(&[0xFE, 0xFC]))), Some((false, true)));
        let without_extensions = &hello(None)[..42];
        assert_eq!(versions(without_extensions), Some((true, false)));
    }

    #[test]
    fn truncated_hellos_are_refused() {
        let whole = hello(Some(&[0xFE, 0xFC]));
        for len in (0..whole.len()).filter(|len| *len != 42) {
            assert_eq!(ClientHello::parse(&whole[..len]), None, "{len}");
        }
    }

    #[test]
    fn profiles_are_taken_in_the_clients_order_and_unknown_ones_skipped() {
        use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
        let list = [0, 1, 0, 2, 0, 8, 0, 7, 0, 1];
        assert_eq!(srtp_profiles(&list), [Aes128CmHmacSha1_80, AeadAes256Gcm, AeadAes128Gcm]);
    }

    #[test]
    fn version_1_3_is_left_for_a_better_profile_only() {
        use Profile::{AeadAes128Gcm, Aes128CmHmacSha1_80};
        let chromium = [Aes128CmHmacSha1_80, AeadAes128Gcm];
        let preferred = [AeadAes128Gcm, Aes128CmHmacSha1_80];
        for (dtls12, profiles, ours, expected) in [
            (true, &chromium[..], &preferred[..], false),
            (false, &chromium, &preferred, true),
            (true, &preferred, &preferred, true),
            (true, &chromium[..1], &preferred, true),
            (true, &chromium, &chromium, true),
        ] {
            let hello = ClientHello { dtls12, dtls13: true, srtp_profiles: profiles.to_vec() };
            assert_eq!(hello.is_served_best_by_dtls13(ours), expected, "{hello:?} {ours:?}");
        }
        assert!(!ClientHello::default().is_served_best_by_dtls13(&preferred));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body: Vec<u8>) {
            let _ = ClientHello::parse(&body);
        }
    }
}
