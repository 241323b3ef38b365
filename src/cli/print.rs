//! A recognised or aligned recording as it is printed.

use serde_json::json;

use super::recordings::Job;
use crate::recognise::{RecognisedWord, Transcript, ctm, srt, stm, textgrid, trn, vtt};
use crate::text::Tokens;

/// The formats of the output.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Words.
    Text,
    /// One JSON object a line.
    Json,
    /// NIST's CTM: a word a line with its times and confidence, for `sclite`.
    Ctm,
    /// NIST's STM: a line for each stretch between quiet places, a reference for `sclite`.
    Stm,
    /// NIST's trn: `words (ID)`, for `sclite`.
    Trn,
    /// SubRip subtitles, of one recording.
    Srt,
    /// WebVTT subtitles, of one recording.
    Vtt,
    /// A Praat TextGrid with words and tokens, of one recording.
    Textgrid,
}

impl Format {
    /// Whether it is a document of its own that holds one recording.
    pub fn is_document(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt | Self::Textgrid)
    }
}

/// A recording in a format; as text its words.
pub fn written(
    format: Format,
    job: &Job,
    transcript: &Transcript,
    tokens: &Tokens,
    model: &str,
) -> String {
    match format {
        Format::Text => transcript.text.clone() + "\n",
        Format::Json => object(job, transcript, tokens, model).to_string() + "\n",
        Format::Ctm => ctm(&job.stem(), transcript),
        Format::Stm => stm(&job.stem(), transcript),
        Format::Trn => trn(&job.stem(), transcript),
        Format::Srt => srt(transcript),
        Format::Vtt => vtt(transcript),
        Format::Textgrid => textgrid(transcript, tokens),
    }
}

/// A recording as an object of JSON; `tokens` are those that its words are made of.
fn object(job: &Job, transcript: &Transcript, tokens: &Tokens, model: &str) -> serde_json::Value {
    let symbols = tokens.symbols();
    let segments: Vec<serde_json::Value> = transcript
        .segments
        .iter()
        .map(|segment| {
            let hypotheses: Vec<serde_json::Value> = segment
                .hypotheses
                .iter()
                .map(|h| {
                    json!({
                        "text": h.text,
                        "score": h.score,
                        "parts": {
                            "output": h.parts.output,
                            "combined": h.parts.combined,
                            "lm": h.parts.lm,
                            "rescoring": h.parts.rescoring,
                            "words": h.words.len(),
                        },
                    })
                })
                .collect();
            json!({ "start": segment.start, "seconds": segment.seconds, "nbest": hypotheses })
        })
        .collect();
    let words = words(transcript.words(), symbols);
    let key = match job {
        Job::File(_) => "file",
        Job::Utterance(_) => "id",
    };
    let notices: Vec<String> = transcript.notices.iter().map(ToString::to_string).collect();
    json!({
        key: job.id(),
        "text": transcript.text,
        "words": words,
        "seconds": transcript.seconds,
        "model": model,
        "segments": segments,
        "notices": notices,
    })
}

/// Words as objects of JSON, with the tokens that they are made of.
pub fn words<'a>(
    words: impl Iterator<Item = &'a RecognisedWord>,
    symbols: &[String],
) -> Vec<serde_json::Value> {
    words
        .map(|RecognisedWord { timed, confidence }| {
            let tokens: Vec<serde_json::Value> = timed
                .tokens
                .iter()
                .map(|token| {
                    json!({
                        "token": symbols[token.token as usize],
                        "start": milliseconds(token.start),
                        "end": milliseconds(token.end),
                    })
                })
                .collect();
            json!({
                "word": timed.text,
                "start": milliseconds(timed.start),
                "end": milliseconds(timed.end),
                "confidence": confidence,
                "tokens": tokens,
            })
        })
        .collect()
}

/// Seconds with three digits.
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
