//! Texts and numbers made from the driver's random bytes (JVB: control-plane identifiers).

use bridge_transport::LocalIce;
use bridge_units::SessionId;

/// Fills the slice from a cryptographically secure generator: ICE passwords come from here.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// Credentials of one ICE agent: a random part and the session's number in the user name fragment,
/// so that it is unique in the process, and a password of 128 random bits.
///
/// Differs from JVB: the session's number takes the place of the time, which only makes a collision
/// unlikely.
pub(crate) fn local_ice(
    prefix: &str,
    session: SessionId,
    controlling: bool,
    random: &mut Random,
) -> LocalIce {
    // The text before the first colon of USERNAME finds the session, so the prefix may have none.
    let prefix: String = prefix
        .chars()
        .filter(|c| c.is_ascii_graphic() && *c != ':')
        .take(MAX_PREFIX_CHARS)
        .collect();
    let salt = u64::from_be_bytes(bytes(random)) & ((1 << (5 * UFRAG_RANDOM_DIGITS)) - 1);
    let ufrag = format!(
        "{prefix}{}{}",
        base32(salt.into(), UFRAG_RANDOM_DIGITS),
        base32(session.0.into(), UFRAG_SESSION_DIGITS)
    );
    let password = base32(u128::from_be_bytes(bytes(random)), PASSWORD_DIGITS);
    LocalIce { ufrag, password, controlling }
}

/// An SSRC that is neither 0, which some stacks take for "none", nor `other`.
pub(crate) fn ssrc_other_than(other: u32, random: &mut Random) -> u32 {
    let drawn = u32::from_be_bytes(bytes(random));
    // A generator that is stuck must not hang us, hence no loop until it fits.
    [drawn, drawn.wrapping_add(1), drawn.wrapping_add(2)]
        .into_iter()
        .find(|&ssrc| ssrc != 0 && ssrc != other)
        .expect("two of three successive numbers cannot both be refused thrice")
}

/// Sixteen lower-case hex digits.
pub(crate) fn hex_id(random: &mut Random) -> String {
    format!("{:016x}", u64::from_be_bytes(bytes(random)))
}

fn bytes<const N: usize>(random: &mut Random) -> [u8; N] {
    let mut bytes = [0; N];
    random(&mut bytes);
    bytes
}

/// `value` in the digits `0-9a-v`, padded with `0` on the left to at least `width`.
fn base32(mut value: u128, width: usize) -> String {
    let mut digits = Vec::with_capacity(width);
    while value != 0 || digits.len() < width {
        let digit = usize::try_from(value & 31).unwrap_or(0);
        digits.push(char::from(BASE32[digit]));
        value >>= 5;
    }
    digits.iter().rev().collect()
}

const BASE32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// RFC 8839 section 5.4 wants at least 24 random bits.
const UFRAG_RANDOM_DIGITS: usize = 6;

/// Together with the random digits the usual length of JVB's, 14.
const UFRAG_SESSION_DIGITS: usize = 8;

/// RFC 8839 section 5.4 allows 256 characters for the whole.
const MAX_PREFIX_CHARS: usize = 200;

/// 128 bits; RFC 8839 section 5.4 wants at least 22 characters.
const PASSWORD_DIGITS: usize = 26;

/// A generator whose output never repeats, for tests that compare what was drawn.
#[cfg(test)]
pub(crate) fn counting(seed: u64) -> Random {
    let mut state = seed;
    Box::new(move |target: &mut [u8]| {
        for chunk in target.chunks_mut(8) {
            // SplitMix64: each state gives another output.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let drawn = (z ^ (z >> 31)).to_be_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn credentials_are_long_enough_and_of_the_right_alphabet() {
        let ice = local_ice("", SessionId(7), true, &mut counting(3));
        assert_eq!((ice.ufrag.len(), ice.password.len(), ice.controlling), (14, 26, true));
        let legal = |text: &str| text.bytes().all(|b| BASE32.contains(&b));
        assert!(legal(&ice.ufrag) && legal(&ice.password));
        assert!(ice.ufrag.ends_with("00000007"));
    }

    #[test]
    fn the_prefix_comes_first() {
        let ice = local_ice("jvb-123", SessionId(7), false, &mut counting(3));
        assert!(ice.ufrag.starts_with("jvb-123"));
        assert_eq!(ice.ufrag.len(), "jvb-123".len() + 14);
    }

    #[test]
    fn a_prefix_cannot_make_the_fragment_illegal() {
        let ice = local_ice(&"a: b\u{e9}".repeat(200), SessionId(7), false, &mut counting(3));
        assert!(ice.ufrag.len() <= 256 && ice.ufrag.bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_stuck_generator_still_gives_unique_fragments() {
        let mut stuck: Random = Box::new(|target| target.fill(0));
        let ufrags: HashSet<_> =
            (0..1_000).map(|n| local_ice("", SessionId(n), true, &mut stuck).ufrag).collect();
        assert_eq!(ufrags.len(), 1_000);
    }

    #[test]
    fn base32_pads_and_grows() {
        assert_eq!(base32(0, 3), "000");
        assert_eq!(base32(31, 1), "v");
        assert_eq!(base32(32, 1), "10");
        assert_eq!(base32(u128::MAX, PASSWORD_DIGITS).len(), PASSWORD_DIGITS);
    }

    #[test]
    fn ssrcs_are_never_zero_and_never_the_other_one() {
        let mut zero: Random = Box::new(|target| target.fill(0));
        assert_eq!(ssrc_other_than(0, &mut zero), 1);
        assert_eq!(ssrc_other_than(1, &mut zero), 2);
        let mut ones: Random = Box::new(|target| target.fill(0xff));
        assert_eq!(ssrc_other_than(u32::MAX, &mut ones), 1);
    }
}
