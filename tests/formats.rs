//! The formats of `hearken transcribe` as readers of other makers see them.

use std::path::Path;
use std::process::Command;

mod python;

const SPEECH: &str = "english/251-118436-0000.wav";

/// The recording in a format, in a file of its name.
fn write(dir: &Path, format: &str, file: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["transcribe", "--format", format])
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data")
                .join(SPEECH),
        )
        .env_remove("HEARKEN_MODEL")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::write(dir.join(file), &text).unwrap();
    text
}

/// Label, start and end of everything that a reader found in a file.
fn entries(read: &serde_json::Value) -> Vec<(String, f64, f64)> {
    let entry = |entry: &serde_json::Value| {
        let label = entry[0].as_str().unwrap().replace('\n', " ");
        (
            label,
            entry[1].as_f64().unwrap(),
            entry[2].as_f64().unwrap(),
        )
    };
    read.as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn readers_of_other_makers_find_every_word_at_its_time() {
    let dir = tempfile::tempdir().unwrap();
    for format in ["ctm", "stm", "srt", "vtt"] {
        write(dir.path(), format, &format!("x.{format}"));
    }
    write(dir.path(), "textgrid", "x.TextGrid");
    let json = write(dir.path(), "json", "x.json");
    let script = "
import json, srt, webvtt
from praatio import textgrid
try:
    import meeteval
except ImportError:
    meeteval = None
clock = lambda c: sum(float(part) * unit for part, unit in zip(c.split(':'), (3600, 60, 1)))
grid = textgrid.openTextgrid('x.TextGrid', includeEmptyIntervals=False)
tier = lambda name: [[e.label, e.start, e.end] for e in grid.getTier(name).entries]
line = lambda text, l, end: [text, float(l.begin_time), float(end)]
print(json.dumps({
    'ctm': meeteval and [line(l.word, l, l.begin_time + l.duration) for l in meeteval.io.CTM.load('x.ctm').lines],
    'stm': meeteval and [line(l.transcript, l, l.end_time) for l in meeteval.io.STM.load('x.stm').lines],
    'srt': [[c.content, c.start.total_seconds(), c.end.total_seconds()] for c in srt.parse(open('x.srt').read())],
    'vtt': [[c.text, clock(c.start), clock(c.end)] for c in webvtt.read('x.vtt')],
    'words': tier('words'), 'tokens': tier('tokens')}))";
    let Some(read) = python::read("srt, webvtt, praatio", script, dir.path()) else {
        return;
    };

    let ours: serde_json::Value = serde_json::from_str(&json).unwrap();
    let time = |entry: &serde_json::Value, key: &str| entry[key].as_f64().unwrap();
    let timed = |entry: &serde_json::Value, label: &str| {
        let label = entry[label].as_str().unwrap().to_owned();
        (label, time(entry, "start"), time(entry, "end"))
    };
    let words = ours["words"].as_array().unwrap();
    let tokens = words
        .iter()
        .flat_map(|word| word["tokens"].as_array().unwrap());
    let tokens: Vec<_> = tokens.map(|token| timed(token, "token")).collect();
    let words: Vec<_> = words.iter().map(|word| timed(word, "word")).collect();
    assert!(words.len() > 10);
    let near = |a: f64, b: f64| (a - b).abs() < 0.0015;
    let same = |found: &[(String, f64, f64)], expected: &[(String, f64, f64)]| {
        assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.0 == expected.0 && near(found.1, expected.1) && near(found.2, expected.2),
                "{found:?} {expected:?}"
            );
        }
    };
    if read["ctm"].is_null() {
        eprintln!("CTM and STM were not read: no meeteval here");
    } else {
        same(&entries(&read["ctm"]), &words);
    }
    same(&entries(&read["words"]), &words);
    same(&entries(&read["tokens"]), &tokens);
    let documents = ["stm", "srt", "vtt"].into_iter();
    for format in documents.filter(|format| !read[format].is_null()) {
        let found = entries(&read[format]);
        let texts: Vec<&str> = found.iter().map(|(text, ..)| text.as_str()).collect();
        assert_eq!(texts.join(" "), ours["text"], "{format}");
        assert!(found[0].1 <= words[0].1 + 0.0015, "{format}");
        assert!(
            found[found.len() - 1].2 + 0.0015 >= words[words.len() - 1].2,
            "{format}"
        );
    }
}

#[test]
fn sclite_reads_ctm_stm_and_trn() {
    let sclite = |dir: &Path, arguments: &[&str]| {
        Command::new("sctk")
            .arg("sclite")
            .args(arguments)
            .current_dir(dir)
            .output()
    };
    let dir = tempfile::tempdir().unwrap();
    if sclite(dir.path(), &[]).is_err() {
        eprintln!("not run: no sclite here (Debian's sctk)");
        return;
    }
    for format in ["ctm", "stm", "trn"] {
        write(dir.path(), format, &format!("x.{format}"));
    }
    let words = std::fs::read_to_string(dir.path().join("x.ctm"))
        .unwrap()
        .lines()
        .count();
    for arguments in [
        "-r x.stm stm -h x.ctm ctm -o rsum stdout",
        "-r x.trn trn -h x.trn trn -i rm -o rsum stdout",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = sclite(dir.path(), &arguments).unwrap();
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let sum = report
            .lines()
            .find(|line| line.trim_start().starts_with("| Sum"))
            .unwrap_or_else(|| panic!("{report}"));
        // Sentences and words, then those that are right.
        let numbers: Vec<usize> = sum
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        assert_eq!((numbers[1], numbers[2]), (words, words), "{sum}");
    }
}
