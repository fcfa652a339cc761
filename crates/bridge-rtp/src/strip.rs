//! Writing a packet with other header extensions than it came with.

use crate::bytes::ByteWriter;
use crate::error::RtpError;
use crate::extension::{ExtensionForm, ExtensionIdSet};
use crate::header::{MIN_RTP_HEADER_LEN, RtpHeader};

/// An extension element to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedExtension<'a> {
    /// The receiver's id, 1 to 255.
    pub id: u8,
    /// At most 255 bytes.
    pub data: &'a [u8],
}

/// Writes the header of `packet` to the start of `out` with only the extension elements in `keep`;
/// answers its length. See [`write_header`].
///
/// # Errors
/// Those of [`write_header`].
pub fn strip_extensions(
    packet: &[u8],
    header: &RtpHeader,
    keep: &ExtensionIdSet,
    out: &mut [u8],
) -> Result<usize, RtpError> {
    write_header(packet, header, keep, &[], out).map(|written| written.header_len())
}

/// As [`strip_extensions`], followed by the payload and any padding; answers the packet's length.
///
/// # Errors
/// Those of [`write_header`].
pub fn strip_extensions_with_payload(
    packet: &[u8],
    header: &RtpHeader,
    keep: &ExtensionIdSet,
    out: &mut [u8],
) -> Result<usize, RtpError> {
    write_packet(packet, header, keep, &[], out).map(|(_, len)| len)
}

/// As [`write_header`], followed by the payload and any padding; answers the written header and the
/// length of the packet.
///
/// # Errors
/// Those of [`write_header`].
pub fn write_packet(
    packet: &[u8],
    header: &RtpHeader,
    keep: &ExtensionIdSet,
    added: &[AddedExtension<'_>],
    out: &mut [u8],
) -> Result<(RtpHeader, usize), RtpError> {
    let written = write_header(packet, header, keep, added, out)?;
    let payload = header.payload_with_padding(packet);
    let len = written.header_len() + payload.len();
    let target = out.get_mut(written.header_len()..len).ok_or(RtpError::BufferTooSmall)?;
    target.copy_from_slice(payload);
    Ok((written, len))
}

/// Writes a header to the start of `out`: the values of `header`, the CSRCs of `packet`, those
/// extension elements of `packet` whose id is in `keep`, then the `added` ones. Answers the header
/// as written.
///
/// The values come from the struct and not from the packet, so that a caller renumbers by changing
/// its copy first. An added element takes the place of a kept one with its id. The elements are
/// encoded in the one-byte form unless one of them needs the other: an id above 14, no data, or
/// more than 16 bytes. The block is padded to a word; without elements there is no block and X is 0.
///
/// # Errors
/// [`RtpError::BufferTooSmall`], [`RtpError::BadExtension`], or [`RtpError::HeaderBeyondPacket`] if
/// `header` does not belong to `packet`. `out` then holds an incomplete header.
pub fn write_header(
    packet: &[u8],
    header: &RtpHeader,
    keep: &ExtensionIdSet,
    added: &[AddedExtension<'_>],
    out: &mut [u8],
) -> Result<RtpHeader, RtpError> {
    let mut keep = *keep;
    for extension in added {
        keep.remove(extension.id);
    }
    let elements = Elements { packet, header, keep, added };
    let csrcs =
        packet.get(MIN_RTP_HEADER_LEN..header.csrc_end()).ok_or(RtpError::HeaderBeyondPacket)?;
    let block = match elements.form()? {
        None => None,
        Some(form) => {
            let start = header.csrc_end();
            let target = out.get_mut(start..).ok_or(RtpError::BufferTooSmall)?;
            let words = elements.write(form, target).ok_or(RtpError::BufferTooSmall)?;
            Some((form, words))
        }
    };
    let written = header.with_extension(block).ok_or(RtpError::BufferTooSmall)?;
    let mut writer = ByteWriter::new(out);
    writer
        .put(&written.fixed_bytes())
        .and_then(|()| writer.put(csrcs))
        .ok_or(RtpError::BufferTooSmall)?;
    Ok(written)
}

/// The elements of the block to be written, in order.
struct Elements<'a> {
    packet: &'a [u8],
    header: &'a RtpHeader,
    keep: ExtensionIdSet,
    added: &'a [AddedExtension<'a>],
}

impl<'a> Elements<'a> {
    fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        let kept = self
            .header
            .extensions(self.packet)
            .filter(|element| self.keep.contains(element.id))
            .filter_map(|element| Some((element.id, element.data(self.packet)?)));
        kept.chain(self.added.iter().map(|extension| (extension.id, extension.data)))
    }

    /// The form that all elements fit in; `None` without elements.
    fn form(&self) -> Result<Option<ExtensionForm>, RtpError> {
        let mut form = None;
        for (id, data) in self.iter() {
            if id == 0 || data.len() > MAX_ELEMENT_LEN {
                return Err(RtpError::BadExtension);
            }
            let needed = ExtensionForm::needed_by(id, data.len());
            if form != Some(ExtensionForm::TwoByte) {
                form = Some(needed);
            }
        }
        Ok(form)
    }

    /// Writes the block; answers its length in words without the four bytes before it.
    fn write(&self, form: ExtensionForm, out: &mut [u8]) -> Option<u16> {
        let mut writer = ByteWriter::new(out);
        writer.put_u16(form.profile())?;
        writer.put_u16(0)?;
        for (id, data) in self.iter() {
            let len = u8::try_from(data.len()).ok()?;
            match form {
                ExtensionForm::OneByte => {
                    writer.put_u8((id << 4) | (len.wrapping_sub(1) & 0x0f))?
                }
                ExtensionForm::TwoByte => writer.put(&[id, len])?,
            }
            writer.put(data)?;
        }
        writer.pad_to_word(0)?;
        let words = u16::try_from(writer.len() / 4 - 1).ok()?;
        writer.overwrite(LENGTH_OFFSET, &words.to_be_bytes())?;
        Some(words)
    }
}

/// The length field of an element has 8 bits.
const MAX_ELEMENT_LEN: usize = 255;
/// Of the word count in the extension block.
const LENGTH_OFFSET: usize = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKET: [u8; 33] = [
        0x91, 0x60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, // X, one CSRC
        0xbe, 0xde, 0, 3, 0x10, 0x85, 0x32, 1, 2, 3, 0x51, 0xaa, 0xbb, 0, 0, 0, // ids 1, 3, 5
        99,
    ];

    type Element = (u8, Vec<u8>);

    /// The packet written and the elements read back from it.
    fn write(
        keep: &[u8],
        added: &[AddedExtension<'_>],
    ) -> Result<(Vec<u8>, Vec<Element>), RtpError> {
        let header = RtpHeader::parse(&PACKET).unwrap();
        let keep = keep.iter().copied().collect();
        let mut out = [0xee; 600];
        let (written, len) = write_packet(&PACKET, &header, &keep, added, &mut out)?;
        let out = out[..len].to_vec();
        assert_eq!(RtpHeader::parse(&out), Ok(written));
        assert_eq!(written.payload(&out), [99]);
        assert_eq!(written.csrcs(&out).collect::<Vec<_>>(), [0x0102_0304]);
        let elements =
            written.extensions(&out).map(|e| (e.id, e.data(&out).unwrap().to_vec())).collect();
        Ok((out, elements))
    }

    #[test]
    fn keeps_only_what_is_asked_for() {
        let (out, elements) = write(&[5, 9], &[]).unwrap();
        assert_eq!(elements, [(5, vec![0xaa, 0xbb])]);
        assert_eq!(out[16..], [0xbe, 0xde, 0, 1, 0x51, 0xaa, 0xbb, 0, 99]);
        let (_, elements) = write(&[1, 3, 5], &[]).unwrap();
        assert_eq!(elements.len(), 3);
    }

    #[test]
    fn no_element_means_no_block() {
        let (out, elements) = write(&[], &[]).unwrap();
        assert!(elements.is_empty());
        assert_eq!(out[0] & 0x10, 0);
        assert_eq!(out.len(), 17);
    }

    #[test]
    fn two_byte_form_only_where_needed() {
        let long = [7; 17];
        for (id, data, profile) in [
            (14, &[1_u8; 16][..], [0xbe, 0xde]),
            (15, &[1], [0x10, 0]),
            (2, &[], [0x10, 0]),
            (2, &long, [0x10, 0]),
        ] {
            let (out, elements) = write(&[1], &[AddedExtension { id, data }]).unwrap();
            assert_eq!(out[16..18], profile, "id {id}");
            assert_eq!(elements, [(1, vec![0x85]), (id, data.to_vec())]);
        }
    }

    #[test]
    fn an_added_element_replaces_its_id() {
        let (_, elements) = write(&[1, 5], &[AddedExtension { id: 5, data: &[1, 2, 3] }]).unwrap();
        assert_eq!(elements, [(1, vec![0x85]), (5, vec![1, 2, 3])]);
    }

    #[test]
    fn unencodable_elements_are_refused() {
        for extension in
            [AddedExtension { id: 0, data: &[1] }, AddedExtension { id: 1, data: &[0; 256] }]
        {
            assert_eq!(write(&[], &[extension]).unwrap_err(), RtpError::BadExtension);
        }
    }

    #[test]
    fn a_short_buffer_is_refused() {
        let header = RtpHeader::parse(&PACKET).unwrap();
        let keep = ExtensionIdSet::ALL;
        for len in 0..PACKET.len() {
            let mut out = vec![0; len];
            let result = strip_extensions_with_payload(&PACKET, &header, &keep, &mut out);
            assert_eq!(result, Err(RtpError::BufferTooSmall), "{len}");
        }
        let mut out = vec![0; PACKET.len()];
        assert_eq!(strip_extensions_with_payload(&PACKET, &header, &keep, &mut out), Ok(33));
        assert_eq!(out, PACKET);
        assert_eq!(strip_extensions(&PACKET, &header, &keep, &mut out), Ok(32));
        let foreign = write_header(&PACKET[..13], &header, &keep, &[], &mut out);
        assert_eq!(foreign, Err(RtpError::HeaderBeyondPacket));
    }

    #[test]
    fn the_values_of_the_struct_are_written() {
        let mut header = RtpHeader::parse(&PACKET).unwrap();
        (header.ssrc, header.sequence_number, header.marker) = (8, 9, true);
        let mut out = [0; 64];
        let written =
            write_header(&PACKET, &header, &ExtensionIdSet::EMPTY, &[], &mut out).unwrap();
        let read = RtpHeader::parse(&out).unwrap();
        assert_eq!(read, written);
        assert_eq!((read.ssrc, read.sequence_number, read.marker), (8, 9, true));
    }

    fn elements() -> impl Strategy<Value = Vec<Element>> {
        let element = (1_u8..=255, prop::collection::vec(any::<u8>(), 0..=255));
        let small = (1_u8..=14, prop::collection::vec(any::<u8>(), 1..=16));
        let any_element = prop_oneof![3 => small, 1 => element];
        prop::collection::vec(any_element, 0..6)
    }

    proptest! {
        #[test]
        fn stripping_keeps_payload_and_chosen_elements(
            elements in elements(),
            keep in prop::collection::vec(any::<u8>(), 0..6),
            payload in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut plain = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
            plain.extend(&payload);
            let header = RtpHeader::parse(&plain).unwrap();
            let added: Vec<_> =
                elements.iter().map(|(id, data)| AddedExtension { id: *id, data }).collect();
            let mut full = [0; 2_000];
            let (header, len) =
                write_packet(&plain, &header, &ExtensionIdSet::EMPTY, &added, &mut full).unwrap();
            let full = &full[..len];
            let read = |header: &RtpHeader, bytes: &[u8]| -> Vec<Element> {
                header.extensions(bytes).map(|e| (e.id, e.data(bytes).unwrap().to_vec())).collect()
            };
            prop_assert_eq!(&read(&header, full), &elements);

            let keep: ExtensionIdSet =
                keep.into_iter().chain(elements.first().map(|element| element.0)).collect();
            let mut out = [0; 2_000];
            let len = strip_extensions_with_payload(full, &header, &keep, &mut out).unwrap();
            let out = &out[..len];
            let stripped = RtpHeader::parse(out).unwrap();
            let expected: Vec<_> =
                elements.into_iter().filter(|(id, _)| keep.contains(*id)).collect();
            prop_assert_eq!(stripped.has_extension(), !expected.is_empty());
            prop_assert_eq!(read(&stripped, out), expected);
            prop_assert_eq!(stripped.payload_with_padding(out), payload);
        }
    }
}
