//! The header of a plain packet: what survives forwarding, with room for what each receiver gets of
//! its own.
//!
//! A packet's header is written once, on its sender's shard, with an empty transport-wide number in
//! it. A receiver's copy then differs in the fixed fields and these two bytes only, which are
//! overwritten in place; everything else writes the header anew.

use bridge_media::{PayloadRewrite, Rewrite};
use bridge_rtp::codec::DependencyDescriptor;
use bridge_rtp::{AddedExtension, ExtensionForm, ExtensionIdSet, RtpHeader, write_header};

/// The longest header of an outgoing packet: CSRCs and a dependency descriptor with its structure.
/// Longer ones are not forwarded.
pub(crate) const MAX_HEADER_LEN: usize = 320;

/// Where things are in a plain packet's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderSlots {
    /// Offset of the data of the transport-wide number; 0 without one.
    transport_cc: u16,
    /// The number's element has a two-byte header.
    two_byte: bool,
    /// The id of the dependency descriptor; 0 without one.
    descriptor: u8,
}

/// What a receiver's copy of a header says instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The receiver's id of the transport-wide number, and the number.
    pub(crate) transport_cc: Option<(u8, u16)>,
    /// More elements, which cost writing the header anew.
    pub(crate) added: &'a [AddedExtension<'a>],
}

impl HeaderSlots {
    /// Writes the plain header of `packet` to `out` with the elements in `keep` and a slot for the
    /// transport-wide number; answers its length.
    pub(crate) fn write(
        packet: &[u8],
        header: &RtpHeader,
        keep: &ExtensionIdSet,
        ids: PlainIds,
        out: &mut [u8],
    ) -> Option<(Self, usize)> {
        let slot = AddedExtension { id: ids.transport_cc, data: &[0, 0] };
        let written = write_header(packet, header, keep, &[slot], out).ok()?;
        let element = written.find_extension(out, ids.transport_cc)?;
        let descriptor = ids.descriptor.filter(|id| keep.contains(*id)).unwrap_or(0);
        let two_byte = written.extension_form() == Some(ExtensionForm::TwoByte);
        let slots = Self { transport_cc: element.offset, two_byte, descriptor };
        (written.header_len() <= MAX_HEADER_LEN).then(|| (slots, written.header_len()))
    }

    /// Writes a receiver's copy of the plain header `plain` to `out`; answers its length.
    pub(crate) fn stamp(
        self,
        plain: &[u8],
        rewrite: &Rewrite,
        payload_type: u8,
        descriptor: Option<&DependencyDescriptor>,
        stamp: Stamp<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let len = match rewrite.payload {
            PayloadRewrite::Dependency(_) => {
                self.write_descriptor(plain, rewrite, descriptor?, stamp.added, out)?
            }
            _ if !stamp.added.is_empty() => {
                let header = RtpHeader::parse(plain).ok()?;
                let all = header.extensions(plain).map(|element| element.id).collect();
                write_header(plain, &header, &all, stamp.added, out).ok()?.header_len()
            }
            _ => {
                out.get_mut(..plain.len())?.copy_from_slice(plain);
                self.stamp_number(out, stamp.transport_cc);
                overwrite(out, rewrite, payload_type);
                return Some(plain.len());
            }
        };
        overwrite(out, rewrite, payload_type);
        let header = RtpHeader::parse(out.get(..len)?).ok()?;
        let id = self.number_id(plain)?;
        let element = header.find_extension(out, id)?;
        let two_byte = header.extension_form() == Some(ExtensionForm::TwoByte);
        Self { transport_cc: element.offset, two_byte, ..self }
            .stamp_number(out, stamp.transport_cc);
        Some(len)
    }

    fn write_descriptor(
        self,
        plain: &[u8],
        rewrite: &Rewrite,
        descriptor: &DependencyDescriptor,
        added: &[AddedExtension<'_>],
        out: &mut [u8],
    ) -> Option<usize> {
        let PayloadRewrite::Dependency(change) = rewrite.payload else { return None };
        let header = RtpHeader::parse(plain).ok()?;
        let data = header.extension_data(plain, self.descriptor)?;
        let mut buffer = [0; MAX_DESCRIPTOR_LEN];
        let len = change.write(data, descriptor, &mut buffer)?;
        let own = AddedExtension { id: self.descriptor, data: buffer.get(..len)? };
        let all = header.extensions(plain).map(|element| element.id).collect();
        let mut elements = [own; MAX_ADDED];
        let count = added.len().min(MAX_ADDED - 1);
        for (to, from) in elements.iter_mut().skip(1).zip(added) {
            *to = *from;
        }
        let elements = elements.get(..=count)?;
        Some(write_header(plain, &header, &all, elements, out).ok()?.header_len())
    }

    /// The id under which the sender's shard wrote the slot.
    fn number_id(self, plain: &[u8]) -> Option<u8> {
        let data = usize::from(self.transport_cc);
        let at = data.checked_sub(if self.two_byte { 2 } else { 1 })?;
        let id = *plain.get(at)?;
        Some(if self.two_byte { id } else { id >> 4 })
    }

    /// Overwrites the slot; without a number it becomes padding (RFC 8285 section 4.1.1).
    fn stamp_number(self, header: &mut [u8], number: Option<(u8, u16)>) {
        let data = usize::from(self.transport_cc);
        let lead = if self.two_byte { 2 } else { 1 };
        let Some(element) = data.checked_sub(lead).and_then(|at| header.get_mut(at..data + 2))
        else {
            return;
        };
        let Some((id, number)) = number else { return element.fill(0) };
        let [high, low] = number.to_be_bytes();
        match element {
            [head, to_high, to_low] if id <= MAX_ONE_BYTE_ID => {
                (*head, *to_high, *to_low) = (id << 4 | 1, high, low);
            }
            [to_id, len, to_high, to_low] => {
                (*to_id, *len, *to_high, *to_low) = (id, 2, high, low);
            }
            // The receiver's id does not fit the form in which the sender's shard wrote it.
            _ => element.fill(0),
        }
    }
}

/// The ids in a plain header: those of the sender, since the bridge gives all the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainIds {
    /// Any free one if the sender has none.
    pub(crate) transport_cc: u8,
    pub(crate) descriptor: Option<u8>,
}

fn overwrite(header: &mut [u8], rewrite: &Rewrite, payload_type: u8) {
    let Some(fixed) = header.first_chunk_mut::<12>() else { return };
    fixed[1] = u8::from(rewrite.marker) << 7 | payload_type & 0x7f;
    fixed[2..4].copy_from_slice(&rewrite.sequence_number.to_be_bytes());
    fixed[4..8].copy_from_slice(&rewrite.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&rewrite.ssrc.to_be_bytes());
}

/// Ids above need the two-byte form (RFC 8285 section 4.2).
const MAX_ONE_BYTE_ID: u8 = 14;

/// The length of an element is one byte.
const MAX_DESCRIPTOR_LEN: usize = 255;

/// The descriptor, a MID and an absolute send time.
const MAX_ADDED: usize = 3;
