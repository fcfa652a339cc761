/// Whether the body of a ClientHello offers DTLS 1.3; `None` if it is malformed.
///
/// DTLS 1.3 is offered in the extension `supported_versions` only (RFC 9147, 5.3; RFC 8446,
/// 4.2.1).
pub(crate) fn offers_dtls13(body: &[u8]) -> Option<bool> {
    let mut hello = Reader { rest: body };
    hello.take(VERSION_LEN + RANDOM_LEN)?;
    hello.vector8()?; // session id
    hello.vector8()?; // cookie
    hello.vector16()?; // cipher suites
    hello.vector8()?; // compression methods
    if hello.rest.is_empty() {
        return Some(false);
    }
    let mut extensions = Reader { rest: hello.vector16()? };
    while !extensions.rest.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        if kind == SUPPORTED_VERSIONS {
            let versions = Reader { rest: content }.vector8()?;
            return Some(versions.chunks_exact(2).any(|version| version == DTLS_1_3));
        }
    }
    Some(false)
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

    #[test]
    fn version_1_3_is_found_only_in_supported_versions() {
        assert_eq!(offers_dtls13(&hello(None)), Some(false));
        assert_eq!(offers_dtls13(&hello(Some(&[0xFE, 0xFD]))), Some(false));
        assert_eq!(offers_dtls13(&hello(Some(&[0xFE, 0xFD, 0xFE, 0xFC]))), Some(true));
        assert_eq!(offers_dtls13(&hello(Some(&[0xFE, 0xFC]))), Some(true));
        let without_extensions = &hello(None)[..42];
        assert_eq!(offers_dtls13(without_extensions), Some(false));
    }

    #[test]
    fn truncated_hellos_are_refused() {
        let whole = hello(Some(&[0xFE, 0xFC]));
        for len in (0..whole.len()).filter(|len| *len != 42) {
            assert_eq!(offers_dtls13(&whole[..len]), None, "{len}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body: Vec<u8>) {
            let _ = offers_dtls13(&body);
        }
    }
}
