//! Forced alignment: when each word of a known text was said.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::{Error, RecognisedWord, Recogniser, Transcript, WindowResult, Windows};
use crate::ctc;
use crate::decode::{self, Hypothesis, TimedWord, Word};
use crate::text::Lexicon;

/// The log-probabilities of a recording of any length, and when each of their frames begins.
struct Frames {
    /// `[T, V]`, nats.
    log_probs: Array2<f32>,
    /// `[T]`, seconds.
    begins: Vec<f64>,
}

impl Recogniser {
    /// Aligns a text with the recording that it was read in: Viterbi over the CTC lattice of the
    /// whole text, in log space, exact for any length. Memory holds the recording's
    /// log-probabilities (20 MB an hour) and 32 MiB.
    ///
    /// The text is normalised as the model's transcripts are. An output of characters spells every
    /// word; one of phones needs a `lexicon` with each, and takes that of a word's pronunciations
    /// which is likeliest where the first was found. A word's confidence is the mean probability of
    /// its tokens where they were found.
    ///
    /// # Errors
    /// [`Error::Align`]: a text without words, a word that the inventory or the lexicon lacks, a
    /// text that is too long for the recording; a recording that cannot be read.
    pub fn align(
        &self,
        windows: Windows,
        text: &str,
        output: usize,
        lexicon: Option<&Lexicon>,
    ) -> Result<Transcript, Error> {
        let description = self.description();
        let refuse = |what: String| Error::Align(what);
        let Some(tokens) = description.tokens.get(output) else {
            return Err(refuse(format!("the model has no output {output}")));
        };
        let text = description.normalise.apply(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err(refuse("the text has no words to align".into()));
        }
        let spelled = |word: &&str| -> Result<Vec<Vec<u32>>, Error> {
            if tokens.is_characters() {
                return Ok(vec![tokens.encode_text(word)?]);
            }
            match lexicon.map(|lexicon| lexicon.pronunciations(word)) {
                None => Err(refuse("an output of phones needs a lexicon".into())),
                Some([]) => Err(refuse(format!(
                    "the lexicon lacks `{word}`: add a line with the word and its phones"
                ))),
                Some(known) => Ok(known.to_vec()),
            }
        };
        let spellings = words.iter().map(spelled).collect::<Result<Vec<_>, _>>()?;
        let (frames, seconds, notices) = self.frames(windows, output)?;
        let known = |chosen: &[usize]| {
            let with_tokens = spellings
                .iter()
                .zip(chosen)
                .map(|(all, at)| all[*at].clone());
            Hypothesis::known(
                words.iter().map(|word| (*word).to_owned()).zip(with_tokens),
                tokens.space(),
            )
        };
        let mut chosen = vec![0; words.len()];
        let mut hypothesis = known(&chosen);
        if spellings.iter().any(|all| all.len() > 1) {
            chosen = choose(frames.log_probs.view(), &hypothesis, &spellings)?;
            hypothesis = known(&chosen);
        }
        let frame = description.features.seconds_per_frame();
        let boundaries = description.decode.boundaries;
        let timed = decode::word_times(frames.log_probs.view(), &hypothesis, frame, boundaries)
            .map_err(too_long)?;
        let words = timed.into_iter().map(|word| RecognisedWord {
            confidence: word.peak,
            timed: frames.placed(word, frame, seconds),
        });
        Ok(Transcript {
            text: text.clone(),
            windows: vec![WindowResult {
                start: 0.0,
                seconds,
                text,
                hypotheses: Vec::new(),
                words: words.collect(),
            }],
            seconds,
            notices,
        })
    }

    /// The frames of every window's core, in order, with the length of the recording in seconds.
    fn frames(
        &self,
        mut windows: Windows,
        output: usize,
    ) -> Result<(Frames, f64, Vec<crate::audio::Notice>), Error> {
        let frame = self.description().features.seconds_per_frame();
        let (mut rows, mut begins, mut seconds, mut vocabulary) = (Vec::new(), Vec::new(), 0.0, 0);
        loop {
            let group = windows.next_group()?;
            if group.is_empty() {
                break;
            }
            let results: Vec<Result<Vec<Array2<f32>>, Error>> = group
                .par_iter()
                .map(|window| self.log_probs(&window.waveform))
                .collect();
            for (window, result) in group.iter().zip(results) {
                let log_probs = result?.swap_remove(output);
                vocabulary = log_probs.ncols();
                seconds = window.end;
                for (number, row) in log_probs.rows().into_iter().enumerate() {
                    let begin = window.begins + number as f64 * frame;
                    if (window.start..window.end).contains(&begin) {
                        rows.extend(row);
                        begins.push(begin);
                    }
                }
            }
        }
        let shape = (begins.len(), vocabulary);
        let log_probs =
            Array2::from_shape_vec(shape, rows).map_err(|error| Error::Align(error.to_string()))?;
        Ok((Frames { log_probs, begins }, seconds, windows.notices()))
    }
}

impl Frames {
    /// A word with times counted in frames of equal length, at the times at which the frames were.
    fn placed(&self, mut word: TimedWord, frame: f64, seconds: f64) -> TimedWord {
        let place = |time: &mut f64| {
            let at = ((*time / frame) as usize).min(self.begins.len().saturating_sub(1));
            let begin = self.begins.get(at).copied().unwrap_or(0.0);
            *time = (begin + *time - at as f64 * frame).clamp(0.0, seconds);
        };
        place(&mut word.start);
        place(&mut word.end);
        for token in &mut word.tokens {
            place(&mut token.start);
            place(&mut token.end);
        }
        word
    }
}

/// Which spelling of each word is likeliest between its neighbours, where `hypothesis` has the first
/// spelling of every word.
fn choose(
    log_probs: ArrayView2<'_, f32>,
    hypothesis: &Hypothesis,
    spellings: &[Vec<Vec<u32>>],
) -> Result<Vec<usize>, Error> {
    let spans = ctc::forced_alignment(log_probs, &hypothesis.tokens)
        .map_err(too_long)?
        .tokens;
    let likeliest = |(word, all): (&Word, &Vec<Vec<u32>>)| {
        let from = match word.tokens.start {
            0 => 0,
            first => spans[first - 1].end,
        };
        let until = spans
            .get(word.tokens.end)
            .map_or(log_probs.nrows(), |next| next.start);
        let part = log_probs.slice(s![from..until, ..]);
        let score = |spelling: &Vec<u32>| {
            ctc::forced_alignment(part, spelling)
                .map_or(f64::NEG_INFINITY, |found| found.log_probability)
        };
        let mut best = (0, f64::NEG_INFINITY);
        if all.len() > 1 {
            for (at, spelling) in all.iter().enumerate() {
                let score = score(spelling);
                if score > best.1 {
                    best = (at, score);
                }
            }
        }
        best.0
    };
    Ok(hypothesis
        .words
        .iter()
        .zip(spellings)
        .map(likeliest)
        .collect())
}

fn too_long(error: ctc::Error) -> Error {
    match error {
        ctc::Error::Infeasible(infeasible) => Error::Align(format!(
            "the text is too long for the recording, is it another's? ({infeasible})"
        )),
        other => Error::Decode(other.into()),
    }
}
