use crate::bytes::read_u8;

/// How extension elements are encoded (RFC 8285 sections 4.2 and 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionForm {
    /// Profile 0xBEDE: ids 1 to 14, 1 to 16 bytes each.
    OneByte,
    /// Profiles 0x1000 to 0x100F: ids 1 to 255, 0 to 255 bytes each.
    TwoByte,
}

impl ExtensionForm {
    /// The form that a profile field announces, `None` if it announces none.
    pub const fn of_profile(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE_PROFILE => Some(Self::OneByte),
            TWO_BYTE_PROFILE..=TWO_BYTE_PROFILE_LAST => Some(Self::TwoByte),
            _ => None,
        }
    }

    /// The profile field that is written.
    pub const fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE_PROFILE,
            Self::TwoByte => TWO_BYTE_PROFILE,
        }
    }

    /// Bytes before the data of each element.
    pub(crate) const fn element_header_len(self) -> usize {
        match self {
            Self::OneByte => 1,
            Self::TwoByte => 2,
        }
    }

    /// The form that an element of this id and length needs.
    pub(crate) const fn needed_by(id: u8, len: usize) -> Self {
        if id > MAX_ONE_BYTE_ID || len == 0 || len > MAX_ONE_BYTE_LEN {
            Self::TwoByte
        } else {
            Self::OneByte
        }
    }
}

/// One extension element: where its data is in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionElement {
    /// The negotiated id, 1 to 255.
    pub id: u8,
    /// Offset of the data from the start of the packet.
    pub offset: u16,
    /// Length of the data in bytes.
    pub len: u8,
}

impl ExtensionElement {
    /// The data, if `packet` is long enough to be the packet this was found in.
    pub fn data<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        packet.get(self.range())
    }

    /// The data for overwriting in place.
    pub fn data_mut<'a>(&self, packet: &'a mut [u8]) -> Option<&'a mut [u8]> {
        packet.get_mut(self.range())
    }

    fn range(&self) -> std::ops::Range<usize> {
        let start = usize::from(self.offset);
        start..start + usize::from(self.len)
    }
}

/// Walks the elements of an extension block; stops silently at the first malformed one, as RFC 8285
/// section 4.2 asks for reserved ids.
#[derive(Clone, Debug)]
pub struct ExtensionIter<'a> {
    block: &'a [u8],
    position: usize,
    form: ExtensionForm,
}

impl<'a> ExtensionIter<'a> {
    pub(crate) fn new(packet: &'a [u8], start: usize, end: usize, form: ExtensionForm) -> Self {
        Self { block: packet.get(..end).unwrap_or_default(), position: start, form }
    }

    pub(crate) fn empty() -> Self {
        Self { block: &[], position: 0, form: ExtensionForm::OneByte }
    }

    fn stop(&mut self) -> Option<ExtensionElement> {
        self.position = self.block.len();
        None
    }
}

impl Iterator for ExtensionIter<'_> {
    type Item = ExtensionElement;

    fn next(&mut self) -> Option<ExtensionElement> {
        loop {
            let first = read_u8(self.block, self.position)?;
            if first == PADDING {
                self.position += 1;
                continue;
            }
            let (id, len) = match self.form {
                ExtensionForm::OneByte => (first >> 4, (first & 0x0f) + 1),
                ExtensionForm::TwoByte => match read_u8(self.block, self.position + 1) {
                    Some(len) => (first, len),
                    None => return self.stop(),
                },
            };
            let one_byte = self.form == ExtensionForm::OneByte;
            if one_byte && (id == 0 || id == RESERVED_ONE_BYTE_ID) {
                return self.stop();
            }
            let start = self.position + self.form.element_header_len();
            let end = start + usize::from(len);
            if end > self.block.len() {
                return self.stop();
            }
            self.position = end;
            // No datagram is longer than 2^16 bytes.
            let offset = u16::try_from(start).ok()?;
            return Some(ExtensionElement { id, offset, len });
        }
    }
}

/// A set of extension ids, 1 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIdSet {
    words: [u64; 4],
}

impl ExtensionIdSet {
    /// No id.
    pub const EMPTY: Self = Self { words: [0; 4] };
    /// Every id.
    pub const ALL: Self = Self { words: [u64::MAX; 4] };

    /// Adds `id`.
    pub fn insert(&mut self, id: u8) {
        if let Some(word) = self.words.get_mut(usize::from(id >> 6)) {
            *word |= 1 << (id & 63);
        }
    }

    /// Takes `id` out.
    pub fn remove(&mut self, id: u8) {
        if let Some(word) = self.words.get_mut(usize::from(id >> 6)) {
            *word &= !(1 << (id & 63));
        }
    }

    /// Whether `id` is in the set.
    pub fn contains(&self, id: u8) -> bool {
        self.words.get(usize::from(id >> 6)).is_some_and(|word| word & (1 << (id & 63)) != 0)
    }

    /// Whether no id is in the set.
    pub fn is_empty(&self) -> bool {
        self.words == [0; 4]
    }
}

impl FromIterator<u8> for ExtensionIdSet {
    fn from_iter<I: IntoIterator<Item = u8>>(ids: I) -> Self {
        let mut set = Self::EMPTY;
        for id in ids {
            set.insert(id);
        }
        set
    }
}

const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;
/// The low four bits are application bits (RFC 8285 section 4.3).
const TWO_BYTE_PROFILE_LAST: u16 = 0x100f;
const PADDING: u8 = 0;
const RESERVED_ONE_BYTE_ID: u8 = 15;
const MAX_ONE_BYTE_ID: u8 = 14;
const MAX_ONE_BYTE_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(block: &[u8], form: ExtensionForm) -> Vec<(u8, u16, u8)> {
        ExtensionIter::new(block, 0, block.len(), form).map(|e| (e.id, e.offset, e.len)).collect()
    }

    #[test]
    fn one_byte_elements() {
        use ExtensionForm::OneByte;
        for (block, expected) in [
            (&[0x10, 0xff, 0x52, 1, 2, 3, 0, 0][..], vec![(1, 1, 1), (5, 3, 3)]),
            (&[0, 0, 0, 0x10, 7, 0, 0, 0], vec![(1, 4, 1)]),
            // id 15 ends the block, id 0 with a length too
            (&[0x10, 7, 0xf0, 1, 0x20, 2], vec![(1, 1, 1)]),
            (&[0x10, 7, 0x01, 1, 1, 0x20, 2], vec![(1, 1, 1)]),
            // an element beyond the end
            (&[0x10, 7, 0x23, 1, 2, 3], vec![(1, 1, 1)]),
            (&[0x10], vec![]),
            (&[], vec![]),
        ] {
            assert_eq!(walk(block, OneByte), expected, "{block:02x?}");
        }
    }

    #[test]
    fn two_byte_elements() {
        use ExtensionForm::TwoByte;
        for (block, expected) in [
            (&[1, 0, 0, 15, 1, 9, 200, 2, 8, 8][..], vec![(1, 2, 0), (15, 5, 1), (200, 8, 2)]),
            (&[1, 1, 7, 9], vec![(1, 2, 1)]),
            (&[1, 3, 7, 9], vec![]),
        ] {
            assert_eq!(walk(block, TwoByte), expected, "{block:02x?}");
        }
    }

    #[test]
    fn profiles_tell_the_form() {
        for (profile, expected) in [
            (0xbede, Some(ExtensionForm::OneByte)),
            (0x1000, Some(ExtensionForm::TwoByte)),
            (0x100f, Some(ExtensionForm::TwoByte)),
            (0x1010, None),
            (0xc0de, None),
            (0xc2de, None),
        ] {
            assert_eq!(ExtensionForm::of_profile(profile), expected);
        }
    }

    #[test]
    fn id_set_holds_every_id() {
        let mut set = ExtensionIdSet::EMPTY;
        for id in 1..=255 {
            assert!(!set.contains(id));
            set.insert(id);
            assert!(set.contains(id));
        }
        for id in 1..=255 {
            set.remove(id);
            assert!(!set.contains(id));
        }
        assert!(set.is_empty());
        assert!(ExtensionIdSet::from_iter([3, 200]).contains(200));
    }
}
