//! LJSpeech (Ito 2017): `metadata.csv` with lines `ID|transcript|normalised transcript`, recordings in `wavs/`.

use super::table::words;
use super::{AudioSource, Error, Request, Utterance, Warning, find_recording, refuse_split};

pub(super) fn list(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    refuse_split(request)?;
    let inner = request.root.join("LJSpeech-1.1");
    let root = match inner.is_dir() {
        true => inner,
        false => request.root.clone(),
    };
    let list = root.join("metadata.csv");
    if !list.is_file() {
        return Err(Error::NotThere {
            kind: request.kind,
            root: request.root.clone(),
            what: "no metadata.csv is in it".into(),
        });
    }
    let bytes = std::fs::read(&list).map_err(|source| Error::Read {
        path: list.clone(),
        source,
    })?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let recordings = root.join("wavs");

    let mut utterances = Vec::new();
    let mut missing = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let mut columns = line.split('|');
        let (Some(id), Some(raw)) = (columns.next(), columns.next()) else {
            let what = "`ID|transcript|normalised transcript` expected; the line was left out";
            warnings.push(Warning::at_line(&list, number + 1, what));
            continue;
        };
        // The normalised transcript has numbers and abbreviations in words.
        let normalised = columns.next().filter(|text| !text.trim().is_empty());
        match find_recording(&recordings, id) {
            Some(path) => utterances.push(Utterance {
                id: id.to_owned(),
                audio: AudioSource::File(path),
                text: words(normalised.unwrap_or(raw)),
                speaker: "LJ".to_owned(),
                ..Utterance::default()
            }),
            None => missing.push((id.to_owned(), number + 1)),
        }
    }
    // A part of the corpus comes with the list of the whole: one line tells it, not thirteen thousand.
    if let (Some((first, from)), Some((last, to))) = (missing.first(), missing.last()) {
        let what = format!(
            "{} lines have no recording in `wavs` and were left out, from `{first}` (line {from}) to `{last}` (line {to})",
            missing.len()
        );
        warnings.push(Warning::at(&list, what));
    }
    Ok(utterances)
}
