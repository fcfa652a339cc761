//! Identifiers and secrets.

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

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but without `limit`, which is not 0.
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_sequences_repeat() {
        assert_eq!(hex(16).len(), 32);
        assert_ne!(hex(16), hex(16));
        let (mut a, mut b, mut c) = (Sequence::new(7), Sequence::new(7), Sequence::new(8));
        let first = a.next();
        assert_eq!(first, b.next());
        assert_ne!(first, c.next());
        assert!((0..1_000).all(|_| a.below(10) < 10));
    }
}
