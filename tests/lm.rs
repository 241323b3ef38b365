//! `hearken lm` as a user runs it, and against KenLM's own numbers.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/lm/");

fn golden(name: &str) -> PathBuf {
    Path::new(GOLDEN).join(name)
}

fn unpacked(name: &str) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(golden(name)).unwrap();
    liblzma::read::XzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn lm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("lm")
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs and fails the test unless the exit status is 0; gives standard output.
fn done(arguments: &[&str]) -> String {
    let output = lm(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The n-grams of an ARPA text with their probability and back-off, and its counts.
fn arpa(text: &str) -> (HashMap<String, (f32, f32)>, Vec<String>) {
    let mut ngrams = HashMap::new();
    let mut counts = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            [prob, words] => ngrams.insert(words.to_string(), (prob.parse().unwrap(), 0.0)),
            [prob, words, backoff] => ngrams.insert(
                words.to_string(),
                (prob.parse().unwrap(), backoff.parse().unwrap()),
            ),
            _ => {
                counts.extend(line.starts_with("ngram ").then(|| line.to_string()));
                None
            }
        };
    }
    (ngrams, counts)
}

fn assert_same_model(ours: &str, kenlm: &str) {
    let (ours, our_counts) = arpa(ours);
    let (kenlm, counts) = arpa(kenlm);
    assert_eq!(our_counts, counts);
    assert_eq!(ours.len(), kenlm.len());
    for (words, (prob, backoff)) in kenlm {
        let (our_prob, our_backoff) = ours[&words];
        assert!(
            (our_prob - prob).abs() < 1e-5,
            "{words}: {our_prob}, KenLM {prob}"
        );
        assert!(
            (our_backoff - backoff).abs() < 1e-5,
            "{words}: back-off {our_backoff}, KenLM {backoff}"
        );
    }
}

#[test]
fn estimates_equal_those_of_lmplz() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.arpa");
    let tiny = folder.path().join("tiny.txt");
    let dev = unpacked("dev.txt.xz");
    let lines: Vec<&str> = dev.lines().take(300).collect();
    std::fs::write(&tiny, lines.join("\n")).unwrap();
    let dev = golden("dev.txt.xz");
    let (out, tiny, dev) = (
        out.to_str().unwrap(),
        tiny.to_str().unwrap(),
        dev.to_str().unwrap(),
    );
    for (arguments, name) in [
        (vec!["train", tiny, "--order", "2"], "tiny.order2.arpa.xz"),
        (vec!["train", dev, "--order", "3"], "dev.order3.arpa.xz"),
        (
            vec!["train", dev, "--order", "3", "--prune", "0", "0", "1"],
            "dev.order3.prune-0-0-1.arpa.xz",
        ),
    ] {
        done(&[arguments, vec!["--out", out]].concat());
        assert_same_model(&std::fs::read_to_string(out).unwrap(), &unpacked(name));
    }
}
