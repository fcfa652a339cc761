//! Identifiers that nobody can guess.

use std::fmt::Write as _;

/// `bytes` random bytes as lower-case hex digits.
pub(crate) fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut random).expect("the kernel's random source does not fail");
    random.iter().fold(String::with_capacity(2 * bytes), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

/// A random identifier in the form of a UUID (RFC 9562 version 4), as Prosody gives to rooms.
pub(crate) fn uuid() -> String {
    let digits = hex(15);
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0..8), part(8..12), part(12..15), part(15..18), part(18..30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_form_and_differ() {
        assert_eq!(hex(4).len(), 8);
        assert_ne!(hex(16), hex(16));
        let id = uuid();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    }
}
