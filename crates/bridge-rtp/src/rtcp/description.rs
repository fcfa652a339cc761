use crate::bytes::{read_u8, read_u32};
use crate::error::RtcpError;

/// SDES: what sources are called. Terminated by the bridge.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    chunk_count: u8,
    body: &'a [u8],
}

/// One item of a source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceItem<'a> {
    /// The source described.
    pub ssrc: u32,
    /// 1 is CNAME (RFC 3550 section 6.5).
    pub item_type: u8,
    /// UTF-8 by the RFC, not checked.
    pub value: &'a [u8],
}

/// BYE: sources that leave.
#[derive(Clone, Copy, Debug)]
pub struct Goodbye<'a> {
    /// Why, UTF-8 by the RFC, not checked.
    pub reason: Option<&'a [u8]>,
    ssrcs: &'a [[u8; 4]],
}

/// APP: application-defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application<'a> {
    /// The application's own number.
    pub subtype: u8,
    /// Who sent it.
    pub sender_ssrc: u32,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// The rest.
    pub data: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn parse(chunk_count: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let description = Self { chunk_count, body };
        let mut items = description.walk();
        while items.advance()?.is_some() {}
        Ok(description)
    }

    /// The items of all chunks in order.
    pub fn items(&self) -> impl Iterator<Item = SourceItem<'a>> + use<'a> {
        let mut items = self.walk();
        std::iter::from_fn(move || items.advance().ok().flatten())
    }

    fn walk(&self) -> ItemWalk<'a> {
        ItemWalk { body: self.body, position: 0, chunks_left: self.chunk_count, ssrc: None }
    }
}

/// A cursor over the items; the same walk checks the packet and reads it.
struct ItemWalk<'a> {
    body: &'a [u8],
    position: usize,
    chunks_left: u8,
    ssrc: Option<u32>,
}

impl<'a> ItemWalk<'a> {
    fn advance(&mut self) -> Result<Option<SourceItem<'a>>, RtcpError> {
        loop {
            let Some(ssrc) = self.ssrc else {
                if self.chunks_left == 0 {
                    return Ok(None);
                }
                self.chunks_left -= 1;
                self.ssrc =
                    Some(read_u32(self.body, self.position).ok_or(RtcpError::BodyTooShort)?);
                self.position += 4;
                continue;
            };
            // A chunk ends with a null byte and padding; a sender that lets the packet end it is
            // understood too.
            match read_u8(self.body, self.position) {
                None | Some(END_OF_ITEMS) => {
                    self.position = (self.position + 1).next_multiple_of(4);
                    self.ssrc = None;
                }
                Some(item_type) => return self.item(ssrc, item_type).map(Some),
            }
        }
    }

    fn item(&mut self, ssrc: u32, item_type: u8) -> Result<SourceItem<'a>, RtcpError> {
        let len = read_u8(self.body, self.position + 1).ok_or(RtcpError::MalformedBody)?;
        let start = self.position + 2;
        self.position = start + usize::from(len);
        let value = self.body.get(start..self.position).ok_or(RtcpError::MalformedBody)?;
        Ok(SourceItem { ssrc, item_type, value })
    }
}

impl<'a> Goodbye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let (words, _) = body.as_chunks();
        let ssrcs = words.get(..usize::from(count)).ok_or(RtcpError::BodyTooShort)?;
        let reason = match body.get(usize::from(count) * 4..).and_then(<[u8]>::split_first) {
            None => None,
            Some((&len, text)) => {
                Some(text.get(..usize::from(len)).ok_or(RtcpError::MalformedBody)?)
            }
        };
        Ok(Self { reason, ssrcs })
    }

    /// The leaving sources.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.iter().map(|ssrc| u32::from_be_bytes(*ssrc))
    }
}

impl<'a> Application<'a> {
    pub(super) fn parse(subtype: u8, body: &'a [u8]) -> Result<Self, RtcpError> {
        let (head, data) = body.split_first_chunk::<8>().ok_or(RtcpError::BodyTooShort)?;
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *head;
        let sender_ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        Ok(Self { subtype, sender_ssrc, name: [n0, n1, n2, n3], data })
    }
}

const END_OF_ITEMS: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_all_chunks() {
        let body = [
            &[0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 2, 0, 0][..],
            &[0, 0, 0, 2, 0, 0, 0, 0],
            &[0, 0, 0, 3, 1, 2, b'd', b'e'],
        ]
        .concat();
        let description = SourceDescription::parse(3, &body).unwrap();
        let items: Vec<_> = description.items().map(|i| (i.ssrc, i.item_type, i.value)).collect();
        assert_eq!(items, [(1, 1, &b"abc"[..]), (1, 2, b""), (3, 1, b"de")]);
        assert_eq!(SourceDescription::parse(0, &[]).unwrap().items().count(), 0);
    }

    #[test]
    fn malformed_descriptions_are_refused() {
        for (count, body, expected) in [
            (1, &[0, 0, 0][..], RtcpError::BodyTooShort),
            (2, &[0, 0, 0, 1, 0, 0, 0, 0], RtcpError::BodyTooShort),
            (1, &[0, 0, 0, 1, 1, 3, b'a', b'b'], RtcpError::MalformedBody),
            (1, &[0, 0, 0, 1, 1, 1, b'a', 1], RtcpError::MalformedBody),
        ] {
            assert_eq!(SourceDescription::parse(count, body).unwrap_err(), expected, "{body:?}");
        }
    }

    #[test]
    fn goodbye_with_and_without_reason() {
        let body = [0, 0, 0, 1, 0, 0, 0, 2, 3, b'b', b'y', b'e'];
        let bye = Goodbye::parse(2, &body).unwrap();
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(bye.reason, Some(&b"bye"[..]));
        assert_eq!(Goodbye::parse(2, &body[..8]).unwrap().reason, None);
        assert_eq!(Goodbye::parse(3, &body[..8]).unwrap_err(), RtcpError::BodyTooShort);
        assert_eq!(Goodbye::parse(2, &body[..11]).unwrap_err(), RtcpError::MalformedBody);
    }

    #[test]
    fn application_defined() {
        let body = [0, 0, 0, 9, b'n', b'a', b'm', b'e', 1, 2, 3, 4];
        let app = Application::parse(5, &body).unwrap();
        assert_eq!(
            (app.subtype, app.sender_ssrc, &app.name, app.data),
            (5, 9, b"name", &body[8..])
        );
        assert_eq!(Application::parse(5, &body[..7]).unwrap_err(), RtcpError::BodyTooShort);
    }
}
