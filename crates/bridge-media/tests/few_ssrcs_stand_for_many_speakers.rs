//! A receiver hears any number of speakers on a bounded number of SSRCs, each of which goes on.

#![allow(clippy::unwrap_used, reason = "functions of this test")]

use bridge_media::{
    MappedSource, Mid, RewritableSource, RewritingRefusal, RewrittenPacket, SsrcRewriting,
    SsrcRewritingConfig,
};
use bridge_rtp::RtpHeader;
use bridge_units::{MediaType, SourceId};

const A: SourceId = SourceId(1);
const B: SourceId = SourceId(2);
const C: SourceId = SourceId(3);

/// A receiver with SSRCs from 9001 on.
struct Receiver {
    rewriting: SsrcRewriting,
    next_ssrc: u32,
}

impl Receiver {
    fn new(limit: usize, mid_demux: bool) -> Self {
        let config = SsrcRewritingConfig { audio_limit: limit, video_limit: limit, mid_demux };
        Self { rewriting: SsrcRewriting::new(config), next_ssrc: 9_000 }
    }

    fn hear(
        &mut self,
        source: SourceId,
        sequence_number: u16,
        timestamp: u32,
    ) -> Result<RewrittenPacket, RewritingRefusal> {
        let header = header(ssrc_of(source), sequence_number, timestamp);
        let next = &mut self.next_ssrc;
        self.rewriting.rewrite_audio(Some(source), &header, || {
            *next += 1;
            *next
        })
    }

    /// SSRC, sequence number, timestamp.
    fn heard(&mut self, source: SourceId, sequence_number: u16, timestamp: u32) -> (u32, u16, u32) {
        let rewrite = self.hear(source, sequence_number, timestamp).unwrap().rewrite;
        (rewrite.ssrc, rewrite.sequence_number, rewrite.timestamp)
    }

    fn announced(&mut self) -> Vec<MappedSource> {
        let Some((media, mapped)) = self.rewriting.poll_mapped() else { return Vec::new() };
        assert_eq!(media, MediaType::Audio);
        assert_eq!(self.rewriting.poll_mapped(), None, "told once");
        mapped
    }
}

fn ssrc_of(source: SourceId) -> u32 {
    source.0 * 11
}

fn header(ssrc: u32, sequence_number: u16, timestamp: u32) -> RtpHeader {
    let mut bytes = vec![0x80, 0x80 | 111];
    bytes.extend(sequence_number.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    RtpHeader::parse(&bytes).unwrap()
}

fn mapped(source: SourceId, ssrc: u32, mid: u32) -> MappedSource {
    let mid = Some(Mid::new(MediaType::Audio, mid));
    MappedSource { source, ssrc, rtx: ssrc + 1, mid }
}

#[test]
fn the_worked_example() {
    let mut receiver = Receiver::new(2, true);
    assert_eq!(receiver.heard(A, 100, 48_000), (9_001, 100, 48_000));
    assert_eq!(receiver.announced(), [mapped(A, 9_001, 0)]);
    assert_eq!(receiver.heard(B, 7, 960), (9_003, 7, 960));
    assert_eq!(receiver.announced(), [mapped(B, 9_003, 1)]);
    assert_eq!(receiver.heard(A, 101, 48_960), (9_001, 101, 48_960));
    assert_eq!(receiver.announced(), []);
    let first = receiver.hear(C, 5_000, 1_000_000).unwrap();
    let values = first.rewrite;
    assert_eq!((values.ssrc, values.sequence_number, values.timestamp), (9_003, 8, 1_920));
    assert_eq!(first.mid.unwrap().as_str(), "a1");
    assert!(values.marker, "as it was");
    assert_eq!(receiver.announced(), [mapped(C, 9_003, 1)]);
    assert_eq!(receiver.heard(C, 5_001, 1_000_960), (9_003, 9, 2_880));
    assert_eq!(receiver.heard(B, 60, 52_000), (9_001, 154, 100_000));
    assert_eq!(receiver.announced(), [mapped(B, 9_001, 0)]);
    assert_eq!(receiver.rewriting.remaps(), 2);
    let all = receiver.rewriting.mapped(MediaType::Audio);
    assert_eq!(all, [mapped(C, 9_003, 1), mapped(B, 9_001, 0)], "for a channel that comes back");
}

#[test]
fn without_mids_there_are_none() {
    let mut receiver = Receiver::new(2, false);
    assert_eq!(receiver.hear(A, 100, 48_000).unwrap().mid, None);
    assert_eq!(receiver.announced()[0].mid, None);
}

#[test]
fn a_long_absence_does_not_jump_backwards() {
    let mut receiver = Receiver::new(1, false);
    receiver.heard(A, 100, 48_000);
    receiver.heard(B, 1, 1);
    // Half the range and an hour later.
    assert_eq!(receiver.heard(A, 40_100, 172_848_000), (9_001, 102, 48_960 + 960));
    // Time that went backwards.
    receiver.heard(B, 2, 961);
    let (_, number, timestamp) = receiver.heard(A, 40_101, 172_847_000);
    assert_eq!((number, timestamp), (104, 48_960 + 4 * 960 - 960));
}

#[test]
fn packets_from_before_a_change_of_sources_are_refused() {
    let mut receiver = Receiver::new(1, false);
    receiver.heard(A, 100, 48_000);
    receiver.heard(A, 105, 52_800);
    assert_eq!(receiver.heard(A, 103, 50_880).1, 103, "late, but its own");
    assert_eq!(receiver.heard(B, 500, 9_600).1, 106);
    assert_eq!(receiver.hear(B, 499, 8_640), Err(RewritingRefusal::TooLate));
    assert_eq!(receiver.heard(B, 502, 11_520).1, 108);
    assert_eq!(receiver.heard(B, 501, 10_560), (9_001, 107, 54_720));
    assert_eq!(receiver.rewriting.counters().too_late, 1);
}

#[test]
fn unknown_sources_are_not_sent() {
    let mut receiver = Receiver::new(2, false);
    let unknown = receiver.rewriting.rewrite_audio(None, &header(77, 1, 1), || 5);
    assert_eq!(unknown, Err(RewritingRefusal::UnknownSource));
    let mut none = Receiver::new(0, false);
    assert_eq!(none.hear(A, 1, 1), Err(RewritingRefusal::NotMapped));
    let counters = (*receiver.rewriting.counters(), *none.rewriting.counters());
    assert_eq!((counters.0.unknown_source, counters.1.not_mapped), (1, 1));
}

#[test]
fn those_who_leave_free_their_slots_silently() {
    let mut receiver = Receiver::new(2, true);
    receiver.heard(A, 100, 48_000);
    receiver.heard(B, 200, 48_000);
    receiver.announced();
    receiver.rewriting.remove_source(A);
    assert_eq!(receiver.announced(), []);
    assert_eq!(receiver.rewriting.mapped(MediaType::Audio), [mapped(B, 9_003, 1)]);
    // The room is filled with new SSRCs and a new MID.
    assert_eq!(receiver.heard(C, 9, 9), (9_005, 9, 9));
    assert_eq!(receiver.announced(), [mapped(C, 9_005, 2)]);
    assert_eq!(receiver.rewriting.remaps(), 0);
}

#[test]
fn ssrcs_are_unique_whatever_chance_says() {
    for constant in [0, 7, u32::MAX] {
        let config = SsrcRewritingConfig { audio_limit: 3, video_limit: 3, mid_demux: false };
        let mut rewriting = SsrcRewriting::new(config);
        let video = [1, 2, 3].map(|n| RewritableSource { id: SourceId(n), ssrc: n });
        rewriting.set_video_sources(&video, || constant);
        for n in 4..7 {
            let header = header(n, 1, 1);
            rewriting.rewrite_audio(Some(SourceId(n)), &header, || constant).unwrap();
        }
        let mut ssrcs: Vec<u32> = [MediaType::Audio, MediaType::Video]
            .into_iter()
            .flat_map(|media| rewriting.mapped(media))
            .flat_map(|mapped| [mapped.ssrc, mapped.rtx])
            .collect();
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 12);
        assert!(!ssrcs.contains(&0) && !ssrcs.contains(&u32::MAX));
    }
}

#[test]
fn reports_are_shifted_like_the_media() {
    let mut receiver = Receiver::new(1, false);
    let report = |receiver: &Receiver, source| {
        receiver.rewriting.rewrite_sender_report(MediaType::Audio, source, ssrc_of(source), 50_000)
    };
    receiver.heard(A, 100, 48_000);
    assert_eq!(report(&receiver, A), Some((9_001, 50_000)));
    receiver.heard(B, 7, 960);
    assert_eq!(report(&receiver, B), Some((9_001, 98_000)));
    assert_eq!(report(&receiver, A), None, "it has no SSRC any more");
    assert_eq!(report(&receiver, C), None, "a report makes no slot");
    assert_eq!(receiver.rewriting.mapped(MediaType::Audio).len(), 1);
}
