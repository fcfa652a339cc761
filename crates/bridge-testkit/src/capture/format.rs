//! The text form of a capture.

use std::fmt::Write;
use std::str::SplitAsciiWhitespace;
use std::time::Duration;

use bridge_rtp::rtcp::SenderInfo;

use super::{Capture, CapturedEncoding, CapturedPacket, CapturedReport};
use crate::simulation::SimulatedCodec;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not as the format says.
    #[error("line {0} is no line of a capture")]
    Line(usize),
    /// A line that has to be there is not.
    #[error("there is no {0}")]
    Missing(&'static str),
}

impl Capture {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`CaptureError`]: it is not of this form.
    pub fn parse(text: &str) -> Result<Self, CaptureError> {
        let mut capture = Self {
            sender: String::new(),
            codec: SimulatedCodec::Vp8,
            payload_types: (0, 0),
            extensions: Vec::new(),
            encodings: Vec::new(),
            packets: Vec::new(),
            reports: Vec::new(),
        };
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(CaptureError::Missing("title"));
        }
        for (number, line) in lines.enumerate() {
            capture.take(line).ok_or(CaptureError::Line(number + 2))?;
        }
        let missing = [
            (capture.payload_types == (0, 0), "codec"),
            (capture.encodings.is_empty(), "encoding"),
            (capture.packets.is_empty(), "packet"),
        ];
        match missing.into_iter().find(|(is_missing, _)| *is_missing) {
            Some((_, what)) => Err(CaptureError::Missing(what)),
            None => Ok(capture),
        }
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        let mut text = format!("{TITLE}\nsender {}\n", self.sender);
        let (media, rtx) = self.payload_types;
        put(&mut text, format_args!("codec {} {media} {rtx}\n", self.codec.name()));
        for (id, uri) in &self.extensions {
            put(&mut text, format_args!("extension {id} {uri}\n"));
        }
        for CapturedEncoding { ssrc, rtx_ssrc } in &self.encodings {
            put(&mut text, format_args!("encoding {ssrc} {rtx_ssrc}\n"));
        }
        for CapturedReport { at, encoding, info } in &self.reports {
            let SenderInfo { ntp_timestamp, rtp_timestamp, packet_count, octet_count, .. } = info;
            let at = at.as_micros();
            put(
                &mut text,
                format_args!(
                    "r {at} {encoding} {ntp_timestamp} {rtp_timestamp} {packet_count} {octet_count}\n"
                ),
            );
        }
        for packet in &self.packets {
            put_packet(&mut text, packet);
        }
        text
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("sender") => self.sender = line.split_once(' ')?.1.to_owned(),
            Some("codec") => {
                let name = words.next()?;
                self.codec = SimulatedCodec::ALL.into_iter().find(|codec| codec.name() == name)?;
                self.payload_types = (number(&mut words)?, number(&mut words)?);
            }
            Some("extension") => {
                self.extensions.push((number(&mut words)?, words.next()?.to_owned()));
            }
            Some("encoding") => {
                let (ssrc, rtx_ssrc) = (number(&mut words)?, number(&mut words)?);
                self.encodings.push(CapturedEncoding { ssrc, rtx_ssrc });
            }
            Some("r") => self.reports.push(self.read_report(&mut words)?),
            Some("p") => self.packets.push(self.read_packet(&mut words)?),
            None => {}
            Some(_) => return None,
        }
        Some(())
    }

    fn read_report(&self, words: &mut SplitAsciiWhitespace<'_>) -> Option<CapturedReport> {
        let at = Duration::from_micros(number(words)?);
        let encoding: usize = number(words)?;
        let info = SenderInfo {
            ssrc: self.encodings.get(encoding)?.ssrc,
            ntp_timestamp: number(words)?,
            rtp_timestamp: number(words)?,
            packet_count: number(words)?,
            octet_count: number(words)?,
        };
        Some(CapturedReport { at, encoding, info })
    }

    fn read_packet(&self, words: &mut SplitAsciiWhitespace<'_>) -> Option<CapturedPacket> {
        let packet = CapturedPacket {
            at: Duration::from_micros(number(words)?),
            encoding: number(words)?,
            sequence_number: number(words)?,
            timestamp: number(words)?,
            marker: match words.next()? {
                "m" => true,
                "-" => false,
                _ => return None,
            },
            payload_len: number(words)?,
            head: bytes(words.next()?)?,
            extensions: words
                .map(|word| {
                    let (id, data) = word.split_once('=')?;
                    Some((id.parse().ok()?, bytes(data)?))
                })
                .collect::<Option<_>>()?,
        };
        let is_whole = packet.payload_len >= packet.head.len() && packet.payload_len <= MAX_PAYLOAD;
        (is_whole && packet.encoding < self.encodings.len()).then_some(packet)
    }
}

fn put_packet(text: &mut String, packet: &CapturedPacket) {
    put(
        text,
        format_args!(
            "p {} {} {} {} {} {} {}",
            packet.at.as_micros(),
            packet.encoding,
            packet.sequence_number,
            packet.timestamp,
            if packet.marker { "m" } else { "-" },
            packet.payload_len,
            Hex(&packet.head),
        ),
    );
    for (id, data) in &packet.extensions {
        put(text, format_args!(" {id}={}", Hex(data)));
    }
    text.push('\n');
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _written = text.write_fmt(arguments);
}

fn number<T: std::str::FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

const TITLE: &str = "videobridge capture 1";

/// What fits into an Ethernet frame.
const MAX_PAYLOAD: usize = 1_500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let packet = CapturedPacket {
            at: Duration::from_micros(1_234_567),
            encoding: 1,
            sequence_number: 65_535,
            timestamp: u32::MAX,
            marker: true,
            payload_len: 900,
            head: vec![0x90, 0x0f],
            extensions: vec![(11, vec![0xc0, 1, 2])],
        };
        let info = SenderInfo {
            ssrc: 3,
            ntp_timestamp: u64::MAX,
            rtp_timestamp: 7,
            packet_count: 8,
            octet_count: 9,
        };
        let capture = Capture {
            sender: "A browser 1.2".to_owned(),
            codec: SimulatedCodec::Av1,
            payload_types: (41, 42),
            extensions: vec![(11, "urn:x".to_owned())],
            encodings: vec![
                CapturedEncoding { ssrc: 1, rtx_ssrc: 2 },
                CapturedEncoding { ssrc: 3, rtx_ssrc: 4 },
            ],
            packets: vec![packet],
            reports: vec![CapturedReport { at: Duration::from_secs(1), encoding: 1, info }],
        };
        let text = capture.to_text();
        assert_eq!(Capture::parse(&text).unwrap(), capture);
        for (good, bad) in [(" m ", " x "), ("p 1234567 1", "p 1234567 2"), (" 900 ", " 1 ")] {
            assert!(matches!(Capture::parse(&text.replace(good, bad)), Err(CaptureError::Line(_))));
        }
        assert!(matches!(Capture::parse("videobridge"), Err(CaptureError::Missing("title"))));
    }
}
