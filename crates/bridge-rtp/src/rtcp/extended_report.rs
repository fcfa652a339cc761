use bridge_units::Timestamp;

use super::report::compact_ntp;
use crate::bytes::{read_u8, read_u16, read_u32, read_u64};
use crate::error::RtcpError;

/// XR (RFC 3611). Of its blocks only those that tell a round trip are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// Who sent it.
    pub sender_ssrc: u32,
    /// The report blocks; see [`Self::blocks`].
    bytes: &'a [u8],
}

/// One report block of an XR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedBlock<'a> {
    /// Receiver reference time (section 4.4): the sender's clock, 32.32 fixed point seconds.
    ReferenceTime(u64),
    /// DLRR (section 4.5): answers to reference times.
    Answers(ReferenceAnswers<'a>),
    /// A block of another type.
    Other {
        /// Its type.
        block_type: u8,
    },
}

/// The sub-blocks of a DLRR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceAnswers<'a> {
    answers: &'a [[u8; ANSWER_LEN]],
}

/// What one participant says about the last reference time of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferenceAnswer {
    /// Whose reference time it was.
    pub ssrc: u32,
    /// [`compact_ntp`] of that time, 0 if none has come.
    pub last_reference: u32,
    /// Time since it came in 1/65536 s.
    pub delay: u32,
}

/// Iterates over the blocks of an XR; one that is longer than the rest ends it.
#[derive(Clone, Debug)]
pub struct ExtendedBlocks<'a> {
    rest: &'a [u8],
}

/// A time of this process as an NTP timestamp: only differences of such mean something (RFC 3550
/// section 4 allows it to a system without a clock of the day).
pub fn monotonic_ntp(now: Timestamp) -> u64 {
    let fixed = (u128::from(now.as_nanos()) << 32) / NANOS_PER_SECOND;
    // The whole seconds wrap with the era.
    u64::try_from(fixed & u128::from(u64::MAX)).unwrap_or_default()
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let (ssrc, bytes) = body.split_first_chunk::<4>().ok_or(RtcpError::BodyTooShort)?;
        Ok(Self { sender_ssrc: u32::from_be_bytes(*ssrc), bytes })
    }

    /// The report blocks in order.
    pub fn blocks(&self) -> ExtendedBlocks<'a> {
        ExtendedBlocks { rest: self.bytes }
    }
}

impl<'a> Iterator for ExtendedBlocks<'a> {
    type Item = ExtendedBlock<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let block_type = read_u8(self.rest, 0)?;
        let len = usize::from(read_u16(self.rest, 2)?) * 4;
        let (body, rest) = self.rest.get(BLOCK_HEADER_LEN..)?.split_at_checked(len)?;
        self.rest = rest;
        Some(match (block_type, read_u64(body, 0)) {
            (REFERENCE_TIME, Some(ntp)) if len == REFERENCE_TIME_LEN => {
                ExtendedBlock::ReferenceTime(ntp)
            }
            (ANSWERS, _) => {
                // What is left over belongs to no sub-block.
                let (answers, _) = body.as_chunks();
                ExtendedBlock::Answers(ReferenceAnswers { answers })
            }
            _ => ExtendedBlock::Other { block_type },
        })
    }
}

impl<'a> ReferenceAnswers<'a> {
    /// The sub-blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReferenceAnswer> + use<'a> {
        self.answers.iter().map(|bytes| ReferenceAnswer {
            ssrc: read_u32(bytes, 0).unwrap_or_default(),
            last_reference: read_u32(bytes, 4).unwrap_or_default(),
            delay: read_u32(bytes, 8).unwrap_or_default(),
        })
    }
}

impl ReferenceAnswer {
    /// Answers `delay` later to a reference time.
    pub fn new(ssrc: u32, reference_time: u64, delay: std::time::Duration) -> Self {
        let units = delay.as_nanos() * 65_536 / NANOS_PER_SECOND;
        Self {
            ssrc,
            last_reference: compact_ntp(reference_time),
            delay: u32::try_from(units).unwrap_or(u32::MAX),
        }
    }

    pub(super) const fn to_words(self) -> [u32; 3] {
        [self.ssrc, self.last_reference, self.delay]
    }
}

pub(super) const REFERENCE_TIME: u8 = 4;
pub(super) const ANSWERS: u8 = 5;
/// Words of a reference time behind its header.
pub(super) const REFERENCE_TIME_WORDS: u16 = 2;
/// Words of one answer.
pub(super) const ANSWER_WORDS: u16 = 3;
const REFERENCE_TIME_LEN: usize = 8;
const ANSWER_LEN: usize = 12;
const BLOCK_HEADER_LEN: usize = 4;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn blocks(bytes: &[u8]) -> Vec<String> {
        let body = [&[0, 0, 0, 9], bytes].concat();
        let report = ExtendedReport::parse(&body).unwrap();
        assert_eq!(report.sender_ssrc, 9);
        report
            .blocks()
            .map(|block| match block {
                ExtendedBlock::Answers(answers) => {
                    format!("{:?}", answers.iter().collect::<Vec<_>>())
                }
                block => format!("{block:?}"),
            })
            .collect()
    }

    #[test]
    fn blocks_are_read_in_order() {
        let reference = [4, 0, 0, 2, 0, 0, 0, 1, 0x80, 0, 0, 0];
        let other = [7, 0, 0, 1, 1, 2, 3, 4];
        let answers = [
            5, 0, 0, 6, 0, 0, 0, 7, 0, 1, 0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
            0,
        ];
        let all = [&reference[..], &other, &answers].concat();
        assert_eq!(
            blocks(&all),
            [
                "ReferenceTime(6442450944)",
                "Other { block_type: 7 }",
                "[ReferenceAnswer { ssrc: 7, last_reference: 98304, delay: 16384 }, \
                 ReferenceAnswer { ssrc: 8, last_reference: 0, delay: 0 }]",
            ]
        );
    }

    #[test]
    fn what_lies_about_its_length_ends_the_report() {
        for (bytes, expected) in [
            (&[][..], 0),
            (&[4, 0, 0][..], 0),
            (&[4, 0, 0, 2, 0, 0, 0, 1][..], 0),
            (&[4, 0, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0][..], 0),
            (&[7, 0, 0, 0, 5, 0, 0, 3, 0, 0, 0, 7][..], 1),
        ] {
            assert_eq!(blocks(bytes).len(), expected, "{bytes:?}");
        }
        assert_eq!(blocks(&[4, 0, 0, 1, 0, 0, 0, 1]), ["Other { block_type: 4 }"]);
        assert_eq!(
            blocks(&[4, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ["Other { block_type: 4 }"]
        );
        assert_eq!(blocks(&[5, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0]), ["[]"]);
        assert_eq!(ExtendedReport::parse(&[0; 3]).unwrap_err(), RtcpError::BodyTooShort);
    }

    #[test]
    fn time_is_fixed_point_seconds() {
        assert_eq!(monotonic_ntp(Timestamp::from_millis(1_500)), 0x0000_0001_8000_0000);
        let answer = ReferenceAnswer::new(7, 0x0000_0001_8000_0000, Duration::from_millis(250));
        assert_eq!(answer.to_words(), [7, 0x0001_8000, 0x4000]);
        assert_eq!(ReferenceAnswer::new(7, 0, Duration::MAX).delay, u32::MAX);
    }
}
