//! The typed parts of the configuration, a file for each subject.

/// Defines a struct whose fields are read from keys below the path of the struct itself, and
/// checked where a [`Check`](crate::reader::Check) is named.
macro_rules! section {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $key:literal $(where $check:path)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::reader::FromConfig for $name {
            fn read(
                reader: &$crate::reader::Reader<'_>,
                prefix: &str,
            ) -> Result<Self, $crate::ConfigError> {
                Ok(Self {
                    $($field: {
                        let path = $crate::reader::join(prefix, $key);
                        let value = reader.read::<$type>(&path)?;
                        $(reader.check(&path, &value, &$check)?;)?
                        value
                    },)*
                })
            }
        }
    };
}

/// Defines an enum whose variants are written in the configuration with exactly these names.
macro_rules! named_values {
    (
        $(#[$meta:meta])* $name:ident, expected $expected:literal {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            /// The name as it is written in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl $crate::value::FromValue for $name {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &hocon::HoconValue) -> Option<Self> {
                match $crate::value::text(value)?.trim() {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) mod audio;
pub(crate) mod bwe;
pub(crate) mod cc;
pub(crate) mod checks;
pub(crate) mod debug;
pub(crate) mod dtls;
pub(crate) mod http;
pub(crate) mod ice;
pub(crate) mod lifecycle;
pub(crate) mod load;
pub(crate) mod relay;
pub(crate) mod xmpp;
