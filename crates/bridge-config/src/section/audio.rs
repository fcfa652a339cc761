use std::time::Duration;

use crate::reader::Check;
use crate::section::checks::AT_LEAST_ONE;

section! {
    /// Redundant audio and silence.
    AudioConfig {
        /// Redundancy (RFC 2198).
        red: RedConfig = "red",
        /// Silence.
        level: AudioLevelConfig = "level",
    }
}

section! {
    /// Redundant audio (RFC 2198).
    RedConfig {
        /// What is done with it.
        policy: RedPolicy = "policy",
        /// How many earlier packets go along.
        distance: RedDistance = "distance",
        /// Whether only packets with speech are protected.
        vad_only: bool = "vad-only",
    }
}

section! {
    /// What happens to silent packets.
    AudioLevelConfig {
        /// So many are forwarded until discarding starts.
        forwarded_silence_packets_limit: u32 = "forwarded-silence-packets-limit",
        /// Whether they are discarded.
        discard_silence: bool = "discard-silence",
    }
}

section! {
    /// Forwarding of the loudest speakers only.
    LoudestConfig {
        /// Whether it is done.
        route_loudest_only: bool = "route-loudest-only",
        /// How many.
        num_loudest: u32 = "num-loudest" where AT_LEAST_ONE,
        /// Whether the dominant speaker is always among them.
        always_route_dominant: bool = "always-route-dominant",
        /// After so long without a packet a speaker is not loud any more.
        energy_expire_time: Duration = "energy-expire-time",
        /// Weight of a new packet, in percent.
        energy_alpha_pct: u32 = "energy-alpha-pct" where PERCENT,
    }
}

section! {
    /// Who speaks.
    SpeechActivityConfig {
        /// How many recent speakers are announced.
        recent_speakers_count: u32 = "recent-speakers-count" where AT_LEAST_ONE,
        /// Whether it is announced that nobody speaks.
        enable_silence_detection: bool = "enable-silence-detection",
        /// After how long.
        silence_detection_timeout: Duration = "silence-detection-timeout",
    }
}

named_values! {
    /// What is done with redundant audio.
    RedPolicy, expected "NOOP, STRIP or PROTECT_ALL" {
        /// Nothing.
        Noop = "NOOP",
        /// It is removed.
        Strip = "STRIP",
        /// It is added.
        ProtectAll = "PROTECT_ALL",
    }
}

named_values! {
    /// How many earlier packets a redundant packet carries.
    RedDistance, expected "ONE or TWO" {
        /// One.
        One = "ONE",
        /// Two.
        Two = "TWO",
    }
}

const PERCENT: Check<u32> =
    Check { expected: "a whole number from 0 to 100", holds: |&percent| percent <= 100 };
