//! Manifests: JSON Lines, one [`Utterance`] a line.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{AudioSource, Error, Utterance};

/// Reads a manifest. Relative paths are made relative to its folder; an utterance without a speaker is its
/// own speaker.
///
/// # Errors
/// A line is not an utterance, an id comes twice, no line is there, or a line would run a command (see
/// [`read_manifest_with_commands`]).
pub fn read_manifest(path: &Path) -> Result<Vec<Utterance>, Error> {
    read(path, false)
}

/// Reads a manifest whose commands the user has allowed to be run.
///
/// # Errors
/// As [`read_manifest`], commands apart.
pub fn read_manifest_with_commands(path: &Path) -> Result<Vec<Utterance>, Error> {
    read(path, true)
}

fn read(path: &Path, allow_commands: bool) -> Result<Vec<Utterance>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut utterances = Vec::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let number = number + 1;
        let wrong = |what: String| Error::Line {
            path: path.to_owned(),
            line: number,
            what,
        };
        let mut utterance: Utterance = serde_json::from_slice(line)
            .map_err(|error| wrong(format!("this is not an utterance: {error}")))?;
        check(&utterance).map_err(wrong)?;
        if let Some(first) = lines.insert(utterance.id.clone(), number) {
            return Err(wrong(format!(
                "`{}` stands on line {first} already",
                utterance.id
            )));
        }
        match &mut utterance.audio {
            AudioSource::File(file) => *file = folder.join(&*file),
            AudioSource::Command { command } if !allow_commands => {
                return Err(Error::Command {
                    path: path.to_owned(),
                    line: number,
                    command: command.clone(),
                });
            }
            AudioSource::Command { .. } => {}
        }
        if utterance.speaker.is_empty() {
            utterance.speaker.clone_from(&utterance.id);
        }
        utterances.push(utterance);
    }
    if utterances.is_empty() {
        return Err(Error::File {
            path: path.to_owned(),
            what: "no utterance is in this manifest".into(),
        });
    }
    Ok(utterances)
}

/// What a manifest's line must hold beyond its types.
fn check(utterance: &Utterance) -> Result<(), String> {
    let id = &utterance.id;
    if id.is_empty() || id.contains(char::is_whitespace) {
        return Err(format!("`{id}` is no id: one word is needed"));
    }
    let times = [Some(utterance.duration), utterance.start, utterance.end];
    if times
        .into_iter()
        .flatten()
        .any(|time| !time.is_finite() || time < 0.0)
    {
        return Err(format!("`{id}` has a time below 0"));
    }
    if let (start, Some(end)) = (utterance.start.unwrap_or(0.0), utterance.end)
        && end <= start
    {
        return Err(format!(
            "`{id}` ends at {end} s, before its start at {start} s"
        ));
    }
    Ok(())
}

/// Writes a manifest: whole or not at all. Recordings under its folder are written relative to it, so that
/// both can be moved together; others by their absolute path.
///
/// # Errors
/// The file cannot be written (what stood there stays), or a path is not UTF-8.
pub fn write_manifest(path: &Path, utterances: &[Utterance]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let target = std::path::absolute(path).map_err(failed)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    // The mode of any new file, less the umask: a temporary file's own 0600 would stay on the manifest.
    let mut temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut writer = BufWriter::new(temporary.as_file_mut());
    for utterance in utterances {
        let mut line = utterance.clone();
        if let AudioSource::File(file) = &mut line.audio {
            *file = written_path(file, folder).map_err(failed)?;
        }
        serde_json::to_writer(&mut writer, &line).map_err(|error| failed(error.into()))?;
        writer.write_all(b"\n").map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&target)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

fn written_path(file: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(file)?;
    Ok(match absolute.strip_prefix(folder) {
        Ok(relative) => relative.to_owned(),
        Err(_) => absolute,
    })
}
