use crate::control::PayloadType;
use bridge_units::MediaType;

/// A session's negotiated payload types, by number.
pub(crate) struct PayloadTypes {
    kinds: [Option<PayloadKind>; 128],
    /// Some payload type negotiated transport-wide feedback.
    pub(crate) transport_cc: bool,
    /// The payload type of audio with redundancy.
    pub(crate) red: Option<u8>,
    /// Some payload type negotiated REMB.
    pub(crate) remb: bool,
    /// Some payload type takes PLI.
    pub(crate) pli: bool,
    /// Some payload type takes FIR.
    pub(crate) fir: bool,
}

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayloadKind {
    pub(crate) media: MediaType,
    pub(crate) rtx: bool,
    /// Hz, for jitter.
    pub(crate) clock_rate: u32,
}

impl PayloadTypes {
    pub(crate) fn new(list: &[PayloadType]) -> Self {
        let mut types = Self::default();
        for payload_type in list {
            if let Some(kind) = types.kinds.get_mut(usize::from(payload_type.number)) {
                *kind = Some(PayloadKind {
                    media: payload_type.media,
                    rtx: payload_type.name.eq_ignore_ascii_case("rtx"),
                    clock_rate: payload_type.clock_rate,
                });
            }
            if payload_type.media == MediaType::Audio
                && payload_type.name.eq_ignore_ascii_case("red")
            {
                types.red = Some(payload_type.number);
            }
            for feedback in &payload_type.feedback {
                match feedback.as_str() {
                    "transport-cc" => types.transport_cc = true,
                    "goog-remb" => types.remb = true,
                    "nack pli" => types.pli = true,
                    "ccm fir" => types.fir = true,
                    _ => {}
                }
            }
        }
        types
    }

    pub(crate) fn kind(&self, number: u8) -> Option<PayloadKind> {
        self.kinds.get(usize::from(number)).copied().flatten()
    }
}

impl Default for PayloadTypes {
    fn default() -> Self {
        Self {
            kinds: [None; 128],
            transport_cc: false,
            red: None,
            remb: false,
            pli: false,
            fir: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vp8(feedback: &[&str]) -> PayloadType {
        PayloadType {
            number: 100,
            name: "vp8".into(),
            clock_rate: 90_000,
            media: MediaType::Video,
            apt: None,
            feedback: feedback.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn feedback_of_any_payload_type_counts_for_the_session() {
        let types = PayloadTypes::new(&[vp8(&["nack", "nack pli", "transport-cc"])]);
        assert!(types.transport_cc && types.pli && !types.fir);
        assert_eq!(types.kind(100).map(|kind| kind.clock_rate), Some(90_000));
        assert_eq!(types.kind(101), None);
        assert_eq!(types.kind(200), None);
    }
}
