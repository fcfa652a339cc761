//! The bridge's end of one browser's transport, without sockets and clocks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge_dtls::{Fingerprint, FingerprintHash, Setup};
use bridge_rtp::rtcp::MAX_REPORT_BLOCKS;
use bridge_rtp::{
    PacketKind, RtcpCompound, RtcpPacket, RtcpWriter, RtpHeader, transport_cc_sequence,
};
use bridge_signaling::colibri2::{
    Endpoint, Media, MediaKind, MediaSource, Parameter, PayloadType, Sctp, SsrcGroupSemantics,
    Transport,
};
use bridge_signaling::ice_udp::{
    Candidate, CandidateType, DtlsFingerprint, DtlsSetup, IceUdpTransport,
};
use bridge_transport::{
    LocalIce, PeerTransport, RemoteTransport, TransportEvent, TransportSettings,
};
use bridge_units::Timestamp;

use super::payload::head_len;
use super::{Capture, CapturedEncoding, CapturedPacket, CapturedReport};
use crate::simulation::SimulatedCodec;
use crate::simulation::{CERTIFICATE, CONTEXT, FeedbackSender, ReceptionReports};

/// Receives what one browser sends, and tells it what a receiver with a good link tells.
pub(super) struct Session {
    address: SocketAddr,
    local: LocalIce,
    transport: PeerTransport,
    connected: bool,
    departures: Vec<(SocketAddr, Vec<u8>)>,
    feedback: FeedbackSender,
    next_feedback: Timestamp,
    reports: ReceptionReports,
    next_report: Timestamp,
    extensions: Vec<(u8, String)>,
    payload_types: BTreeMap<u8, (SimulatedCodec, u8)>,
    encodings: Vec<CapturedEncoding>,
    recording: Option<Recording>,
    unopened: u64,
}

/// What came since the recording began.
struct Recording {
    begin: Timestamp,
    capture: Capture,
}

impl Session {
    pub(super) fn new(now: Timestamp, address: SocketAddr) -> Self {
        let local = LocalIce {
            ufrag: "recorder".to_owned(),
            password: "password-of-the-recorder".to_owned(),
            controlling: true,
        };
        let settings = TransportSettings {
            context: CONTEXT.clone(),
            local: local.clone(),
            local_addresses: [address].into(),
            certificate: Arc::clone(&CERTIFICATE),
            sctp: true,
        };
        Self {
            address,
            local,
            transport: PeerTransport::new(now, settings),
            connected: false,
            departures: Vec::new(),
            feedback: FeedbackSender::default(),
            next_feedback: now,
            reports: ReceptionReports::default(),
            next_report: now,
            extensions: Vec::new(),
            payload_types: BTreeMap::new(),
            encodings: Vec::new(),
            recording: None,
            unopened: 0,
        }
    }

    /// What the focus said of the browser: its media, its transport, its sources.
    pub(super) fn handle_request(&mut self, now: Timestamp, endpoint: &Endpoint) {
        let is_video = |media: &&Media| media.kind == MediaKind::Video;
        if let Some(media) = endpoint.medias.iter().find(is_video) {
            self.take_media(media);
        }
        if let Some(ice) = endpoint.transport.as_ref().and_then(|t| t.ice.as_ref()) {
            let fingerprints = ice.fingerprints.iter();
            let setup = ice.fingerprints.first().and_then(|fingerprint| fingerprint.setup);
            let remote = RemoteTransport {
                credentials: ice.ufrag.clone().zip(ice.pwd.clone()),
                candidates: Vec::new(),
                fingerprints: fingerprints
                    .filter_map(|f| Fingerprint::parse(&f.hash, &f.fingerprint).ok())
                    .collect(),
                setup: setup.map(|setup| match setup {
                    DtlsSetup::Passive => Setup::Passive,
                    _ => Setup::Active,
                }),
            };
            self.transport.set_remote(now, &remote);
        }
        let sources = endpoint.sources.iter().flat_map(|sources| &sources.media_sources);
        if let Some(video) = sources.into_iter().find(|source| source.kind == MediaKind::Video) {
            self.encodings = encodings(video);
        }
    }

    /// Where the browser finds us.
    pub(super) fn transport_description(&self) -> Transport {
        let fingerprint = CERTIFICATE.fingerprint(FingerprintHash::Sha256);
        let fingerprint = DtlsFingerprint {
            hash: "sha-256".into(),
            fingerprint: fingerprint.to_string(),
            setup: Some(DtlsSetup::Actpass),
            cryptex: false,
        };
        let candidate = Candidate {
            component: 1,
            foundation: "1".to_owned(),
            generation: 0,
            id: None,
            ip: self.address.ip().to_string(),
            network: 0,
            port: self.address.port(),
            priority: CANDIDATE_PRIORITY,
            protocol: "udp".to_owned(),
            kind: CandidateType::Host,
            rel_addr: None,
            rel_port: None,
            tcptype: None,
        };
        let ice = IceUdpTransport {
            ufrag: Some(self.local.ufrag.clone()),
            pwd: Some(self.local.password.clone()),
            rtcp_mux: true,
            fingerprints: vec![fingerprint],
            candidates: vec![candidate],
            ..IceUdpTransport::default()
        };
        let sctp = Sctp { role: None, port: Some(SCTP_PORT) };
        Transport { ice: Some(ice), sctp: Some(sctp), ..Transport::default() }
    }

    pub(super) fn handle_datagram(&mut self, now: Timestamp, from: SocketAddr, data: &[u8]) {
        // What does not authenticate is dropped; the handshake shows if it matters.
        match PacketKind::classify(data) {
            PacketKind::Stun => {
                let _dropped = self.transport.handle_stun(now, self.address, from, data);
            }
            PacketKind::Dtls => {
                let _dropped = self.transport.handle_dtls(now, from, data);
            }
            PacketKind::Rtp => self.handle_rtp(now, data.to_vec()),
            PacketKind::Rtcp => self.handle_rtcp(now, data.to_vec()),
            PacketKind::Other => {}
        }
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Timestamp) {
        if self.transport.poll_timeout() <= now {
            self.transport.handle_timeout(now);
        }
        while let Some(event) = self.transport.poll_event() {
            self.connected |= matches!(event, TransportEvent::DtlsConnected { .. });
        }
        if self.connected {
            self.send_reports(now);
        }
        let mut buffer = [0; bridge_transport::MIN_BUFFER_LEN];
        while let Some(transmit) = self.transport.poll_transmit(&mut buffer) {
            self.departures.push((transmit.remote, buffer[..transmit.len].to_vec()));
        }
    }

    pub(super) fn poll_timeout(&mut self) -> Timestamp {
        let reports = self.next_feedback.min(self.next_report);
        let reports = if self.connected { reports } else { Timestamp::FAR_FUTURE };
        self.transport.poll_timeout().min(reports)
    }

    pub(super) fn take_departures(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.departures)
    }

    /// Asks for a key frame of each encoding.
    pub(super) fn request_key_frames(&mut self) {
        for encoding in self.encodings.clone() {
            self.send_rtcp(|writer| {
                let _full = writer.picture_loss_indication(OWN_SSRC, encoding.ssrc);
            });
        }
    }

    /// From now on packets are kept.
    pub(super) fn begin(&mut self, now: Timestamp, sender: &str, codec: SimulatedCodec) {
        let rtx = self.payload_types.iter().find(|(_, (of, _))| *of == codec);
        let payload_types = rtx.map_or((0, 0), |(media, (_, rtx))| (*media, *rtx));
        let capture = Capture {
            sender: sender.to_owned(),
            codec,
            payload_types,
            extensions: self.extensions.clone(),
            encodings: self.encodings.clone(),
            packets: Vec::new(),
            reports: Vec::new(),
        };
        self.recording = Some(Recording { begin: now, capture });
    }

    /// What was kept.
    pub(super) fn end(&mut self) -> Option<Capture> {
        self.recording.take().map(|recording| recording.capture)
    }

    /// Packets that did not authenticate.
    pub(super) fn unopened(&self) -> u64 {
        self.unopened
    }

    fn take_media(&mut self, media: &Media) {
        let extensions = media.header_extensions.iter();
        self.extensions = extensions.map(|e| (e.id, e.uri.clone())).collect();
        for codec in SimulatedCodec::ALL {
            let types = || media.payload_types.iter();
            let Some(own) = types().find(|t| t.name.eq_ignore_ascii_case(codec.name())) else {
                continue;
            };
            let apt = own.id.to_string();
            let repairs = |t: &&PayloadType| {
                let is_own = |p: &Parameter| p.name.as_deref() == Some("apt") && p.value == apt;
                t.parameters.iter().any(is_own)
            };
            let rtx = types().find(repairs).map_or(0, |rtx| rtx.id);
            self.payload_types.entry(own.id).or_insert((codec, rtx));
        }
    }

    fn handle_rtp(&mut self, now: Timestamp, mut datagram: Vec<u8>) {
        let Ok(header) = RtpHeader::parse(&datagram) else { return };
        let Some(srtp) = self.transport.srtp() else { return };
        match srtp.receiver.open_rtp(&mut datagram, header.header_len()) {
            Ok(len) => datagram.truncate(len),
            Err(_) => return self.unopened += 1,
        }
        self.reports.note_packet(&header);
        let transport_cc = self.extension_id(TRANSPORT_CC_URI);
        let number = transport_cc.and_then(|id| header.extension_data(&datagram, id));
        if let Some(number) = number.and_then(transport_cc_sequence) {
            self.feedback.note(now, number, header.ssrc);
        }
        let of_transport = [transport_cc, self.extension_id(SEND_TIME_URI)];
        let Some(recording) = &mut self.recording else { return };
        let encodings = &recording.capture.encodings;
        let Some(encoding) = encodings.iter().position(|e| e.ssrc == header.ssrc) else { return };
        let payload = header.payload(&datagram);
        let extensions = header.extensions(&datagram);
        let extensions = extensions.filter(|element| !of_transport.contains(&Some(element.id)));
        let head = payload.get(..head_len(recording.capture.codec, payload)).unwrap_or_default();
        recording.capture.packets.push(CapturedPacket {
            at: now.since(recording.begin),
            encoding,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_len: payload.len(),
            head: head.to_vec(),
            extensions: extensions
                .filter_map(|e| Some((e.id, e.data(&datagram)?.to_vec())))
                .collect(),
        });
    }

    fn handle_rtcp(&mut self, now: Timestamp, mut datagram: Vec<u8>) {
        let Some(srtp) = self.transport.srtp() else { return };
        let Ok(len) = srtp.receiver.open_rtcp(&mut datagram) else { return };
        datagram.truncate(len);
        let Ok(compound) = RtcpCompound::parse(&datagram) else { return };
        for (packet, _) in compound.packets() {
            let RtcpPacket::SenderReport(report) = packet else { continue };
            self.reports.note_sender_report(now, &report.info);
            let Some(recording) = &mut self.recording else { continue };
            let encodings = &recording.capture.encodings;
            let Some(encoding) = encodings.iter().position(|e| e.ssrc == report.info.ssrc) else {
                continue;
            };
            let at = now.since(recording.begin);
            recording.capture.reports.push(CapturedReport { at, encoding, info: report.info });
        }
    }

    fn send_reports(&mut self, now: Timestamp) {
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK_INTERVAL;
            if self.feedback.has_news() {
                let mut feedback = std::mem::take(&mut self.feedback);
                self.send_rtcp(|writer| feedback.write(OWN_SSRC, writer));
                self.feedback = feedback;
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            let blocks = self.reports.blocks(now);
            for blocks in blocks.chunks(MAX_REPORT_BLOCKS) {
                self.send_rtcp(|writer| {
                    let _full = writer.receiver_report(OWN_SSRC, blocks);
                });
            }
        }
    }

    fn send_rtcp(&mut self, write: impl FnOnce(&mut RtcpWriter<'_>)) {
        let mut buffer = [0; MAX_RTCP_BYTES];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer);
        if writer.is_empty() {
            return;
        }
        let bytes = writer.as_bytes().to_vec();
        let Some((_, remote)) = self.transport.selected() else { return };
        let Some(srtp) = self.transport.srtp() else { return };
        let mut sealed = vec![0; bytes.len() + SRTP_ROOM];
        if let Ok(len) = srtp.sender.seal_rtcp(&bytes, &mut sealed) {
            sealed.truncate(len);
            self.departures.push((remote, sealed));
        }
    }

    fn extension_id(&self, uri: &str) -> Option<u8> {
        self.extensions.iter().find(|(_, of)| of == uri).map(|(id, _)| *id)
    }
}

/// In the order of a simulcast group; without one there is one encoding.
fn encodings(source: &MediaSource) -> Vec<CapturedEncoding> {
    let groups = |semantics: SsrcGroupSemantics| {
        source.ssrc_groups.iter().filter(move |group| group.semantics == semantics)
    };
    let repairs = |ssrc: u32| {
        let pair = groups(SsrcGroupSemantics::Fid).find(|group| group.ssrcs.first() == Some(&ssrc));
        pair.and_then(|group| group.ssrcs.get(1)).copied().unwrap_or(0)
    };
    let simulcast = groups(SsrcGroupSemantics::Simulcast).next();
    let first = source.sources.first().map(|source| vec![source.ssrc]);
    let ssrcs = simulcast.map(|group| group.ssrcs.clone()).or(first).unwrap_or_default();
    ssrcs.into_iter().map(|ssrc| CapturedEncoding { ssrc, rtx_ssrc: repairs(ssrc) }).collect()
}

const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const SEND_TIME_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";

/// Of the recorder's reports.
const OWN_SSRC: u32 = 1;

const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const CANDIDATE_PRIORITY: u32 = 2_130_706_431;
const SCTP_PORT: u16 = 5_000;
const MAX_RTCP_BYTES: usize = 1_300;
/// Tag and index.
const SRTP_ROOM: usize = 64;
