//! The receiving side of one endpoint: its transport, and what it gets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bridge_io::UdpSocket as BatchSocket;
use bridge_rtp::rtcp::MAX_COMPOUND_LEN;
use bridge_rtp::{PacketKind, RtcpCompound, RtcpPacket};
use bridge_srtp::{KeyingMaterial, SrtpSender};
use bridge_transport::{MIN_BUFFER_LEN, PeerTransport, TransportEvent};
use bridge_units::Timestamp;

use crate::bridge_channel::VideoWish;
use crate::command::{SenderCommand, SendingEndpoint, SendingPath};
use crate::destination::Destination;
use crate::incoming_media::{Compounds, IncomingMedia, Tally};
use crate::reception::Wrong;
use crate::scenario::{EndpointPlan, Speakers};

/// One endpoint.
pub(crate) struct Endpoint {
    pub(crate) plan: EndpointPlan,
    pub(crate) input: BatchSocket,
    /// Until when the thread's timers have an entry.
    pub(crate) scheduled: Timestamp,
    pub(crate) state: State,
    output: Arc<UdpSocket>,
    local: SocketAddr,
    destination: Destination,
    transport: PeerTransport,
    requested: Timestamp,
    media: IncomingMedia,
    channel: Channel,
    /// When a consent check was answered for the last time.
    consent: Timestamp,
}

/// How far the bridge channel has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    None,
    Opening(VideoWish),
    Open,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting,
    Connected,
    Failed,
}

/// What an endpoint is made of.
pub(crate) struct EndpointParts {
    pub(crate) plan: EndpointPlan,
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    pub(crate) destination: Destination,
    pub(crate) transport: PeerTransport,
    /// When the bridge was asked for it.
    pub(crate) requested: Timestamp,
    /// Whose sound is never silence.
    pub(crate) speakers: Speakers,
    /// Those that the bridge announced for itself.
    pub(crate) bridge_ssrcs: Vec<u32>,
    /// What is said on the bridge channel, if there is one.
    pub(crate) wish: Option<VideoWish>,
}

/// The books of the thread that an endpoint runs on.
pub(crate) struct Books {
    pub(crate) tally: Tally,
    pub(crate) to_sender: SyncSender<SenderCommand>,
}

impl Endpoint {
    pub(crate) fn new(now: Timestamp, parts: EndpointParts) -> std::io::Result<Self> {
        let EndpointParts { plan, speakers, bridge_ssrcs, requested, .. } = parts;
        Ok(Self {
            media: IncomingMedia::new(now, &plan, speakers, bridge_ssrcs, requested),
            channel: parts.wish.map_or(Channel::None, Channel::Opening),
            plan,
            input: BatchSocket::plain(parts.socket.try_clone()?)?,
            scheduled: Timestamp::FAR_FUTURE,
            state: State::Connecting,
            output: Arc::new(parts.socket),
            local: parts.local,
            destination: parts.destination,
            transport: parts.transport,
            requested,
            consent: now,
        })
    }

    /// Takes a datagram; whether something is to be sent or timers have moved, so that it has to be
    /// polled.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        datagram: &mut [u8],
        books: &mut Books,
    ) -> bool {
        match PacketKind::classify(datagram) {
            PacketKind::Rtp => return self.handle_rtp(now, datagram, books),
            PacketKind::Rtcp => self.handle_rtcp(now, datagram, books),
            PacketKind::Stun => {
                // A refused one is the transport's matter, not media.
                let _ = self.transport.handle_stun(now, self.local, from, datagram);
                return true;
            }
            PacketKind::Dtls => {
                let _ = self.transport.handle_dtls(now, from, datagram);
                return true;
            }
            _ => books.tally.counts.wrong.count(Wrong::Malformed),
        }
        false
    }

    /// Does what has become due.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp, books: &mut Books) {
        if self.transport.poll_timeout() <= now {
            self.transport.handle_timeout(now);
        }
        if self.state == State::Connected && self.media.poll_timeout() <= now {
            let mut compounds = Compounds::new();
            self.media.handle_timeout(now, &mut books.tally.counts, &mut compounds);
            self.send_rtcp(compounds, books);
        }
    }

    /// Hands out what the transport has.
    pub(crate) fn advance(&mut self, now: Timestamp, books: &mut Books) {
        let mut buffer = [0; MIN_BUFFER_LEN];
        loop {
            while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
                let datagram = buffer.get(..transmit.len).unwrap_or_default();
                if self.destination.is_allowed(transmit.remote.ip()) {
                    // What the kernel does not take is repeated by whoever waits for an answer.
                    let _ = self.output.send_to(datagram, transmit.remote);
                }
            }
            let Some(event) = self.transport.poll_event() else { return };
            match event {
                TransportEvent::DtlsConnected { .. } => self.connected(now, books),
                TransportEvent::Consent => self.consent = now,
                TransportEvent::ChannelOpened => self.say_wish(now),
                TransportEvent::Message(_) => books.tally.counts.messages += 1,
                TransportEvent::IceFailed | TransportEvent::DtlsFailed(_) => self.fail(books),
                _ => {}
            }
        }
    }

    /// When to be called next.
    pub(crate) fn deadline(&mut self) -> Timestamp {
        let media = match self.state {
            State::Connected => self.media.poll_timeout(),
            _ => Timestamp::FAR_FUTURE,
        };
        self.transport.poll_timeout().min(media)
    }

    /// Tells the bridge that it leaves.
    pub(crate) fn close(&mut self, now: Timestamp, books: &mut Books) {
        self.transport.close(now);
        self.advance(now, books);
    }

    /// Whether it is connected and got no media.
    pub(crate) fn is_silent(&self) -> bool {
        self.state == State::Connected && self.media.is_empty()
    }

    /// Whether it is connected, hears somebody and sees nobody.
    pub(crate) fn lacks_video(&self) -> bool {
        !self.media.is_empty() && !self.media.has_video()
    }

    /// Whether it was connected and has no path to the bridge any more.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.state == State::Connected && self.transport.selected().is_none()
    }

    /// How long the bridge has not answered a consent check; zero while it connects.
    pub(crate) fn since_consent(&self, now: Timestamp) -> Duration {
        match self.state {
            State::Connected => now.since(self.consent),
            _ => Duration::ZERO,
        }
    }

    /// Whether it may ask for video on a channel, but cannot yet.
    pub(crate) fn lacks_channel(&self) -> bool {
        matches!(self.channel, Channel::Opening(_))
    }

    fn connected(&mut self, now: Timestamp, books: &mut Books) {
        self.state = State::Connected;
        self.consent = now;
        books.tally.durations.join.record(now.since(self.requested));
        let Some((_, remote)) = self.transport.selected() else { return };
        if self.plan.streams.is_empty() {
            return;
        }
        let Some(contexts) = self.transport.srtp() else { return };
        // RTP and RTCP of one endpoint are sealed by one context, on the thread that sends.
        let unused = unused_sender(contexts.sender.profile());
        let srtp = std::mem::replace(&mut contexts.sender, unused);
        let sending = SendingEndpoint {
            number: self.plan.number,
            path: SendingPath::Thin {
                socket: Arc::clone(&self.output),
                remote,
                srtp: Box::new(srtp),
            },
            streams: self.plan.streams.clone(),
        };
        // Fails only when the run ends.
        let _ = books.to_sender.send(SenderCommand::Add(Box::new(sending)));
    }

    fn fail(&mut self, books: &mut Books) {
        if self.state == State::Connecting {
            self.state = State::Failed;
            books.tally.counts.wrong.count(Wrong::NotConnected);
        }
    }

    fn say_wish(&mut self, now: Timestamp) {
        if let Channel::Opening(wish) = self.channel
            && self.transport.send_message(now, &wish.message())
        {
            self.channel = Channel::Open;
        }
    }

    fn handle_rtp(&mut self, now: Timestamp, packet: &mut [u8], books: &mut Books) -> bool {
        let Some(srtp) = self.transport.srtp() else { return false };
        let mut rtcp = Compounds::new();
        let moved =
            self.media.handle_packet(now, packet, &mut srtp.receiver, &mut books.tally, &mut rtcp);
        self.send_rtcp(rtcp, books);
        moved
    }

    /// Requests for key frames are for the thread that sends; all else is the bridge's report.
    fn handle_rtcp(&mut self, now: Timestamp, packet: &mut [u8], books: &mut Books) {
        let Some(srtp) = self.transport.srtp() else { return };
        let Ok(len) = srtp.receiver.open_rtcp(packet) else {
            books.tally.counts.wrong.count(Wrong::Unauthenticated);
            return;
        };
        let Ok(compound) = RtcpCompound::parse(packet.get(..len).unwrap_or_default()) else {
            books.tally.counts.wrong.count(Wrong::Malformed);
            return;
        };
        for (packet, _) in compound.packets() {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    self.media.handle_sender_report(now, &report.info);
                }
                RtcpPacket::Nack(nack) => {
                    let sequences = nack.sequence_numbers().take(MAX_SENT_AGAIN).collect();
                    let again = SenderCommand::Nack { ssrc: nack.media_ssrc, sequences };
                    // Whoever misses them is without them then.
                    let _ = books.to_sender.try_send(again);
                }
                RtcpPacket::PictureLossIndication(pli) => want_key_frame(pli.media_ssrc, books),
                RtcpPacket::FullIntraRequest(fir) => {
                    fir.entries().for_each(|entry| want_key_frame(entry.ssrc, books));
                }
                _ => {}
            }
        }
    }

    fn send_rtcp(&mut self, compounds: Compounds, books: &Books) {
        if compounds.is_empty() {
            return;
        }
        let Some((_, remote)) = self.transport.selected() else { return };
        for compound in compounds {
            if !self.plan.streams.is_empty() {
                let endpoint = self.plan.number;
                // A report that finds no room is as good as lost on the way.
                let _ = books.to_sender.try_send(SenderCommand::Rtcp { endpoint, compound });
                continue;
            }
            let mut sealed = [0; MAX_SEALED_LEN];
            let Some(srtp) = self.transport.srtp() else { return };
            if let Ok(len) = srtp.sender.seal_rtcp(&compound, &mut sealed)
                && self.destination.is_allowed(remote.ip())
            {
                let _ = self.output.send_to(sealed.get(..len).unwrap_or_default(), remote);
            }
        }
    }
}

fn want_key_frame(ssrc: u32, books: &Books) {
    // Whoever waits for the key frame asks again.
    let _ = books.to_sender.try_send(SenderCommand::KeyFrame(ssrc));
}

/// Takes the place of a context that was given away; nothing is ever sealed with it.
fn unused_sender(profile: bridge_srtp::Profile) -> SrtpSender {
    let zeros = vec![0; profile.exporter_len()];
    let keying = KeyingMaterial::from_exporter(profile, &zeros, bridge_srtp::DtlsRole::Client);
    SrtpSender::new(&keying.expect("the length is the profile's"))
}

/// Packets that are sent again for one request.
const MAX_SENT_AGAIN: usize = 512;
const MAX_SEALED_LEN: usize = MAX_COMPOUND_LEN + bridge_srtp::MAX_RTCP_OVERHEAD;
