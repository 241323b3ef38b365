//! Lists of lines `KEY VALUE…`, as Kaldi and LibriSpeech write them and as editors and other systems bend them:
//! CRLF, a byte-order mark, tabs, no-break spaces, lines that are not UTF-8, keys that come twice.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Error, Warning};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub key: String,
    /// The rest of the line, trimmed; its inner white space is as in the file.
    pub value: String,
    /// Counted from 1.
    pub line: usize,
}

/// A list: each key once, in the file's order.
pub(super) struct Table {
    pub path: PathBuf,
    pub rows: Vec<Row>,
    index: HashMap<String, usize>,
}

impl Table {
    /// Reads a list. A line that cannot be used is left out and named.
    pub(super) fn read(path: &Path, warnings: &mut Vec<Warning>) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &bytes, warnings)
    }

    /// Reads a list that may be missing.
    pub(super) fn read_optional(
        path: &Path,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Self>, Error> {
        match path.exists() {
            true => Self::read(path, warnings).map(Some),
            false => Ok(None),
        }
    }

    fn parse(path: &Path, bytes: &[u8], warnings: &mut Vec<Warning>) -> Result<Self, Error> {
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(Error::File {
                path: path.to_owned(),
                what: "is UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)".into(),
            });
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut table = Self {
            path: path.to_owned(),
            rows: Vec::new(),
            index: HashMap::new(),
        };
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let number = number + 1;
            let Ok(line) = std::str::from_utf8(line) else {
                let shown = String::from_utf8_lossy(line);
                let key = shown.split_whitespace().next().unwrap_or_default();
                let what = format!("`{key}`: the line is not UTF-8 and was left out");
                warnings.push(Warning::at_line(path, number, what));
                continue;
            };
            // `char::is_whitespace` holds for the no-break spaces too.
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if let Some(&first) = table.index.get(key) {
                let first = table.rows[first].line;
                let what = format!("`{key}` stands on line {first} already; this one was left out");
                warnings.push(Warning::at_line(path, number, what));
                continue;
            }
            table.index.insert(key.to_owned(), table.rows.len());
            table.rows.push(Row {
                key: key.to_owned(),
                value: value.trim().to_owned(),
                line: number,
            });
        }
        Ok(table)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Row> {
        self.index.get(key).and_then(|&row| self.rows.get(row))
    }
}

/// Words with single spaces between them.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
