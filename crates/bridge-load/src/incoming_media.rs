//! The media that one endpoint receives: checked, counted, timed, and reported to the bridge.

use bridge_cc::ReceiverReports;
use bridge_rtp::rtcp::{MAX_COMPOUND_LEN, SenderInfo};
use bridge_rtp::{RtcpWriter, RtpHeader, transport_cc_sequence};
use bridge_srtp::SrtpReceiver;
use bridge_units::Timestamp;

use crate::arrival::{Arrival, check_media, check_retransmission};
use crate::command::Durations;
use crate::feedback::Feedback;
use crate::media_stream::{AUDIO_PAYLOAD_TYPE, TRANSPORT_CC_ID};
use crate::missing_packets::MissingPackets;
use crate::payload::Stamp;
use crate::reception::{Hole, Reception, ReceptionCounts, Wrong};
use crate::scenario::{EndpointPlan, Place, Speakers};
use crate::stream_id::{StreamId, StreamKind};

/// Everything that an endpoint remembers of what it received.
pub(crate) struct IncomingMedia {
    number: u32,
    sampled: bool,
    place: Place,
    speakers: Speakers,
    bridge_ssrcs: Vec<u32>,
    /// When the bridge was asked for the endpoint.
    requested: Timestamp,
    reception: Reception,
    reports: ReceiverReports,
    feedback: Feedback,
    missing: MissingPackets,
}

/// What is counted and timed for all endpoints of a thread.
pub(crate) struct Tally {
    pub(crate) counts: ReceptionCounts,
    pub(crate) durations: Durations,
}

/// RTCP that is to be sent.
pub(crate) type Compounds = Vec<Vec<u8>>;

impl IncomingMedia {
    pub(crate) fn new(
        now: Timestamp,
        plan: &EndpointPlan,
        speakers: Speakers,
        bridge_ssrcs: Vec<u32>,
        requested: Timestamp,
    ) -> Self {
        Self {
            number: plan.number,
            sampled: plan.sampled,
            place: plan.place,
            speakers,
            bridge_ssrcs,
            requested,
            reception: Reception::default(),
            reports: ReceiverReports::new(now),
            feedback: Feedback::new(now),
            missing: MissingPackets::default(),
        }
    }

    /// Takes a packet as it came; whether [`Self::poll_timeout`] may have become earlier.
    pub(crate) fn handle_packet(
        &mut self,
        now: Timestamp,
        packet: &mut [u8],
        srtp: &mut SrtpReceiver,
        tally: &mut Tally,
        rtcp: &mut Compounds,
    ) -> bool {
        let Ok(header) = RtpHeader::parse(packet) else {
            tally.counts.wrong.count(Wrong::Malformed);
            return false;
        };
        let tag = header.extension_data(packet, TRANSPORT_CC_ID).and_then(transport_cc_sequence);
        let mut moved = tag.is_some_and(|sequence| {
            self.feedback.on_packet(now, sequence, header.ssrc, packet.len())
        });
        let (ssrc, payload_type) = (header.ssrc, header.payload_type);
        let own = self.number;
        let may_be_padding =
            header.has_padding && packet.len() <= header.header_len() + MAX_BARE_PADDING;
        match Arrival::of(ssrc, payload_type, may_be_padding, own, &self.bridge_ssrcs) {
            Ok(Arrival::Media(stream)) => {
                moved |= self.handle_media(now, &header, packet.len(), stream, tally, rtcp);
                if self.sampled {
                    let opened = open(&header, packet, srtp);
                    let stamp = opened.and_then(|p| check_media(header.payload_type, p, stream));
                    self.time(now, stamp, tally);
                }
            }
            Ok(Arrival::Retransmission { from, encoding }) => {
                tally.counts.retransmissions += 1;
                // Opened by everybody: which packet it is, is encrypted.
                let opened = open(&header, packet, srtp);
                let original = opened.and_then(|payload| check_retransmission(payload, from));
                self.recover(
                    original,
                    StreamId { kind: StreamKind::Video(encoding), ..from },
                    tally,
                );
            }
            Ok(Arrival::Padding(stream)) => {
                let len = packet.len();
                match open(&header, packet, srtp) {
                    Ok([]) => {
                        tally.counts.padding += 1;
                        moved |= self.follow(now, &header, false, tally, rtcp);
                    }
                    opened => {
                        let stamp =
                            opened.and_then(|p| check_media(header.payload_type, p, stream));
                        moved |= self.handle_media(now, &header, len, stream, tally, rtcp);
                        self.time(now, stamp, tally);
                    }
                }
            }
            Ok(Arrival::OwnPadding) => {
                tally.counts.padding += 1;
                self.check_padding(&header, packet, srtp, tally);
            }
            Err(wrong) => tally.counts.wrong.count(wrong),
        }
        moved
    }

    pub(crate) fn handle_sender_report(&mut self, now: Timestamp, info: &SenderInfo) {
        self.reports.on_sender_report(now, info);
    }

    /// Says what has become due; `own_ssrc` is who says it.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        counts: &mut ReceptionCounts,
        rtcp: &mut Compounds,
    ) {
        let own_ssrc = self.own_ssrc();
        self.reports.handle_timeout(now, own_ssrc, None, |compound| rtcp.push(compound.to_vec()));
        self.feedback.handle_timeout(now, own_ssrc, |packet| {
            counts.feedback += 1;
            rtcp.push(packet.to_vec());
        });
        self.missing.handle_timeout(now, |ssrc, sequences| {
            for some in sequences.chunks(MAX_ASKED_IN_ONE) {
                counts.asked += some.len() as u64;
                rtcp.push(ask(own_ssrc, ssrc, some.iter().copied()));
            }
        });
    }

    pub(crate) fn poll_timeout(&self) -> Timestamp {
        self.reports
            .poll_timeout()
            .min(self.feedback.poll_timeout())
            .min(self.missing.poll_timeout())
    }

    /// Whether pictures came.
    pub(crate) fn has_video(&self) -> bool {
        self.reception.has_video()
    }

    /// Whether no media came.
    pub(crate) fn is_empty(&self) -> bool {
        self.reception.is_empty()
    }

    fn handle_media(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        len: usize,
        stream: StreamId,
        tally: &mut Tally,
        rtcp: &mut Compounds,
    ) -> bool {
        if self.reception.is_empty() {
            tally.durations.first_media.record(now.since(self.requested));
        }
        tally.counts.packets += 1;
        tally.counts.bytes += len as u64;
        let may_be_silence =
            stream.kind == StreamKind::Audio && !self.speakers.include(stream.endpoint);
        self.follow(now, header, may_be_silence, tally, rtcp)
    }

    /// Follows the sequence numbers of a stream, and asks at once for what was skipped.
    fn follow(
        &mut self,
        now: Timestamp,
        header: &RtpHeader,
        may_be_silence: bool,
        tally: &mut Tally,
        rtcp: &mut Compounds,
    ) -> bool {
        let is_audio = header.payload_type == AUDIO_PAYLOAD_TYPE;
        self.reports.on_packet(now, header, if is_audio { 48_000 } else { 90_000 });
        let (ssrc, sequence) = (header.ssrc, header.sequence_number);
        let lost = tally.counts.lost;
        let hole = self.reception.note(ssrc, sequence, may_be_silence, &mut tally.counts);
        if is_audio {
            tally.counts.note_audio(lost);
            return false;
        }
        let Some(hole) = hole else {
            // It may have been late only.
            self.missing.remove(ssrc, sequence);
            return false;
        };
        let Hole { first, count } = self.missing.note(now, ssrc, hole);
        tally.counts.asked += u64::from(count);
        let missing = (0..count).map(|offset| first.wrapping_add(offset));
        rtcp.push(ask(self.own_ssrc(), ssrc, missing));
        true
    }

    fn time(&self, now: Timestamp, stamp: Result<Stamp, Wrong>, tally: &mut Tally) {
        match stamp {
            Ok(stamp) => {
                tally.counts.opened += 1;
                tally.durations.record_delay(self.place, now.since(stamp.sent));
            }
            Err(wrong) => tally.counts.wrong.count(wrong),
        }
    }

    fn recover(
        &mut self,
        original: Result<Option<u16>, Wrong>,
        stream: StreamId,
        tally: &mut Tally,
    ) {
        match original {
            Ok(Some(sequence)) => {
                let ssrc = stream.ssrc();
                self.missing.remove(ssrc, sequence);
                self.reception.recover(ssrc, sequence, &mut tally.counts);
            }
            Ok(None) => tally.counts.padding += 1,
            Err(wrong) => tally.counts.wrong.count(wrong),
        }
    }

    fn check_padding(
        &self,
        header: &RtpHeader,
        packet: &mut [u8],
        srtp: &mut SrtpReceiver,
        tally: &mut Tally,
    ) {
        if !self.sampled {
            return;
        }
        match open(header, packet, srtp) {
            Ok([]) => {}
            Ok(_) => tally.counts.wrong.count(Wrong::Payload),
            Err(wrong) => tally.counts.wrong.count(wrong),
        }
    }

    fn own_ssrc(&self) -> u32 {
        StreamId { endpoint: self.number, kind: StreamKind::Audio }.ssrc()
    }
}

/// The payload of a packet without its padding.
fn open<'a>(
    header: &RtpHeader,
    packet: &'a mut [u8],
    srtp: &mut SrtpReceiver,
) -> Result<&'a [u8], Wrong> {
    let len = srtp.open_rtp(packet, header.header_len()).map_err(|_| Wrong::Unauthenticated)?;
    Ok(header.payload(packet.get(..len).unwrap_or_default()))
}

fn ask(own_ssrc: u32, ssrc: u32, missing: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut buffer = [0; MAX_COMPOUND_LEN];
    let mut writer = RtcpWriter::new(&mut buffer);
    // Few enough to fit.
    let _ = writer.nack(own_ssrc, ssrc, missing);
    writer.as_bytes().to_vec()
}

/// The most that the last byte of a packet can count as padding, and the seal.
const MAX_BARE_PADDING: usize = 255 + 16;

/// Sequence numbers in one request: four bytes each at worst.
const MAX_ASKED_IN_ONE: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bridge_rtp::{RtcpCompound, RtcpPacket};
    use bridge_srtp::{DtlsRole, KeyingMaterial, Profile, SrtpSender};

    use super::*;
    use crate::arguments::Arguments;
    use crate::media_stream::{MediaStream, RTX_PAYLOAD_TYPE, StreamPlan, VIDEO_PAYLOAD_TYPE};
    use crate::scenario::{self, Scenario};
    use crate::video_frames::VideoShape;

    const JVB: u32 = 0x00fe_0001;

    /// A bridge that sends what endpoint 0 has sent to sampled endpoint 1.
    struct World {
        now: Timestamp,
        source: MediaStream,
        sealing: SrtpSender,
        opening: SrtpReceiver,
        media: IncomingMedia,
        tally: Tally,
        rtcp: Compounds,
    }

    impl World {
        fn new() -> Self {
            let bridge = "http://127.0.0.1:1".parse().unwrap();
            let arguments = Arguments::new(bridge, Scenario::OneToMany);
            let profile = Profile::AeadAes128Gcm;
            let keys = vec![7; profile.exporter_len()];
            let keying =
                |role| KeyingMaterial::from_exporter(profile, &keys, role).expect("long enough");
            let plan = scenario::endpoint(&arguments, 1, 101);
            assert!(plan.sampled);
            let id = StreamId { endpoint: 0, kind: StreamKind::Video(0) };
            let video = StreamPlan { id, is_audible: false };
            let now = Timestamp::from_millis(1_000);
            Self {
                now,
                source: MediaStream::new(video, 1, VideoShape::new(&arguments), now),
                sealing: SrtpSender::new(&keying(DtlsRole::Server)),
                opening: SrtpReceiver::new(&keying(DtlsRole::Client)),
                media: IncomingMedia::new(now, &plan, Speakers::new(&arguments), vec![JVB], now),
                tally: Tally { counts: ReceptionCounts::default(), durations: Durations::new() },
                rtcp: Vec::new(),
            }
        }

        /// The next packet of the source, in clear.
        fn next(&mut self) -> Vec<u8> {
            let mut plain = [0; 1_500];
            let written = self.source.write(self.now, 5, &mut plain).unwrap();
            plain[..written.len].to_vec()
        }

        fn deliver(&mut self, plain: &[u8]) {
            let header = RtpHeader::parse(plain).unwrap();
            let (head, payload) = plain.split_at(header.header_len());
            let mut sealed = vec![0; plain.len() + 32];
            let len = self.sealing.seal_rtp(head, payload, &mut sealed).unwrap();
            let Self { now, media, opening, tally, rtcp, .. } = self;
            media.handle_packet(*now, &mut sealed[..len], opening, tally, rtcp);
        }

        fn wait(&mut self, time: Duration) {
            self.now += time;
            self.media.handle_timeout(self.now, &mut self.tally.counts, &mut self.rtcp);
        }

        /// What was asked for since the last time.
        fn asked(&mut self) -> Vec<u16> {
            let mut asked = Vec::new();
            for compound in self.rtcp.drain(..) {
                for (packet, _) in RtcpCompound::parse(&compound).unwrap().packets() {
                    if let RtcpPacket::Nack(nack) = packet {
                        asked.extend(nack.sequence_numbers());
                    }
                }
            }
            asked
        }
    }

    /// A padding packet of so many bytes.
    fn padding(payload_type: u8, sequence: u16, ssrc: u32, count: u8) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        let mut packet = vec![0xa0, payload_type, high, low, 0, 0, 0, 9];
        packet.extend(ssrc.to_be_bytes());
        packet.resize(12 + usize::from(count), 0);
        *packet.last_mut().unwrap() = count;
        packet
    }

    fn sequence(packet: &[u8]) -> u16 {
        RtpHeader::parse(packet).unwrap().sequence_number
    }

    #[test]
    fn media_is_checked_and_timed_whatever_the_bridge_renumbers() {
        let mut world = World::new();
        for number in 0..21_u16 {
            let mut packet = world.next();
            let shifted = sequence(&packet).wrapping_add(30_000).to_be_bytes();
            packet[2..4].copy_from_slice(&shifted);
            packet[4..8].copy_from_slice(&u32::from(number).to_be_bytes());
            packet[22] ^= 0x15;
            if number == 20 {
                packet[200] ^= 1;
            }
            world.now += Duration::from_micros(200);
            world.deliver(&packet);
        }
        let counts = world.tally.counts;
        assert_eq!((counts.packets, counts.opened, counts.lost), (21, 20, 0));
        assert_eq!(counts.wrong.total(), 1, "the damaged one");
        assert_eq!(world.tally.durations.first.count(), 20);
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes() {
        let mut world = World::new();
        let packets: Vec<_> = (0..10).map(|_| world.next()).collect();
        world.deliver(&packets[0]);
        world.deliver(&packets[4]);
        let missing: Vec<u16> = packets[1..4].iter().map(|packet| sequence(packet)).collect();
        assert_eq!(world.asked(), missing);
        world.deliver(&packets[3]);
        world.wait(Duration::from_millis(100));
        assert_eq!(world.asked(), missing[..2]);
        let mut again = [0; 1_500];
        let written = world.source.write_again(world.now, missing[0], 6, &mut again).unwrap();
        world.deliver(&again[..written.len]);
        world.wait(Duration::from_millis(100));
        assert_eq!(world.asked(), missing[1..2]);
        let counts = world.tally.counts;
        assert_eq!((counts.lost, counts.recovered, counts.asked), (2, 1, 6));
        assert_eq!(counts.wrong.total(), 0);
    }

    #[test]
    fn probes_are_neither_media_nor_wrong() {
        let mut world = World::new();
        let packet = world.next();
        let (media, number) = (RtpHeader::parse(&packet).unwrap().ssrc, sequence(&packet));
        world.deliver(&packet);
        world.deliver(&padding(VIDEO_PAYLOAD_TYPE, 77, JVB, 255));
        world.deliver(&padding(VIDEO_PAYLOAD_TYPE, number.wrapping_add(1), media, 200));
        let rtx = StreamId { endpoint: 0, kind: StreamKind::Rtx(0) }.ssrc();
        world.deliver(&padding(RTX_PAYLOAD_TYPE, 2, rtx, 100));
        // A packet that had arrived already is a probe too.
        let mut again = [0; 1_500];
        let written = world.source.write_again(world.now, number, 6, &mut again).unwrap();
        world.deliver(&again[..written.len]);
        let counts = world.tally.counts;
        assert_eq!((counts.packets, counts.padding, counts.retransmissions), (1, 3, 2));
        assert_eq!((counts.lost, counts.recovered, counts.wrong.total()), (0, 0, 0));
        assert_eq!(world.asked(), [0_u16; 0]);
    }

    #[test]
    fn tagged_packets_and_streams_are_reported() {
        let mut world = World::new();
        for _ in 0..5 {
            let packet = world.next();
            world.deliver(&packet);
        }
        world.wait(Duration::from_millis(600));
        let mut kinds = Vec::new();
        for compound in &world.rtcp {
            for (packet, _) in RtcpCompound::parse(compound).unwrap().packets() {
                match packet {
                    RtcpPacket::ReceiverReport(report) => kinds.push(report.blocks.iter().count()),
                    RtcpPacket::TransportFeedback(report) => kinds.push(report.statuses().count()),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(kinds, [1, 1], "one stream, one tag");
        assert_eq!(world.tally.counts.feedback, 1);
        assert!(world.media.poll_timeout() > world.now);
    }
}
