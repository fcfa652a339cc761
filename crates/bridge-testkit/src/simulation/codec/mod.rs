//! The payload formats of scripted senders, written here anew: what the bridge parses is not written
//! by the bridge's own code.

mod av1;
mod bits;
pub(crate) mod h264;
mod vp8;
mod vp9;

/// A video codec of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedCodec {
    /// With picture id, tl0picidx and three temporal layers.
    Vp8,
    /// In flexible mode: each picture tells what it refers to. With three temporal layers.
    Vp9,
    /// In non-flexible mode: the key picture tells a pattern. With three temporal layers.
    Vp9NonFlexible,
    /// With the dependency descriptor and three temporal layers.
    Av1,
    /// Without temporal layers; only NAL units tell what is what.
    H264,
}

/// How the layers of a source relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layering {
    /// Each resolution is an encoding with its own SSRC.
    Simulcast,
    /// Each resolution is a spatial layer of one SSRC and refers to the one below.
    Svc,
    /// As [`Self::Svc`], but refers to the one below in key pictures only.
    KeySvc,
}

/// One frame of one spatial layer, before it is cut into packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerFrame {
    pub(crate) codec: SimulatedCodec,
    pub(crate) layering: Layering,
    pub(crate) spatial: u8,
    /// How many spatial layers the encoding has now.
    pub(crate) spatial_layers: u8,
    pub(crate) temporal: u8,
    /// Its place in the pattern of four pictures.
    pub(crate) position: u8,
    /// Of a key picture.
    pub(crate) key: bool,
    pub(crate) picture_id: u16,
    pub(crate) tl0_picture_index: u8,
    pub(crate) frame_number: u16,
    /// Pixels of each spatial layer's smaller side.
    pub(crate) heights: [u16; MAX_SPATIAL],
}

/// The codec's own part of one packet.
pub(crate) struct PacketHead {
    pub(crate) payload: Vec<u8>,
    /// Data of the dependency descriptor extension.
    pub(crate) dependency_descriptor: Option<Vec<u8>>,
}

impl SimulatedCodec {
    /// The name in signalling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 | Self::Vp9NonFlexible => "VP9",
            Self::Av1 => "AV1",
            Self::H264 => "H264",
        }
    }

    /// The payload type of its media, as Jitsi clients number them.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Vp8 => 100,
            Self::Vp9 | Self::Vp9NonFlexible => 101,
            Self::Av1 => 41,
            Self::H264 => 107,
        }
    }

    /// The payload type of its retransmissions.
    pub const fn rtx_payload_type(self) -> u8 {
        match self {
            Self::Vp8 => 96,
            Self::Vp9 | Self::Vp9NonFlexible => 97,
            Self::Av1 => 42,
            Self::H264 => 99,
        }
    }

    /// The codec of a media payload type.
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.payload_type() == payload_type)
    }

    /// One for each payload type.
    pub const ALL: [Self; 4] = [Self::Vp8, Self::Vp9, Self::Av1, Self::H264];

    /// Temporal layer of each picture of the pattern.
    pub(crate) const fn temporal_pattern(self) -> [u8; 4] {
        match self {
            Self::H264 => [0; 4],
            _ => [0, 2, 1, 2],
        }
    }

    /// Which earlier picture each picture of the pattern refers to.
    pub(crate) const fn picture_distance(self, position: u8) -> u8 {
        match (self, position) {
            (Self::H264, _) => 1,
            (_, 0) => 4,
            (_, 2) => 2,
            _ => 1,
        }
    }
}

impl LayerFrame {
    /// What precedes the media data in packet `part` of `parts`.
    pub(crate) fn head(&self, part: u16, parts: u16) -> PacketHead {
        let plain = |payload| PacketHead { payload, dependency_descriptor: None };
        match self.codec {
            SimulatedCodec::Vp8 => plain(vp8::head(self, part)),
            SimulatedCodec::Vp9 | SimulatedCodec::Vp9NonFlexible => {
                plain(vp9::head(self, part, parts))
            }
            SimulatedCodec::H264 => plain(h264::head(self, part, parts)),
            SimulatedCodec::Av1 => PacketHead {
                payload: av1::payload_head(self, part, parts),
                dependency_descriptor: Some(av1::descriptor(self, part, parts)),
            },
        }
    }

    /// Whether it refers to the spatial layer below in its picture.
    pub(crate) fn is_inter_layer(&self) -> bool {
        self.spatial > 0 && (self.key || self.layering == Layering::Svc)
    }

    /// Whether the spatial layer above refers to it.
    pub(crate) fn is_upper_reference(&self) -> bool {
        self.spatial + 1 < self.spatial_layers && (self.key || self.layering == Layering::Svc)
    }

    /// The last frame of its picture.
    pub(crate) fn ends_picture(&self) -> bool {
        self.spatial + 1 == self.spatial_layers
    }

    /// How many frames back each reference is; 0 is none.
    pub(crate) fn references(&self) -> [u8; 3] {
        let inter_layer = u8::from(self.is_inter_layer());
        let inter_picture =
            self.codec.picture_distance(self.position) * self.spatial_layers * u8::from(!self.key);
        [inter_picture, inter_layer, 0]
    }
}

/// The most spatial layers or encodings of a source.
pub(crate) const MAX_SPATIAL: usize = 3;
