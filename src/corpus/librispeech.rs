//! LibriSpeech (Panayotov et al. 2015): `SPLIT/SPEAKER/CHAPTER/`, where `SPEAKER-CHAPTER.trans.txt` has a line
//! `ID TEXT` for each recording `ID.flac` (or WAV, MP3, Ogg).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::table::{Table, words};
use super::{
    AudioSource, Error, Request, Utterance, Warning, entries, file_name, find_recording,
    is_recording, unknown_split,
};

pub(super) fn list(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    let inner = request.root.join("LibriSpeech");
    let root = match inner.is_dir() {
        true => inner,
        false => request.root.clone(),
    };
    let splits: Vec<String> = entries(&root)?
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| file_name(path))
        .collect();
    let Some(split) = request.split.as_deref() else {
        return Err(Error::SplitNeeded {
            kind: request.kind,
            root: request.root.clone(),
            known: splits.join(", "),
        });
    };
    if !splits.iter().any(|known| known == split) {
        return Err(unknown_split(request, split, &splits));
    }
    let mut utterances = Vec::new();
    for speaker in folders(&root.join(split))? {
        for chapter in folders(&speaker)? {
            list_chapter(&chapter, &file_name(&speaker), &mut utterances, warnings)?;
        }
    }
    Ok(utterances)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn list_chapter(
    chapter: &Path,
    speaker: &str,
    utterances: &mut Vec<Utterance>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    let files = entries(chapter)?;
    let mut transcribed = HashSet::new();
    for list in files
        .iter()
        .filter(|path| file_name(path).ends_with(".trans.txt"))
    {
        for row in Table::read(list, warnings)?.rows {
            match find_recording(chapter, &row.key) {
                Some(path) => utterances.push(Utterance {
                    id: row.key.clone(),
                    audio: AudioSource::File(path),
                    text: words(&row.value),
                    speaker: speaker.to_owned(),
                    ..Utterance::default()
                }),
                None => {
                    let what = format!("`{}` has no recording and was left out", row.key);
                    warnings.push(Warning::at_line(list, row.line, what));
                }
            }
            transcribed.insert(row.key);
        }
    }
    for recording in files.iter().filter(|path| is_recording(path)) {
        let stem = recording.file_stem().unwrap_or_default().to_string_lossy();
        if !transcribed.contains(stem.as_ref()) {
            warnings.push(Warning::at(recording, "has no transcript and was left out"));
        }
    }
    Ok(())
}
