//! `hearken align` as a user runs it, and long recordings, with the English model in the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(file)
}

const SPEECH: &str = "english/1462-170138-0001.wav";
const TEXT: &str = "Hugh's written a delightful part for her, and she's quite inexpressible.";

fn hearken(command: &str) -> Command {
    let mut hearken = Command::new(env!("CARGO_BIN_EXE_hearken"));
    hearken.arg(command).env_remove("HEARKEN_MODEL");
    hearken
}

fn align(arguments: &[&str]) -> Output {
    hearken("align")
        .arg(data(SPEECH))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Start, end and word of every line of a CTM.
fn times(ctm: &str) -> Vec<(f64, f64, String)> {
    ctm.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let start: f64 = fields[2].parse().unwrap();
            (
                start,
                start + fields[3].parse::<f64>().unwrap(),
                fields[4].to_owned(),
            )
        })
        .collect()
}

fn never_go_backwards(times: &[(f64, f64, String)]) -> bool {
    let in_order = |pair: &[(f64, f64, String)]| pair[0].1 <= pair[1].0 + 1e-6;
    times.windows(2).all(in_order) && times.iter().all(|(start, end, _)| start < end)
}

#[test]
fn every_word_of_the_text_gets_its_time_by_letters_and_by_phones() {
    let expected = "hugh's written a delightful part for her and she's quite inexpressible";
    let mut starts = Vec::new();
    for output in ["0", "1"] {
        let found = times(&stdout(&align(&["--text", TEXT, "--output", output])));
        let words: Vec<&str> = found.iter().map(|(.., word)| word.as_str()).collect();
        assert_eq!(words.join(" "), expected);
        assert!(never_go_backwards(&found), "{found:?}");
        assert!(found.last().unwrap().1 <= 3.985 + 1e-6);
        starts.push(found.iter().map(|(start, ..)| *start).collect::<Vec<_>>());
    }
    for (letters, phones) in starts[0].iter().zip(&starts[1]) {
        assert!((letters - phones).abs() < 0.25, "{starts:?}");
    }
}

#[test]
fn the_wrong_text_is_doubted() {
    let right = align(&["--text", TEXT]);
    let wrong = align(&["--text", "a completely different sentence of words"]);
    assert!(
        stderr(&wrong).contains("doubtful from"),
        "{}",
        stderr(&wrong)
    );
    assert!(stderr(&wrong).len() > stderr(&right).len());
}

#[test]
fn what_cannot_be_aligned_is_one_clear_line() {
    let long = "word ".repeat(2000);
    for (text, output, said) in [
        ("", "0", "no words"),
        ("12 ...", "0", "no words"),
        (long.as_str(), "0", "too long for the recording"),
        ("hugh's written a xqzt", "1", "`xqzt`"),
        ("hugh's", "7", "outputs"),
    ] {
        let output = align(&["--text", text, "--output", output]);
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert!(message.contains(said), "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        assert!(output.stdout.is_empty());
    }
    let missing = hearken("align").arg(data(SPEECH)).output().unwrap();
    assert!(stderr(&missing).contains("--text"), "{}", stderr(&missing));
}

/// Both recordings in turn, eight times each: 82 seconds of speech and 16 pauses.
fn long_recording(dir: &Path) -> (PathBuf, Vec<String>) {
    let mut samples: Vec<i16> = Vec::new();
    let mut spec = None;
    for _ in 0..8 {
        for file in [SPEECH, "english/251-118436-0000.wav"] {
            let mut reader = hound::WavReader::open(data(file)).unwrap();
            spec = Some(reader.spec());
            samples.extend(reader.samples::<i16>().map(Result::unwrap));
            samples.extend(vec![0; 8000]);
        }
    }
    let path = dir.join("long.wav");
    let mut writer = hound::WavWriter::create(&path, spec.unwrap()).unwrap();
    samples
        .iter()
        .for_each(|s| writer.write_sample(*s).unwrap());
    writer.finalize().unwrap();
    let texts = std::fs::read_to_string(data("english/text")).unwrap();
    let texts: Vec<String> = texts
        .lines()
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect();
    (path, (0..16).map(|at| texts[at % 2].clone()).collect())
}

#[test]
fn a_long_recording_is_joined_without_losing_or_doubling_words() {
    let dir = tempfile::tempdir().unwrap();
    let (path, texts) = long_recording(dir.path());
    let output = hearken("transcribe")
        .args(["--format", "json"])
        .arg(&path)
        .output()
        .unwrap();
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert!(object["segments"].as_array().unwrap().len() >= 3);
    let words = object["words"].as_array().unwrap();
    let time = |word: &serde_json::Value, key: &str| word[key].as_f64().unwrap();
    assert!(
        words
            .windows(2)
            .all(|pair| time(&pair[0], "end") <= time(&pair[1], "start") + 1e-9)
    );
    let joined: Vec<&str> = words.iter().map(|w| w["word"].as_str().unwrap()).collect();
    assert_eq!(object["text"], joined.join(" "));
    // As many words as were said: none lost and none doubled where windows and segments meet.
    let said = texts.iter().flat_map(|text| text.split(' ')).count();
    assert!(
        words.len().abs_diff(said) <= said / 20,
        "{} words, {said} were said: {}",
        words.len(),
        object["text"]
    );

    let streamed = hearken("transcribe")
        .arg("--stream")
        .arg(&path)
        .output()
        .unwrap();
    let streamed = stdout(&streamed);
    assert!(streamed.lines().count() >= 3, "{streamed}");
    assert_eq!(streamed.split_whitespace().collect::<Vec<_>>(), joined);
    let streamed = hearken("transcribe")
        .args(["--stream", "--format", "ctm"])
        .arg(&path)
        .output()
        .unwrap();
    let found = times(&stdout(&streamed));
    assert!(never_go_backwards(&found), "{found:?}");
    assert_eq!(found.len(), joined.len());
}

#[test]
fn a_long_text_is_aligned_with_a_long_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (path, texts) = long_recording(dir.path());
    let file = dir.path().join("text");
    std::fs::write(&file, texts.join("\n")).unwrap();
    let output = hearken("align")
        .arg(&path)
        .arg("--text-file")
        .arg(&file)
        .output()
        .unwrap();
    let found = times(&stdout(&output));
    assert!(never_go_backwards(&found), "{found:?}");
    // Each sentence begins where its recording does.
    let (mut word, mut begins) = (0, 0.0);
    for (at, text) in texts.iter().enumerate() {
        let length = if at % 2 == 0 { 3.985 } else { 6.26 };
        let start = found[word].0;
        assert!(
            (begins - 0.1..begins + 1.2).contains(&start),
            "sentence {at} at {start}, and its recording begins at {begins}"
        );
        word += text.split(' ').count();
        begins += length + 0.5;
    }
    assert_eq!(word, found.len());
}
