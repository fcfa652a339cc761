//! The Java properties format, as `java.util.Properties.load` reads it.

use std::collections::BTreeMap;

/// All properties of `text`; of a repeated name the last. Anything is a valid properties file: a
/// malformed `\u` escape stands for itself.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    logical_lines(text).iter().map(|line| split(line)).filter(|(key, _)| !key.is_empty()).collect()
}

/// Joins lines that end in an odd number of backslashes; drops blank lines and comments. A comment
/// is recognised before joining.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for natural in text.lines().flat_map(|line| line.split('\r')) {
        let natural = natural.trim_start_matches(BLANKS);
        if open.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let mut line = open.take().unwrap_or_default();
        let backslashes = natural.chars().rev().take_while(|&c| c == '\\').count();
        if backslashes % 2 == 1 {
            line.push_str(&natural[..natural.len() - 1]);
            open = Some(line);
        } else {
            line.push_str(natural);
            lines.push(line);
        }
    }
    lines.extend(open);
    lines
}

/// Splits at the first separator that is not escaped: `=`, `:` or blanks, with blanks around it.
fn split(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line
        .find(|c: char| {
            let separator = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
            escaped = c == '\\' && !escaped;
            separator
        })
        .unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (unescape(key), unescape(rest.trim_start_matches(BLANKS)))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        plain.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        let mut following = rest.chars();
        match following.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => match rest.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                Some(code) => {
                    plain.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    rest = &rest[5..];
                    continue;
                }
                None => plain.push('u'),
            },
            Some(other) => plain.push(other),
            None => break,
        }
        rest = following.as_str();
    }
    plain.push_str(rest);
    plain
}

const BLANKS: &[char] = &[' ', '\t', '\u{c}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_java_reads_them() {
        let table: &[(&str, &str, &str)] = &[
            ("a.b=c", "a.b", "c"),
            ("  a.b  =  c d ", "a.b", "c d "),
            ("a.b: c", "a.b", "c"),
            ("a.b c", "a.b", "c"),
            ("a.b", "a.b", ""),
            ("a\\=b = c", "a=b", "c"),
            ("a = b \\\n   c", "a", "b c"),
            ("a = b\\\\", "a", "b\\"),
            ("a = \\u0041\\u00e9\\t|", "a", "Aé\t|"),
            ("a = \\uZZ", "a", "uZZ"),
            ("a = 1\r\na = 2\r\n", "a", "2"),
            ("a = x=y:z", "a", "x=y:z"),
            ("# c=d\n! e\n\na=b # no comment", "a", "b # no comment"),
        ];
        for (text, key, value) in table {
            let parsed = parse(text);
            assert_eq!(parsed.len(), 1, "{text:?} gives {parsed:?}");
            assert_eq!(parsed.get(*key).map(String::as_str), Some(*value), "{text:?}");
        }
    }

    #[test]
    fn a_file_without_properties_is_empty() {
        assert!(parse("\n# nothing\n\r\n = value\n").is_empty());
    }
}
