//! Audio on its way to one receiver: who is heard, with or without redundancy.

use super::departure::Departure;
use super::{Downlink, MAX_SOURCES, Outlet};
use crate::egress::MAX_DATAGRAM_BYTES;
use crate::packet_batch::{PacketBatch, PlainAudioKind, PlainPacket};
use bridge_media::{AudioPacket, PayloadRewrite, PlainAudio, RedAction, Rewrite};
use bridge_rtp::RtpHeader;
use bridge_units::Timestamp;

/// Packets that one packet with redundancy becomes at most: itself and two that were lost.
const MAX_STRIPPED: usize = 3;

impl Downlink {
    /// Sends an audio packet at once: what is late can only be silence.
    ///
    /// Differs from JVB: a packet out of the redundancy of another carries the header extensions of
    /// that one.
    pub(crate) fn forward_audio(
        &mut self,
        now: Timestamp,
        batch: &PacketBatch,
        packet: &PlainPacket,
        kind: PlainAudioKind,
        outlet: &mut Outlet<'_>,
    ) {
        if !self.wants_audio(packet, kind) {
            return;
        }
        let (header, payload) = batch.split(packet);
        let audio = Audio { packet, header, values: kind, payload };
        let own_red = self.payload_types.red;
        match self.red.policy.action(kind.red, own_red.is_some()) {
            RedAction::Forward => {
                if !kind.red && own_red.is_none() && !self.is_new(&audio) {
                    return;
                }
                self.send_audio(now, &audio, outlet);
            }
            RedAction::Strip => self.send_stripped(now, &audio, outlet),
            RedAction::Protect => self.send_protected(now, &audio, outlet),
        }
    }

    /// Whether the receiver gets audio of the packet's source at all.
    fn wants_audio(&self, packet: &PlainPacket, kind: PlainAudioKind) -> bool {
        let by_default = !kind.synthetic && !kind.quiet;
        match &self.audio {
            None => by_default,
            Some(selection) if selection.exclude.contains(&packet.source) => false,
            Some(selection) => {
                selection.include.contains(&packet.source) || (selection.all && by_default)
            }
        }
    }

    /// Whether a plain packet between ones with redundancy was not recovered from those already.
    fn is_new(&mut self, audio: &Audio<'_>) -> bool {
        let source = self.audios.get_mut(&audio.packet.source);
        source.is_none_or(|source| {
            !source.has_redundancy || source.red.accept_plain(audio.values.sequence_number)
        })
    }

    fn send_stripped(&mut self, now: Timestamp, audio: &Audio<'_>, outlet: &mut Outlet<'_>) {
        if !self.remembers(audio) {
            outlet.counters.dropped_source_limit += 1;
            return;
        }
        let Some(source) = self.audios.get_mut(&audio.packet.source) else { return };
        source.has_redundancy = true;
        let mut plain: [Option<PlainAudio<'_>>; MAX_STRIPPED] = [None; MAX_STRIPPED];
        let mut free = plain.iter_mut();
        let stripped = source.red.strip(&audio.described(), |packet| {
            if let Some(place) = free.next() {
                *place = Some(packet);
            }
        });
        if stripped.is_err() {
            outlet.counters.dropped_reception += 1;
            return;
        }
        for packet in plain.into_iter().flatten() {
            let PlainAudio { sequence_number, timestamp, payload_type, payload, .. } = packet;
            let marker = audio.values.marker && !packet.is_recovered;
            let values =
                PlainAudioKind { sequence_number, timestamp, marker, payload_type, ..audio.values };
            self.send_audio(now, &Audio { values, payload, ..*audio }, outlet);
        }
    }

    fn send_protected(&mut self, now: Timestamp, audio: &Audio<'_>, outlet: &mut Outlet<'_>) {
        let red = self.red;
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        let known = self.remembers(audio);
        outlet.counters.dropped_source_limit += u64::from(!known);
        let source = self.audios.get_mut(&audio.packet.source).filter(|_| known);
        let len =
            source.and_then(|source| source.red.protect(&audio.described(), &red, &mut buffer));
        let protected = len.and_then(|len| buffer.get(..len)).zip(self.payload_types.red);
        match protected {
            Some((payload, payload_type)) => {
                let values = PlainAudioKind { payload_type, ..audio.values };
                self.send_audio(now, &Audio { values, payload, ..*audio }, outlet);
            }
            None => self.send_audio(now, audio, outlet),
        }
    }

    fn send_audio(&mut self, now: Timestamp, audio: &Audio<'_>, outlet: &mut Outlet<'_>) {
        let Audio { packet, header, values, payload } = *audio;
        let payload_type = values.payload_type;
        if !self.payload_types.accepts(payload_type) {
            return;
        }
        let plain = Rewrite {
            ssrc: values.ssrc,
            sequence_number: values.sequence_number,
            timestamp: values.timestamp,
            marker: values.marker,
            payload: PayloadRewrite::None,
        };
        let (rewrite, mid) = match &mut self.rewriting {
            None => (plain, None),
            Some(rewriting) => {
                let Ok(mut parsed) = RtpHeader::parse(header) else { return };
                parsed.sequence_number = values.sequence_number;
                parsed.timestamp = values.timestamp;
                parsed.marker = values.marker;
                let choose = || self.ssrcs.next();
                match rewriting.rewrite_audio(Some(packet.source), &parsed, choose) {
                    Ok(rewritten) => (rewritten.rewrite, rewritten.mid),
                    Err(_) => return,
                }
            }
        };
        let slots = packet.slots;
        let departure =
            Departure { header, payload, slots, payload_type, rewrite, mid, descriptor: None };
        self.pacer.on_packet_bypassed(now, departure.size());
        if self.depart(now, &departure, outlet) {
            self.told.note_audio(now, departure.size());
            if let Some(source) = self.audios.get_mut(&packet.source) {
                source.sent.note(payload.len());
            } else if self.remembers(audio)
                && let Some(source) = self.audios.get_mut(&packet.source)
            {
                source.sent.note(payload.len());
            }
        }
    }

    /// Whether there is a place for what is remembered of the packet's source.
    fn remembers(&mut self, audio: &Audio<'_>) -> bool {
        let id = audio.packet.source;
        let known = self.audios.contains_key(&id);
        if !known && self.audios.len() < MAX_SOURCES {
            self.audios.insert(id, super::AudioSource::default());
            return true;
        }
        known
    }
}

/// An audio packet as it is about to be sent.
#[derive(Clone, Copy)]
struct Audio<'a> {
    packet: &'a PlainPacket,
    header: &'a [u8],
    values: PlainAudioKind,
    payload: &'a [u8],
}

impl<'a> Audio<'a> {
    fn described(&self) -> AudioPacket<'a> {
        AudioPacket {
            sequence_number: self.values.sequence_number,
            timestamp: self.values.timestamp,
            payload_type: self.values.payload_type,
            voice_activity: self.values.voice_activity,
            payload: self.payload,
        }
    }
}
