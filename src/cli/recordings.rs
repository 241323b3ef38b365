//! The recordings that a command line names, and the work on each in turn.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Failure;
use crate::audio::{Blocks, Notice};
use crate::corpus::{self, Kind, Request, Utterance};
use crate::recognise::{Recogniser, Transcript, Windows};

/// One thing to recognise.
pub enum Job {
    /// A file, or `-`.
    File(PathBuf),
    /// An utterance of a test set.
    Utterance(Utterance),
}

impl Job {
    /// The windows of a recording, and what was done to it before it was cut.
    pub fn windows(&self, recogniser: &Recogniser) -> Result<(Windows, Vec<Notice>), Failure> {
        let features = &recogniser.description().features;
        let rate = features.sample_rate();
        let blocks = match self {
            Job::File(path) if path == Path::new("-") => {
                Blocks::from_wav(std::io::stdin(), "standard input", rate)
            }
            Job::File(path) => Blocks::open(path, rate),
            Job::Utterance(utterance) => {
                let decoded = corpus::load_audio(utterance, rate)
                    .map_err(|error| named(error.into(), &utterance.id))?;
                let windows = Windows::of(decoded.waveform, features);
                return Ok((windows, decoded.notices));
            }
        };
        let blocks = blocks.map_err(|error| named(error.into(), &self.id()))?;
        Ok((recogniser.windows(blocks), Vec::new()))
    }

    /// What messages and JSON call it: a file by its path.
    pub fn id(&self) -> String {
        match self {
            Job::File(path) => path.display().to_string(),
            Job::Utterance(utterance) => utterance.id.clone(),
        }
    }

    /// What references call a recording: a file by its stem.
    pub fn stem(&self) -> String {
        match self {
            Job::File(path) => path
                .file_stem()
                .unwrap_or(path.as_os_str())
                .display()
                .to_string(),
            Job::Utterance(utterance) => utterance.id.clone(),
        }
    }
}

/// The utterances of a Kaldi data directory or a manifest.
pub fn listed(
    data: Option<&PathBuf>,
    manifest: Option<&PathBuf>,
    allow_commands: bool,
    need_text: bool,
) -> Result<Vec<Utterance>, Failure> {
    if let Some(dir) = data {
        let mut request = Request::new(Kind::Kaldi, dir, None);
        request.allow_commands = allow_commands;
        request.need_text = need_text;
        let imported = corpus::import(&request)?;
        for warning in &imported.warnings {
            eprintln!("{warning}");
        }
        return Ok(imported.utterances);
    }
    match manifest {
        Some(manifest) => Ok(corpus::read_manifest(manifest)?),
        None => Ok(Vec::new()),
    }
}

/// Works on recordings in parallel and prints what `print` makes of each, in their order, past those that
/// fail; fails in the end if any did. In groups, so that results come as they are ready and memory stays
/// bounded.
pub fn in_groups<J: Sync>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<Transcript, Failure> + Sync,
    mut print: impl FnMut(&J, &Transcript) -> String,
) -> Result<(), Failure> {
    let mut failed = 0;
    let mut out = std::io::stdout().lock();
    for group in jobs.chunks(2 * rayon::current_num_threads()) {
        let results: Vec<Result<Transcript, Failure>> = group.par_iter().map(&work).collect();
        for (job, result) in group.iter().zip(results) {
            match result {
                Ok(transcript) => {
                    out.write_all(print(job, &transcript).as_bytes())?;
                    out.flush()?;
                }
                Err(failure) if jobs.len() == 1 => return Err(failure),
                Err(failure) => {
                    failed += 1;
                    eprintln!("hearken: {}", failure.to_string().replace('\n', " "));
                }
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} recordings failed", jobs.len()).into()),
    }
}

/// The failure with the recording's name in front, unless it says the name itself.
pub fn named(failure: Failure, name: &str) -> Failure {
    let message = failure.to_string();
    if message.contains(name) {
        failure
    } else {
        format!("{name}: {message}").into()
    }
}
