//! Where in a TOML text a key stands.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The line, from 1, and the innermost key (with its sections, `mel.bins`) at a byte offset; the key is
/// empty where none stands there.
pub(crate) fn key_at(toml: &str, offset: usize) -> (usize, String) {
    let mut key = String::new();
    for (path, span) in keys(toml) {
        // Keys come parents first: the last that contains the offset is the innermost.
        if span.contains(&offset) {
            key = path;
        }
    }
    (line(toml, offset), key)
}

/// The line, from 1, of a key, or of the innermost of its sections that is there; 1 where none is.
pub(crate) fn line_of(toml: &str, key: &str) -> usize {
    keys(toml)
        .into_iter()
        .filter(|(path, _)| {
            key.strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        .max_by_key(|(path, _)| path.len())
        .map_or(1, |(_, span)| line(toml, span.start))
}

fn line(toml: &str, offset: usize) -> usize {
    1 + toml
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

/// Every key with the bytes from its name to the end of its value.
fn keys(toml: &str) -> Vec<(String, Range<usize>)> {
    fn walk(table: &DeTable, prefix: &str, found: &mut Vec<(String, Range<usize>)>) {
        for (key, value) in table.iter() {
            let path = format!("{prefix}{}", key.get_ref());
            found.push((
                path.clone(),
                key.span().start..value.span().end.max(key.span().end),
            ));
            if let DeValue::Table(inner) = value.get_ref() {
                walk(inner, &format!("{path}."), found);
            }
        }
    }
    let mut found = Vec::new();
    // A text that is no TOML gives the keys that could be read.
    walk(DeTable::parse_recoverable(toml).0.get_ref(), "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n\n[mel]\n# comment\nbins = \"x\"\ninline = { deep = 3 }\n";

    #[test]
    fn keys_are_found_by_offset() {
        let at = |needle: &str| key_at(TEXT, TEXT.find(needle).unwrap());
        assert_eq!(at("1"), (1, "a".into()));
        assert_eq!(at("\"x\""), (5, "mel.bins".into()));
        assert_eq!(at("3"), (6, "mel.inline.deep".into()));
    }

    #[test]
    fn lines_are_found_by_key() {
        assert_eq!(line_of(TEXT, "mel.bins"), 5);
        assert_eq!(line_of(TEXT, "mel.inline.deep"), 6);
        assert_eq!(line_of(TEXT, "mel.absent"), 3);
        assert_eq!(line_of(TEXT, "absent"), 1);
    }
}
