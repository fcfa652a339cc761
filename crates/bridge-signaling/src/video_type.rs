use std::fmt;

/// What a video source shows. JVB's `VideoType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VideoType {
    /// A camera.
    #[default]
    Camera,
    /// A shared screen with few frames and many pixels.
    Desktop,
    /// A shared screen with motion.
    DesktopHighFps,
    /// No video: the source is switched off.
    Disabled,
    /// No video: the source is muted.
    None,
}

impl VideoType {
    /// Reads the name in any case; `None` for another one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_upper().eq_ignore_ascii_case(name))
    }

    /// The name as the bridge channel carries it: `DESKTOP_HIGH_FPS`.
    pub const fn as_upper(self) -> &'static str {
        match self {
            Self::Camera => "CAMERA",
            Self::Desktop => "DESKTOP",
            Self::DesktopHighFps => "DESKTOP_HIGH_FPS",
            Self::Disabled => "DISABLED",
            Self::None => "NONE",
        }
    }

    /// The name as signalling carries it: `desktop_high_fps`.
    pub const fn as_lower(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Desktop => "desktop",
            Self::DesktopHighFps => "desktop_high_fps",
            Self::Disabled => "disabled",
            Self::None => "none",
        }
    }

    /// Whether a source of this type sends pictures.
    pub const fn is_enabled(self) -> bool {
        !matches!(self, Self::Disabled | Self::None)
    }

    const ALL: [Self; 5] =
        [Self::Camera, Self::Desktop, Self::DesktopHighFps, Self::Disabled, Self::None];
}

impl fmt::Display for VideoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_lower())
    }
}
