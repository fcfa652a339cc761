use crate::client_hello::{ClientHello, Reader};

/// Longest ClientHello that is put together. With a post-quantum key share and a browser's
/// extensions it has about 2 KB.
const MAX_HELLO_LEN: usize = 8 * 1024;
/// Datagrams that are kept until the ClientHello is whole: the fragments of the longest one at
/// the smallest MTU, sent once.
const MAX_HELD_DATAGRAMS: usize = 16;

/// Waits for a whole ClientHello, which may come in fragments over several datagrams in any
/// order, and keeps the datagrams for the backend that it chooses.
#[derive(Default)]
pub(crate) struct HelloCollector {
    datagrams: Vec<Vec<u8>>,
    body: Vec<u8>,
    /// Ranges of `body` that arrived, sorted and apart.
    arrived: Vec<(usize, usize)>,
}

/// A whole ClientHello.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CollectedHello {
    pub(crate) hello: ClientHello,
    /// As they came.
    pub(crate) datagrams: Vec<Vec<u8>>,
}

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Collected {
    /// Not (a piece of) a ClientHello.
    Ignored,
    /// More pieces are missing.
    Incomplete,
    /// This was the last piece.
    Whole(CollectedHello),
}

/// A piece of a handshake message.
struct Fragment<'a> {
    message_len: usize,
    offset: usize,
    content: &'a [u8],
}

impl HelloCollector {
    pub(crate) fn handle_datagram(&mut self, datagram: &[u8]) -> Collected {
        let mut found = false;
        let mut records = Reader { rest: datagram };
        while let Some(record) = handshake_record(&mut records) {
            let mut messages = Reader { rest: record };
            while let Some(fragment) = client_hello_fragment(&mut messages) {
                found |= self.add(&fragment);
            }
        }
        if !found {
            return Collected::Ignored;
        }
        if self.datagrams.len() >= MAX_HELD_DATAGRAMS {
            *self = Self::default();
            return Collected::Ignored;
        }
        self.datagrams.push(datagram.to_vec());
        if self.arrived != [(0, self.body.len())] {
            return Collected::Incomplete;
        }
        let whole = std::mem::take(self);
        match ClientHello::parse(&whole.body) {
            Some(hello) => Collected::Whole(CollectedHello { hello, datagrams: whole.datagrams }),
            None => Collected::Ignored,
        }
    }

    /// False if the fragment is of no use.
    fn add(&mut self, fragment: &Fragment<'_>) -> bool {
        if fragment.message_len == 0 || fragment.message_len > MAX_HELLO_LEN {
            return false;
        }
        if fragment.message_len != self.body.len() {
            *self = Self { body: vec![0; fragment.message_len], ..Self::default() };
        }
        let end = fragment.offset + fragment.content.len();
        let Some(target) = self.body.get_mut(fragment.offset..end) else { return false };
        target.copy_from_slice(fragment.content);
        self.arrived.push((fragment.offset, end));
        self.arrived.sort_unstable();
        self.arrived.dedup_by(|next, kept| {
            let joins = next.0 <= kept.1;
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        true
    }
}

/// The content of the next record if it is a handshake record in the clear.
fn handshake_record<'a>(records: &mut Reader<'a>) -> Option<&'a [u8]> {
    let kind = records.u8()?;
    let _version = records.u16()?;
    let epoch = records.u16()?;
    let _sequence_number = records.take(6)?;
    let len = usize::from(records.u16()?);
    let content = records.take(len)?;
    (kind == HANDSHAKE && epoch == 0).then_some(content)
}

fn client_hello_fragment<'a>(messages: &mut Reader<'a>) -> Option<Fragment<'a>> {
    let kind = messages.u8()?;
    let message_len = messages.u24()?;
    let _message_sequence = messages.u16()?;
    let offset = messages.u24()?;
    let len = messages.u24()?;
    let content = messages.take(len)?;
    (kind == CLIENT_HELLO).then_some(Fragment { message_len, offset, content })
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_hello::tests::hello;
    use proptest::prelude::*;

    fn datagram(body: &[u8], offset: usize, len: usize) -> Vec<u8> {
        let u24 = |value: usize| u32::try_from(value).expect("short").to_be_bytes()[1..].to_vec();
        let mut message = vec![CLIENT_HELLO];
        message.extend(u24(body.len()));
        message.extend([0, 0]);
        message.extend(u24(offset));
        message.extend(u24(len));
        message.extend(&body[offset..offset + len]);
        let mut record = vec![HANDSHAKE, 0xFE, 0xFF, 0, 0, 0, 0, 0, 0, 0, 9];
        record.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn one_datagram_is_enough() {
        for (versions, dtls13) in [(None, false), (Some(&[0xFE, 0xFC][..]), true)] {
            let offered = ClientHello { dtls12: !dtls13, dtls13, srtp_profiles: Vec::new() };
            let body = hello(versions);
            let datagram = datagram(&body, 0, body.len());
            let whole = CollectedHello { hello: offered, datagrams: vec![datagram.clone()] };
            let mut collector = HelloCollector::default();
            assert_eq!(collector.handle_datagram(&datagram), Collected::Whole(whole));
        }
    }

    #[test]
    fn fragments_come_in_any_order_and_again() {
        let body = hello(Some(&[0xFE, 0xFC]));
        let (first, second) = (datagram(&body, 0, 30), datagram(&body, 30, body.len() - 30));
        let mut collector = HelloCollector::default();
        assert_eq!(collector.handle_datagram(&second), Collected::Incomplete);
        assert_eq!(collector.handle_datagram(&second), Collected::Incomplete);
        let Collected::Whole(whole) = collector.handle_datagram(&first) else {
            panic!("the ClientHello is whole");
        };
        assert!(whole.hello.dtls13);
        assert_eq!(whole.datagrams, [second.clone(), second, first]);
    }

    #[test]
    fn what_is_no_client_hello_is_ignored() {
        let body = hello(None);
        let good = datagram(&body, 0, body.len());
        for (at, value) in [(0, 23), (4, 1), (13, 2), (12, 0xFF)] {
            let mut other = good.clone();
            other[at] = value;
            let mut collector = HelloCollector::default();
            assert_eq!(collector.handle_datagram(&other), Collected::Ignored, "byte {at}");
        }
        let mut malformed = body.clone();
        malformed[35] = 0xFF;
        let malformed = datagram(&malformed, 0, malformed.len());
        assert_eq!(HelloCollector::default().handle_datagram(&malformed), Collected::Ignored);
        assert_eq!(HelloCollector::default().handle_datagram(&[]), Collected::Ignored);
    }

    #[test]
    fn memory_is_bounded() {
        let body = vec![0; MAX_HELLO_LEN + 1];
        let mut collector = HelloCollector::default();
        assert_eq!(collector.handle_datagram(&datagram(&body, 0, 10)), Collected::Ignored);
        let fragment = datagram(&body[1..], 0, 10);
        for _ in 0..MAX_HELD_DATAGRAMS {
            assert_eq!(collector.handle_datagram(&fragment), Collected::Incomplete);
        }
        assert_eq!(collector.handle_datagram(&fragment), Collected::Ignored);
        assert!(collector.datagrams.is_empty() && collector.body.is_empty());
    }

    proptest! {
        #[test]
        fn any_split_into_fragments_is_put_together(cut in 1..40_usize, reverse: bool) {
            let body = hello(Some(&[0xFE, 0xFD, 0xFE, 0xFC]));
            let mut pieces: Vec<_> = (0..body.len())
                .step_by(body.len().div_ceil(MAX_HELD_DATAGRAMS).max(cut))
                .collect();
            let step = body.len().div_ceil(MAX_HELD_DATAGRAMS).max(cut);
            if reverse {
                pieces.reverse();
            }
            let mut collector = HelloCollector::default();
            let mut last = Collected::Ignored;
            for offset in pieces {
                let len = step.min(body.len() - offset);
                last = collector.handle_datagram(&datagram(&body, offset, len));
            }
            let whole = matches!(&last, Collected::Whole(collected) if collected.hello.dtls13);
            prop_assert!(whole);
        }

        #[test]
        fn collecting_never_panics(datagrams: Vec<Vec<u8>>) {
            let mut collector = HelloCollector::default();
            for datagram in datagrams {
                let _ = collector.handle_datagram(&datagram);
            }
        }
    }
}
