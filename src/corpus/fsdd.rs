//! The Free Spoken Digit Dataset (Jackson et al.): `recordings/{digit}_{speaker}_{index}.wav`.
//!
//! Official split: indices 0–4 are the test set; all six speakers are in every split by design. Of the
//! rest, 5–9 are held out here for development.

use super::{
    AudioSource, Error, Request, Utterance, Warning, entries, file_name, is_recording,
    unknown_split,
};

const DIGITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

pub(super) fn list(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    let known = ["train", "dev", "test"];
    let wanted = match request.split.as_deref() {
        Some("test") => 0..=4,
        Some("dev") => 5..=9,
        Some("train") => 10..=u32::MAX,
        Some(split) => return Err(unknown_split(request, split, &known.map(str::to_owned))),
        None => {
            return Err(Error::SplitNeeded {
                kind: request.kind,
                root: request.root.clone(),
                known: known.join(", "),
            });
        }
    };
    let inner = request.root.join("recordings");
    let folder = match inner.is_dir() {
        true => inner,
        false => request.root.clone(),
    };
    let mut utterances = Vec::new();
    for path in entries(&folder)?
        .into_iter()
        .filter(|path| is_recording(path))
    {
        let name = file_name(&path);
        let stem = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(stem, _)| stem);
        let Some((text, speaker, index)) = parse_name(stem) else {
            warnings.push(Warning::at(
                &path,
                "is not called `{digit}_{speaker}_{index}` and was left out",
            ));
            continue;
        };
        if wanted.contains(&index) {
            utterances.push(Utterance {
                id: stem.to_owned(),
                text: text.to_owned(),
                speaker: speaker.to_owned(),
                audio: AudioSource::File(path),
                ..Utterance::default()
            });
        }
    }
    Ok(utterances)
}

/// The word, the speaker and the index of `{digit}_{speaker}_{index}`.
fn parse_name(stem: &str) -> Option<(&'static str, &str, u32)> {
    let (digit, rest) = stem.split_once('_')?;
    let (speaker, index) = rest.rsplit_once('_')?;
    let word = DIGITS.get(digit.parse::<usize>().ok()?)?;
    Some((word, speaker, index.parse().ok()?))
}
