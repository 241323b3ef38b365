//! Kaldi data directories: `wav.scp`, `text`, `utt2spk` and, where recordings hold several utterances,
//! `segments` (<https://kaldi-asr.org/doc/data_prep.html>).

use std::path::{Path, PathBuf};

use super::pipe::{self, Entry};
use super::table::{Row, Table, words};
use super::{AudioSource, Error, Request, Utterance, Warning, refuse_split};

/// Lists the utterances of a data directory. Relative paths in `wav.scp` are looked for in `roots`, then in
/// the directory, in the current directory, and in the directory's parent.
pub(super) fn list(
    request: &Request,
    directory: &Path,
    roots: &[&Path],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    if roots.is_empty() {
        refuse_split(request)?;
    }
    if !directory.join("wav.scp").is_file() {
        return Err(Error::NotThere {
            kind: request.kind,
            root: directory.to_owned(),
            what: "no wav.scp is in it".into(),
        });
    }
    let recordings = Table::read(&directory.join("wav.scp"), warnings)?;
    let segments = Table::read_optional(&directory.join("segments"), warnings)?;
    let text = Table::read_optional(&directory.join("text"), warnings)?;
    let speakers = Table::read_optional(&directory.join("utt2spk"), warnings)?;
    if text.is_none() && request.need_text {
        return Err(Error::NotThere {
            kind: request.kind,
            root: directory.to_owned(),
            what: "no `text` is in it".into(),
        });
    }

    let mut places: Vec<PathBuf> = roots.iter().map(|root| root.to_path_buf()).collect();
    places.extend([directory.to_owned(), PathBuf::new(), directory.join("..")]);

    let listed = segments.as_ref().unwrap_or(&recordings);
    let mut utterances = Vec::new();
    for row in &listed.rows {
        let mut leave_out =
            |what: String| warnings.push(Warning::at_line(&listed.path, row.line, what));
        let id = &row.key;
        let words = match text.as_ref().map(|text| text.get(id)) {
            Some(Some(row)) => words(&row.value),
            Some(None) if request.need_text => {
                leave_out(format!("`{id}` has no line in `text` and was left out"));
                continue;
            }
            _ => String::new(),
        };
        let (recording, span) = match &segments {
            None => (row, None),
            Some(_) => match parse_segment(row) {
                Err(what) => {
                    leave_out(format!("`{id}`: {what}; it was left out"));
                    continue;
                }
                Ok((recording, span)) => match recordings.get(recording) {
                    Some(recording) => (recording, Some(span)),
                    None => {
                        leave_out(format!(
                            "`{id}`: its recording `{recording}` is not in `wav.scp`; it was left out"
                        ));
                        continue;
                    }
                },
            },
        };
        let audio = match pipe::parse(&recording.value) {
            Entry::File(file) if file.is_empty() => {
                leave_out(format!(
                    "`{id}` has no recording in `wav.scp` and was left out"
                ));
                continue;
            }
            Entry::File(file) => AudioSource::File(find(&file, &places)),
            Entry::Command(command) if request.allow_commands => AudioSource::Command { command },
            Entry::Command(command) => {
                return Err(Error::Command {
                    path: recordings.path.clone(),
                    line: recording.line,
                    command,
                });
            }
        };
        let speaker = match speakers.as_ref().map(|speakers| speakers.get(id)) {
            Some(Some(row)) if !row.value.is_empty() => row.value.clone(),
            Some(_) => {
                leave_out(format!(
                    "`{id}` has no line in `utt2spk`: it is its own speaker"
                ));
                id.clone()
            }
            None => id.clone(),
        };
        if request.need_text && words.is_empty() {
            leave_out(format!("`{id}` has an empty transcript"));
        }
        utterances.push(Utterance {
            id: id.clone(),
            audio,
            start: span.map(|(start, _)| start),
            end: span.and_then(|(_, end)| end),
            text: words,
            speaker,
            ..Utterance::default()
        });
    }
    for list in [&text, &speakers].into_iter().flatten() {
        for row in &list.rows {
            if listed.get(&row.key).is_none() {
                let what = format!(
                    "`{}` is not in `{}`",
                    row.key,
                    super::file_name(&listed.path)
                );
                warnings.push(Warning::at_line(&list.path, row.line, what));
            }
        }
    }
    Ok(utterances)
}

/// `RECORDING START END`, in seconds; an end below 0 is the recording's end.
fn parse_segment(row: &Row) -> Result<(&str, (f64, Option<f64>)), String> {
    let fields: Vec<&str> = row.value.split_whitespace().collect();
    let [recording, start, end] = fields[..] else {
        return Err(format!(
            "`RECORDING START END` expected, {} columns found",
            fields.len()
        ));
    };
    let seconds = |text: &str| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{text}` is no number of seconds"))
    };
    let (start, end) = (seconds(start)?, seconds(end)?);
    if start < 0.0 || (end >= 0.0 && end <= start) {
        return Err(format!("it goes from {start} s to {end} s"));
    }
    Ok((recording, (start, (end >= 0.0).then_some(end))))
}

/// The file in the first place that has it; in the first place if none has.
fn find(file: &str, places: &[PathBuf]) -> PathBuf {
    let mut candidates = places.iter().map(|place| place.join(file));
    let found = candidates.clone().find(|path| path.is_file());
    found
        .or_else(|| candidates.next())
        .unwrap_or_else(|| file.into())
}
