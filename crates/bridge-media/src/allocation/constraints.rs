use std::fmt;

/// The most that a receiver wants of a source (JVB: `VideoConstraints`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoConstraints {
    /// Pixels of the smaller side.
    pub max_height: MaxHeight,
    /// Frames per second, negative for no limit. Zero disables the source; no other value has an
    /// effect, as in JVB.
    pub max_frame_rate: f64,
}

/// A limit of pixels of the smaller side. Ordered: no limit is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaxHeight(u32);

impl VideoConstraints {
    /// Nothing at all.
    pub const NOTHING: Self = Self::from_max_height(MaxHeight::ZERO);

    /// A height without a limit on the frame rate.
    pub const fn from_max_height(max_height: MaxHeight) -> Self {
        Self { max_height, max_frame_rate: UNLIMITED_FRAME_RATE }
    }

    /// From the numbers of the bridge channel, where negative ones are no limit.
    pub fn from_signaled(max_height: i32, max_frame_rate: f64) -> Self {
        Self { max_height: MaxHeight::from_signaled(max_height), max_frame_rate }
    }

    /// Whether they say "do not send".
    pub fn is_disabled(&self) -> bool {
        self.max_height == MaxHeight::ZERO || self.max_frame_rate == 0.0
    }
}

impl MaxHeight {
    /// Nothing at all.
    pub const ZERO: Self = Self(0);
    /// No limit.
    pub const UNLIMITED: Self = Self(u32::MAX);

    /// A limit of so many pixels.
    pub const fn from_pixels(pixels: u32) -> Self {
        Self(pixels)
    }

    /// From the number of the bridge channel, where a negative one is no limit.
    pub fn from_signaled(value: i32) -> Self {
        u32::try_from(value).map_or(Self::UNLIMITED, Self)
    }

    /// As the bridge channel has it: -1 for no limit.
    pub fn to_signaled(self) -> i32 {
        if self == Self::UNLIMITED { -1 } else { i32::try_from(self.0).unwrap_or(i32::MAX) }
    }

    /// Whether a layer is within; one of unknown height always is, unless nothing is.
    pub(super) fn admits(self, height: i32) -> bool {
        u32::try_from(height).map_or(self != Self::ZERO, |height| height <= self.0)
    }
}

impl fmt::Display for MaxHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_signaled().fmt(f)
    }
}

const UNLIMITED_FRAME_RATE: f64 = -1.0;
