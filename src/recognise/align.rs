//! Forced alignment: when each word of a known text was said.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};

use super::{Error, RecognisedWord, Recogniser, Segment, Transcript, Windows};
use crate::audio::Notice;
use crate::ctc;
use crate::decode::{self, Hypothesis, Word};
use crate::text::Lexicon;

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
        let (log_probs, seconds, notices) = self.all_log_probs(windows, output)?;
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
            chosen = choose(log_probs.view(), &hypothesis, &spellings)?;
            hypothesis = known(&chosen);
        }
        let frame = description.features.seconds_per_frame();
        let boundaries = description.decode.boundaries;
        let timed = decode::word_times(log_probs.view(), &hypothesis, frame, boundaries)
            .map_err(too_long)?;
        let words = timed.into_iter().map(|word| RecognisedWord {
            confidence: word.peak,
            timed: word.within(0.0, seconds),
        });
        Ok(Transcript {
            text: text.clone(),
            segments: vec![Segment {
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

    /// The `[T, V]` log-probabilities of one output for a whole recording, its length in seconds, and
    /// what was done to it.
    fn all_log_probs(
        &self,
        mut windows: Windows,
        output: usize,
    ) -> Result<(Array2<f32>, f64, Vec<Notice>), Error> {
        let mut stretches = self.stretches(output);
        let mut parts = Vec::new();
        loop {
            let ended = self.push_group(&mut windows, &mut stretches)?;
            parts.extend(stretches.take_certain(ended).into_iter().nth(output));
            if ended {
                break;
            }
        }
        if parts.is_empty() {
            return Err(Error::Align("the recording has no samples".into()));
        }
        let views: Vec<ArrayView2<'_, f32>> = parts.iter().map(|part| part.view()).collect();
        let all = concatenate(Axis(0), &views).map_err(|error| Error::Align(error.to_string()))?;
        Ok((all, windows.seconds(), windows.notices()))
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
