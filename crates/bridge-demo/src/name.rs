//! Names that people choose.

/// Cleans a participant's name: no control characters, at most [`MAX_NAME_CHARS`], never empty.
pub(crate) fn display_name(text: &str) -> String {
    let visible = text.trim().chars().filter(|c| !c.is_control());
    let name: String = visible.take(MAX_NAME_CHARS).collect();
    if name.is_empty() { "Guest".to_owned() } else { name }
}

/// A room name is what fits into the local part of a JID and a URL without escapes.
pub(crate) fn room_name(text: &str) -> Option<String> {
    let name = text.trim().to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = !name.is_empty() && name.len() <= MAX_ROOM_NAME_LEN;
    (fits && name.bytes().all(allowed)).then_some(name)
}

/// What fits under a tile.
const MAX_NAME_CHARS: usize = 40;

/// Long enough for any link that somebody would share.
const MAX_ROOM_NAME_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_are_cleaned() {
        for (text, expected) in [
            ("  Ada \n", "Ada"),
            ("", "Guest"),
            ("\u{7}\r", "Guest"),
            ("a\u{0}b", "ab"),
            ("Zo\u{eb} <b>", "Zo\u{eb} <b>"),
        ] {
            assert_eq!(display_name(text), expected);
        }
        assert_eq!(display_name(&"x".repeat(99)).len(), MAX_NAME_CHARS);
    }

    #[test]
    fn room_names_are_safe() {
        assert_eq!(room_name(" Lobby-1 "), Some("lobby-1".into()));
        for text in ["", "a b", "a@b", "a/b", "\u{e9}", &"x".repeat(MAX_ROOM_NAME_LEN + 1)] {
            assert_eq!(room_name(text), None, "{text:?}");
        }
    }
}
