use std::fmt;

/// A layer of a source, or what a receiver shall get of it (JVB: the target index).
///
/// `encoding << 6 | spatial << 3 | temporal`, or `encoding << 6 | decode target` for sources with a
/// dependency descriptor. Indexes of one source are ordered: a higher one is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerIndex(i16);

impl LayerIndex {
    /// Nothing at all.
    pub const SUSPENDED: Self = Self(-1);

    /// Of a spatial and a temporal layer, each 0 to 7; higher bits are cut off.
    pub const fn new(encoding: u8, spatial_id: u8, temporal_id: u8) -> Self {
        Self::with_decode_target(encoding, (spatial_id & 7) << 3 | (temporal_id & 7))
    }

    /// Of a decode target, 0 to 63; higher bits are cut off.
    pub const fn with_decode_target(encoding: u8, decode_target: u8) -> Self {
        Self((encoding as i16) << 6 | (decode_target & 0x3f) as i16)
    }

    /// The encoding; `None` when suspended.
    pub fn encoding(self) -> Option<u8> {
        u8::try_from(self.0 >> 6).ok()
    }

    /// The spatial layer within the encoding; 0 when suspended.
    pub fn spatial_id(self) -> u8 {
        self.decode_target() >> 3
    }

    /// The temporal layer; 0 when suspended.
    pub fn temporal_id(self) -> u8 {
        self.decode_target() & 7
    }

    /// The decode target; 0 when suspended.
    pub fn decode_target(self) -> u8 {
        if self.is_suspended() { 0 } else { self.0.to_le_bytes()[0] & 0x3f }
    }

    /// Whether this is [`Self::SUSPENDED`].
    pub const fn is_suspended(self) -> bool {
        self.0 < 0
    }

    /// The number itself, -1 when suspended.
    pub const fn value(self) -> i16 {
        self.0
    }
}

impl fmt::Display for LayerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encoding() {
            None => f.write_str("SUSP"),
            Some(encoding) => {
                write!(f, "E{encoding}S{}T{}", self.spatial_id(), self.temporal_id())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_as_in_jvb() {
        for (encoding, spatial, temporal, expected) in
            [(0, 0, 0, 0), (0, 0, 2, 2), (1, 0, 0, 64), (2, 0, 1, 129), (0, 1, 0, 8), (0, 2, 2, 18)]
        {
            let index = LayerIndex::new(encoding, spatial, temporal);
            assert_eq!(index.value(), expected);
            assert_eq!(index.encoding(), Some(encoding));
            assert_eq!((index.spatial_id(), index.temporal_id()), (spatial, temporal));
        }
        assert_eq!(LayerIndex::with_decode_target(1, 2).value(), 66);
        assert_eq!(LayerIndex::with_decode_target(3, 63).decode_target(), 63);
        assert_eq!(LayerIndex::SUSPENDED.encoding(), None);
        assert_eq!(LayerIndex::SUSPENDED.to_string(), "SUSP");
        assert_eq!(LayerIndex::new(1, 0, 2).to_string(), "E1S0T2");
        assert!(LayerIndex::SUSPENDED < LayerIndex::new(0, 0, 0));
    }
}
