//! A folder of recordings, at any depth, each with its transcript in a `.txt` file of the same name beside it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::table::words;
use super::{
    AudioSource, Error, Request, Utterance, Warning, entries, file_name, is_recording, refuse_split,
};

/// Deeper folders are not entered: a link that points upwards would never end.
const MAX_DEPTH: usize = 16;

pub(super) fn list(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    refuse_split(request)?;
    let mut files = Vec::new();
    walk(&request.root, MAX_DEPTH, &mut files)?;

    let mut utterances = Vec::new();
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    for path in files.iter().filter(|path| is_recording(path)) {
        let transcript = path.with_extension("txt");
        let text = match std::fs::read(&transcript) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => words(text.trim_start_matches('\u{FEFF}')),
                Err(_) => {
                    let what = "is not UTF-8; its recording was left out";
                    warnings.push(Warning::at(&transcript, what));
                    continue;
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if request.need_text {
                    let what = "has no transcript (a .txt file beside it) and was left out";
                    warnings.push(Warning::at(path, what));
                    continue;
                }
                String::new()
            }
            Err(source) => {
                return Err(Error::Read {
                    path: transcript,
                    source,
                });
            }
        };
        if text.is_empty() && request.need_text {
            warnings.push(Warning::at(&transcript, "is an empty transcript"));
        }
        let relative = path.strip_prefix(&request.root).unwrap_or(path);
        let id = id_of(relative);
        if let Some(first) = seen.insert(id.clone(), path.clone()) {
            let what = format!(
                "has the same id `{id}` as {}; it was left out",
                first.display()
            );
            warnings.push(Warning::at(path, what));
            seen.insert(id, first);
            continue;
        }
        utterances.push(Utterance {
            id,
            audio: AudioSource::File(path.clone()),
            text,
            speaker: speaker_of(relative, &request.root),
            ..Utterance::default()
        });
    }
    for transcript in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
    {
        let folder = transcript.parent().unwrap_or(Path::new(""));
        let stem = transcript.file_stem().unwrap_or_default().to_string_lossy();
        if super::find_recording(folder, &stem).is_none() {
            warnings.push(Warning::at(transcript, "has no recording beside it"));
        }
    }
    Ok(utterances)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for path in entries(folder)? {
        if !path.is_dir() {
            files.push(path);
        } else if depth > 0 {
            walk(&path, depth - 1, files)?;
        }
    }
    Ok(())
}

/// The relative path without its extension, made one word: ids stand first on lines of `ID words`.
fn id_of(relative: &Path) -> String {
    let path = relative.with_extension("");
    let parts: Vec<String> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let joined = parts.join("-");
    joined.split_whitespace().collect::<Vec<_>>().join("_")
}

/// The first sub-folder, where there is one, else the folder itself: people sort recordings by who speaks.
fn speaker_of(relative: &Path, root: &Path) -> String {
    let mut parts = relative.components();
    match (parts.next(), parts.next()) {
        (Some(first), Some(_)) => first.as_os_str().to_string_lossy().into_owned(),
        _ => {
            let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
            file_name(&root)
        }
    }
}
