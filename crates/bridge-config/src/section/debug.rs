use std::path::PathBuf;

use crate::error::ConfigError;
use crate::reader::{FromConfig, Reader};
use crate::section::checks::FRACTION;

section! {
    /// Captures and losses made on purpose.
    DebugConfig {
        /// Captures of decrypted packets.
        pcap: PcapConfig = "pcap",
        /// Losses of received packets.
        incoming_loss: PacketLossConfig = "packet-loss.incoming",
        /// Losses of sent packets.
        outgoing_loss: PacketLossConfig = "packet-loss.outgoing",
        /// `packet-timeline.enabled`: without a meaning here.
        packet_timeline_enabled: bool = "packet-timeline.enabled",
        /// `packet-timeline.log-fraction`: without a meaning here.
        packet_timeline_log_fraction: u32 = "packet-timeline.log-fraction",
        /// `payload-verification.enabled`: without a meaning here.
        payload_verification_enabled: bool = "payload-verification.enabled",
    }
}

section! {
    /// Captures of decrypted packets.
    PcapConfig {
        /// Whether they can be started.
        enabled: bool = "enabled",
        /// Whether each endpoint is captured from its start.
        start_enabled: bool = "start-enabled",
        /// Where they go.
        directory: PathBuf = "directory",
    }
}

section! {
    /// Losses made on purpose.
    PacketLossConfig {
        /// Probability for each packet.
        uniform_rate: f64 = "uniform-rate" where FRACTION,
        /// Packets that are lost in a row.
        burst_size: u32 = "burst-size",
        /// Packets from one burst to the next.
        burst_interval: u32 = "burst-interval",
    }
}

section! {
    /// OpenTelemetry.
    TracingConfig {
        /// Whether spans are exported.
        enabled: bool = "enabled",
        /// The name of the service in them.
        service_name: String = "service-name",
    }
}

impl FromConfig for PathBuf {
    fn read(reader: &Reader<'_>, path: &str) -> Result<Self, ConfigError> {
        reader.read::<String>(path).map(Self::from)
    }
}
