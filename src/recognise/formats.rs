//! Recordings as other programs read them: CTM, STM, trn, subtitles, TextGrid.

use std::fmt::Write;

use super::{RecognisedWord, Transcript};
use crate::text::Tokens;

/// NIST's CTM, a word a line: `ID channel start duration word confidence`, times in seconds, as
/// `sclite -i ctm` reads it. Blanks in `id` become underscores: they separate the fields.
pub fn ctm(id: &str, transcript: &Transcript) -> String {
    ctm_words(id, transcript.words())
}

/// The same of some words.
pub fn ctm_words<'a>(id: &str, words: impl IntoIterator<Item = &'a RecognisedWord>) -> String {
    let id = id.replace(char::is_whitespace, "_");
    let mut out = String::new();
    for word in words {
        let (start, end) = span(word);
        let (start, duration) = (seconds(start), seconds(end - start));
        let RecognisedWord { timed, confidence } = word;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{id} 1 {start} {duration} {} {confidence:.4}",
            timed.text
        );
    }
    out
}

/// NIST's STM, a stretch of speech a line: `ID channel speaker start end words`, as `sclite -r FILE stm`
/// reads references. A stretch is what was said between two pauses; those without words are left out. The
/// speaker is not known: the recording stands for him.
pub fn stm(id: &str, transcript: &Transcript) -> String {
    let id = id.replace(char::is_whitespace, "_");
    let mut out = String::new();
    let spoken = transcript.segments.iter().filter(|s| !s.text.is_empty());
    for segment in spoken {
        let start = milliseconds(segment.start);
        let end = milliseconds(segment.start + segment.seconds).max(start + 1);
        let (start, end) = (seconds(start), seconds(end));
        let _ = writeln!(out, "{id} 1 {id} {start} {end} {}", segment.text);
    }
    out
}

/// NIST's trn, a recording a line: `words (ID)`, as `sclite -i spu_id` reads it.
pub fn trn(id: &str, transcript: &Transcript) -> String {
    let id = id.replace(char::is_whitespace, "_");
    format!("{} ({id})\n", transcript.text)
        .trim_start()
        .to_owned()
}

/// SubRip subtitles.
pub fn srt(transcript: &Transcript) -> String {
    let mut out = String::new();
    for (number, cue) in (1..).zip(cues(transcript)) {
        let (start, end) = (clock(cue.start, ','), clock(cue.end, ','));
        let _ = writeln!(out, "{number}\n{start} --> {end}\n{}\n", cue.text());
    }
    out
}

/// WebVTT subtitles (W3C).
pub fn vtt(transcript: &Transcript) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for cue in cues(transcript) {
        let (start, end) = (clock(cue.start, '.'), clock(cue.end, '.'));
        let text = cue
            .text()
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let _ = writeln!(out, "{start} --> {end}\n{text}\n");
    }
    out
}

/// A Praat TextGrid (long text format) with a tier of words and one of their tokens, whose symbols
/// `tokens` has. Where nothing is said, intervals are empty.
pub fn textgrid(transcript: &Transcript, tokens: &Tokens) -> String {
    let words = transcript.words().map(|word| {
        let (start, end) = span(word);
        (start, end, word.timed.text.as_str())
    });
    let symbol = |token: u32| tokens.symbols().get(token as usize).map_or("", |s| s);
    let emitted = transcript
        .words()
        .flat_map(|word| &word.timed.tokens)
        .map(|token| {
            let (start, end) = (milliseconds(token.start), milliseconds(token.end));
            (start, end, symbol(token.token))
        });
    // Praat knows no empty stretch of time.
    let total = milliseconds(transcript.seconds).max(1);
    let tiers = [
        ("words", intervals(words, total)),
        ("tokens", intervals(emitted, total)),
    ];
    let xmax = seconds(total);
    let mut out = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = {xmax}\ntiers? <exists>\nsize = {}\nitem []:\n",
        tiers.len()
    );
    for (number, (name, intervals)) in (1..).zip(tiers) {
        let _ = write!(
            out,
            "    item [{number}]:\n        class = \"IntervalTier\"\n        name = \"{name}\"\n        xmin = 0\n        xmax = {xmax}\n        intervals: size = {}\n",
            intervals.len()
        );
        for (number, Interval { start, end, text }) in (1..).zip(intervals) {
            let (start, end, text) = (seconds(start), seconds(end), text.replace('"', "\"\""));
            let _ = write!(
                out,
                "        intervals [{number}]:\n            xmin = {start}\n            xmax = {end}\n            text = \"{text}\"\n",
            );
        }
    }
    out
}

/// A stretch of a tier, milliseconds.
#[derive(Debug, PartialEq)]
struct Interval {
    start: u64,
    end: u64,
    text: String,
}

/// The intervals from 0 to `total` without a gap. What has no length joins its neighbour.
fn intervals<'a>(said: impl Iterator<Item = (u64, u64, &'a str)>, total: u64) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = Vec::new();
    let mut without_length: Vec<&str> = Vec::new();
    let mut before = 0;
    for (start, end, text) in said {
        let (start, end) = (start.clamp(before, total), end.min(total));
        without_length.push(text);
        if end <= start {
            continue;
        }
        intervals.extend(silence(before, start));
        intervals.push(Interval {
            start,
            end,
            text: std::mem::take(&mut without_length).join(" "),
        });
        before = end;
    }
    intervals.extend(silence(before, total));
    if let Some(last) = intervals.last_mut() {
        let texts = std::iter::once(last.text.as_str()).filter(|text| !text.is_empty());
        last.text = texts.chain(without_length).collect::<Vec<_>>().join(" ");
    }
    intervals
}

fn silence(start: u64, end: u64) -> Option<Interval> {
    let text = String::new();
    (start < end).then_some(Interval { start, end, text })
}

/// A subtitle.
struct Cue<'a> {
    /// Milliseconds.
    start: u64,
    end: u64,
    words: Vec<&'a str>,
}

/// Characters of a line of a subtitle, and lines of one: what broadcasters ask for.
const LINE: usize = 42;
const LINES: usize = 2;
/// The longest that a subtitle stays, ms.
const LONGEST: u64 = 7000;
/// A pause that ends a subtitle, ms.
const PAUSE: u64 = 700;

impl Cue<'_> {
    fn text(&self) -> String {
        lines(&self.words).join("\n")
    }
}

/// Words in lines; a word that is longer than a line has one of its own.
fn lines(words: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}

/// A subtitle ends at a pause, or when the next word finds no place or no time in it.
fn cues(transcript: &Transcript) -> Vec<Cue<'_>> {
    let mut cues: Vec<Cue> = Vec::new();
    for word in transcript.words() {
        let (start, end) = span(word);
        let text = word.timed.text.as_str();
        if let Some(cue) = cues.last_mut()
            && start < cue.end + PAUSE
            && end <= cue.start + LONGEST
        {
            cue.words.push(text);
            if lines(&cue.words).len() <= LINES {
                cue.end = cue.end.max(end);
                continue;
            }
            cue.words.pop();
        }
        cues.push(Cue {
            start,
            end,
            words: vec![text],
        });
    }
    cues
}

/// A word's beginning and end, ms.
fn span(word: &RecognisedWord) -> (u64, u64) {
    (milliseconds(word.timed.start), milliseconds(word.timed.end))
}

/// Whole milliseconds: what is rounded once stays in order, and neighbours meet exactly.
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// `HH:MM:SS,mmm` with the given sign before the milliseconds.
fn clock(milliseconds: u64, point: char) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{:02}:{:02}:{:02}{point}{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1000
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{TimedToken, TimedWord};
    use crate::recognise::Segment;

    /// Words with their beginnings and ends in seconds.
    fn transcript(words: &[(&str, f64, f64)], seconds: f64) -> Transcript {
        let words = words
            .iter()
            .map(|&(text, start, end)| RecognisedWord {
                timed: TimedWord {
                    text: text.to_owned(),
                    start,
                    end,
                    peak: 1.0,
                    tokens: vec![TimedToken {
                        token: 2,
                        start,
                        end,
                    }],
                },
                confidence: 0.75,
            })
            .collect();
        Transcript {
            segments: vec![Segment {
                start: 0.0,
                text: String::new(),
                seconds,
                hypotheses: Vec::new(),
                words,
            }],
            seconds,
            ..Transcript::default()
        }
    }

    #[test]
    fn a_ctm_line_has_its_six_fields() {
        let said = transcript(&[("it's", 0.1, 0.45), ("so", 0.45, 3700.5)], 3701.0);
        assert_eq!(
            ctm("a b", &said),
            "a_b 1 0.100 0.350 it's 0.7500\na_b 1 0.450 3700.050 so 0.7500\n"
        );
    }

    #[test]
    fn a_pause_begins_another_subtitle() {
        let said = transcript(
            &[
                ("one", 0.1, 0.4),
                ("two", 0.5, 1.0),
                ("three", 3661.0, 3661.5),
            ],
            3662.0,
        );
        assert_eq!(
            srt(&said),
            "1\n00:00:00,100 --> 00:00:01,000\none two\n\n2\n01:01:01,000 --> 01:01:01,500\nthree\n\n"
        );
        assert_eq!(
            vtt(&said),
            "WEBVTT\n\n00:00:00.100 --> 00:00:01.000\none two\n\n01:01:01.000 --> 01:01:01.500\nthree\n\n"
        );
    }

    #[test]
    fn a_recording_in_which_nothing_was_said_has_a_line_in_trn_and_none_in_stm() {
        let said = transcript(&[], 1.0);
        assert_eq!(trn("a b", &said), "(a_b)\n");
        assert_eq!(stm("a b", &said), "");
    }

    #[test]
    fn signs_of_markup_are_text() {
        let said = transcript(&[("a<b>&", 0.0, 0.4)], 1.0);
        assert!(vtt(&said).contains("\na&lt;b&gt;&amp;\n"));
        let said = transcript(&[("a\"b", 0.0, 0.4)], 1.0);
        assert!(textgrid(&said, &Tokens::characters()).contains("text = \"a\"\"b\""));
    }

    #[test]
    fn a_textgrid_fills_its_time() {
        let said = transcript(&[("a", 0.25, 0.5), ("b", 0.5, 0.75)], 1.0);
        let expected = "        class = \"IntervalTier\"
        name = \"words\"
        xmin = 0
        xmax = 1.000
        intervals: size = 4
        intervals [1]:
            xmin = 0.000
            xmax = 0.250
            text = \"\"
        intervals [2]:
            xmin = 0.250
            xmax = 0.500
            text = \"a\"
        intervals [3]:
            xmin = 0.500
            xmax = 0.750
            text = \"b\"
        intervals [4]:
            xmin = 0.750
            xmax = 1.000
            text = \"\"
";
        let found = textgrid(&said, &Tokens::characters());
        assert!(found.contains(expected), "{found}");
    }

    proptest! {
        /// Whatever was said, intervals follow each other without gap or overlap, subtitles keep
        /// their size, and no word is lost.
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(
            steps in prop::collection::vec((0.0f64..1.5, prop_oneof![Just(0.0), 0.0f64..2.0], "[a-z']{1,50}"), 0..40),
        ) {
            let mut at = 0.0;
            let said: Vec<(String, f64, f64)> = steps
                .into_iter()
                .map(|(pause, length, text)| {
                    let start = at + pause;
                    at = start + length;
                    (text, start, at)
                })
                .collect();
            let words: Vec<_> = said.iter().map(|(t, s, e)| (t.as_str(), *s, *e)).collect();
            let texts: Vec<&str> = words.iter().map(|word| word.0).collect();
            let said = transcript(&words, at + 0.1);

            let cues = cues(&said);
            let shown: Vec<&str> = cues.iter().flat_map(|cue| cue.words.clone()).collect();
            prop_assert_eq!(&shown, &texts);
            for pair in cues.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for cue in &cues {
                prop_assert!(cue.start <= cue.end && lines(&cue.words).len() <= LINES);
            }

            let total = milliseconds(said.seconds);
            let spans = words.iter().map(|&(text, s, e)| (milliseconds(s), milliseconds(e), text));
            let tier = intervals(spans, total);
            let mut before = 0;
            for interval in &tier {
                prop_assert_eq!(interval.start, before);
                prop_assert!(interval.end > interval.start);
                before = interval.end;
            }
            prop_assert_eq!(before, total);
            let texts_of_tier: Vec<&str> = tier
                .iter()
                .map(|interval| interval.text.as_str())
                .filter(|text| !text.is_empty())
                .collect();
            prop_assert_eq!(texts_of_tier.join(" "), texts.join(" "));
        }
    }
}
