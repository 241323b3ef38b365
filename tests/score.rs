//! Scoring against jiwer and sclite, and `hearken score` as a user runs it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use hearken::score::{Costs, ErrorCounts, align, mapsswe, segments};

/// The generator of tests/golden/score/pairs.py.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    fn word(&mut self, vocabulary: u64) -> &'static str {
        const VOCABULARY: [&str; 16] = [
            "a", "ab", "b", "ba", "abc", "c", "cab", "bb", "d", "dad", "e", "bed", "f", "fade",
            "g", "h",
        ];
        VOCABULARY[self.below(vocabulary) as usize]
    }

    /// A reference and a hypothesis, drawn as pairs.py draws them.
    fn pair(&mut self) -> (Vec<&'static str>, Vec<&'static str>) {
        let vocabulary = [2, 3, 6, 16][self.below(4) as usize];
        let reference: Vec<_> = (0..self.below(16)).map(|_| self.word(vocabulary)).collect();
        let mut hypothesis = Vec::new();
        if self.below(2) == 0 {
            hypothesis.extend((0..self.below(16)).map(|_| self.word(vocabulary)));
        } else {
            for &word in &reference {
                match self.below(10) {
                    0..6 => hypothesis.push(word),
                    6 | 7 => hypothesis.push(self.word(vocabulary)),
                    8 => hypothesis.extend([word, self.word(vocabulary)]),
                    _ => {}
                }
            }
        }
        (reference, hypothesis)
    }
}

/// A hypothesis of mapsswe.py: `errors` of 30 words are wrong.
fn mistake(lcg: &mut Lcg, reference: &[&'static str], errors: u64) -> Vec<&'static str> {
    let mut hypothesis = Vec::new();
    for &word in reference {
        match lcg.below(30) {
            edit if edit >= errors => hypothesis.push(word),
            edit if edit % 3 == 0 => hypothesis.push(lcg.word(16)),
            edit if edit % 3 == 1 => hypothesis.extend([word, lcg.word(16)]),
            _ => {}
        }
    }
    hypothesis
}

fn parts(counts: ErrorCounts) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    [counts.substitutions, counts.deletions, counts.insertions]
        .map(|count| char::from(DIGITS[count as usize]))
        .iter()
        .collect()
}

#[test]
fn the_parts_are_jiwers_and_sclites_on_5000_random_pairs() {
    let golden = include_str!("golden/score/parts.txt").lines().skip(1);
    let mut lcg = Lcg(2013);
    let mut pairs = 0;
    for line in golden {
        let (reference, hypothesis) = lcg.pair();
        let (reference, hypothesis) = (reference.join(" "), hypothesis.join(" "));
        let ours = [
            ErrorCounts::words(&reference, &hypothesis, Costs::Levenshtein),
            ErrorCounts::characters(&reference, &hypothesis, Costs::Levenshtein),
            ErrorCounts::words(&reference, &hypothesis, Costs::Sclite),
        ];
        let ours = ours.map(parts).join(" ");
        assert_eq!(
            ours, line,
            "pair {pairs}: \"{reference}\" and \"{hypothesis}\""
        );
        pairs += 1;
    }
    assert_eq!(pairs, 5000);
}

#[test]
fn the_matched_pairs_test_is_that_of_sc_stats() {
    let mut lcg = Lcg(1989);
    let mut systems = 0;
    for line in include_str!("golden/score/mapsswe.txt").lines().skip(1) {
        let golden: Vec<f64> = line
            .split(' ')
            .map(|field| field.parse().unwrap())
            .collect();
        let [first, second, count, mean, deviation, z] = golden[..] else {
            panic!("{line}")
        };
        let mut all = Vec::new();
        for _ in 0..150 {
            let words = 1 + lcg.below(25);
            let reference: Vec<_> = (0..words).map(|_| lcg.word(16)).collect();
            let first = mistake(&mut lcg, &reference, first as u64);
            let second = mistake(&mut lcg, &reference, second as u64);
            all.extend(segments(
                &align(&reference, &first, Costs::Sclite),
                &align(&reference, &second, Costs::Sclite),
            ));
        }
        let ours = mapsswe(&all);
        assert_eq!(ours.segments, count as usize, "{line}");
        // sc_stats prints three decimals.
        for (ours, golden) in [(ours.mean, mean), (ours.deviation, deviation), (ours.z, z)] {
            assert!(
                (ours - golden).abs() < 0.000_51,
                "{line}: {ours} and {golden}"
            );
        }
        systems += 1;
    }
    assert_eq!(systems, 7);
}

/// A folder of transcript files, and `hearken score` run in it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearken"));
        command
            .current_dir(self.folder.path())
            .arg("score")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = self.text(&[arguments, &["--format", "json"]].concat());
        assert_eq!(text.lines().count(), 1);
        serde_json::from_str(&text).unwrap()
    }

    fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        stderr
    }
}

const REF: &str = "u1 the cat sat on the mat\nu2 hello world\nu3 a b\n";
const HYP: &str = "u3 b x\nu1 the hat sat the mat now\nu2 hello world\n";

#[test]
fn rates_are_per_cent_in_text_and_fractions_in_json() {
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP)]);
    let text = bench.text(&["ref", "hyp"]);
    assert!(
        text.starts_with("%WER 50.00 [ 5 / 10, 1 ins, 1 del, 3 sub ] 95% interval "),
        "{text}"
    );
    assert!(text.contains("%SER 66.67 [ 2 / 3 ]"), "{text}");
    assert!(
        text.contains("scored 3 utterances; 0 references without"),
        "{text}"
    );
    let json = bench.json(&["ref", "hyp"]);
    assert_eq!(json["wer"], 0.5);
    assert_eq!(json["words"], 10);
    let parts = ["substitutions", "deletions", "insertions"].map(|part| json[part].as_u64());
    assert_eq!(parts, [Some(3), Some(1), Some(1)]);
    assert_eq!(json["utterances"], 3);
    let interval = &json["wer_interval"];
    assert!(interval["low"].as_f64() < Some(0.5) && interval["high"].as_f64() > Some(0.5));
    assert_eq!(json["characters"]["reference"], 22 + 11 + 3);
    let cer = json["cer"].as_f64().unwrap();
    assert!(cer > 0.0 && cer < 0.5);
}

#[test]
fn sclite_alignment_gives_sclites_parts() {
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP)]);
    let json = bench.json(&["ref", "hyp", "--alignment", "sclite"]);
    let parts = ["substitutions", "deletions", "insertions"].map(|part| json[part].as_u64());
    assert_eq!(parts, [Some(1), Some(2), Some(2)]);
}

#[test]
fn the_layouts_mix_with_bom_and_carriage_returns() {
    let trn = "the hat sat the mat now (u1)\r\nhello world (u2)\r\nb x (u3)\r\n";
    let tab =
        "\u{feff}x/u1.flac\tthe hat sat the mat now\nx/u2.flac\thello world\nx/u3.flac\tb x\n";
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP), ("trn", trn), ("tab", tab)]);
    let expected = bench.text(&["ref", "hyp"]);
    assert_eq!(bench.text(&["ref", "trn"]), expected);
    assert_eq!(bench.text(&["ref", "tab"]), expected);
}

#[test]
fn hypotheses_come_from_standard_input_too() {
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP)]);
    let mut child = bench.command(&["ref", "-"]);
    let mut child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(HYP.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        bench.text(&["ref", "hyp"])
    );
    assert!(bench.failure(&["-", "-"]).contains("standard input"));
}

#[test]
fn an_id_in_one_file_only_is_named_unless_told_otherwise() {
    let bench = Bench::new(&[
        ("ref", REF),
        ("hyp", "u1 the cat sat on the mat\nu9 spare\n"),
    ]);
    let error = bench.failure(&["ref", "hyp"]);
    assert!(
        error.contains("`u2` is in ref and not in hyp (2 references"),
        "{error}"
    );
    let delete = bench.json(&["ref", "hyp", "--missing", "delete"]);
    assert_eq!(
        (&delete["deletions"], &delete["words"]),
        (&4.into(), &10.into())
    );
    assert_eq!(
        delete["without_hypothesis"],
        serde_json::json!(["u2", "u3"])
    );
    let skip = bench.json(&["ref", "hyp", "--missing", "skip"]);
    assert_eq!((&skip["wer"], &skip["words"]), (&0.0.into(), &6.into()));
    assert_eq!(skip["without_reference"], serde_json::json!(["u9"]));
    let text = bench.text(&["ref", "hyp", "--missing", "skip"]);
    assert!(text.contains("2 references without a hypothesis, 1 hypotheses without a reference"));
}

#[test]
fn normalisation_is_asked_for_and_the_want_of_it_is_said() {
    let bench = Bench::new(&[
        ("ref", "u1 WELL-KNOWN, DON’T\n"),
        ("hyp", "u1 well known don't\n"),
    ]);
    let output = bench.run(&["ref", "hyp"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--normalise lower-case"));
    assert_eq!(bench.json(&["ref", "hyp"])["wer"], 1.5);
    assert_eq!(
        bench.json(&["ref", "hyp", "--normalise", "english"])["wer"],
        0.0
    );
    let steps = "lower-case,hyphens-to-spaces";
    assert_eq!(
        bench.json(&["ref", "hyp", "--normalise", steps])["substitutions"],
        2
    );
    assert_eq!(
        bench
            .run(&["ref", "hyp", "--normalise", "lowercase"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn an_empty_reference_has_a_stated_rate() {
    let bench = Bench::new(&[("ref", "u1\n"), ("hyp", "u1 a b c\n"), ("none", "u1\n")]);
    assert_eq!(bench.json(&["ref", "hyp"])["wer"], 3.0);
    assert_eq!(bench.json(&["ref", "none"])["wer"], 0.0);
}

#[test]
fn speakers_and_alignments_are_shown() {
    let bench = Bench::new(&[
        ("ref", REF),
        ("hyp", HYP),
        ("utt2spk", "u1 s1\nu2 s2\nu3 s1\n"),
    ]);
    let text = bench.text(&["ref", "hyp", "--speakers", "utt2spk", "--alignments=1"]);
    assert!(
        text.starts_with("u1 (4 correct, 1 sub, 1 del, 1 ins)\nREF: the CAT"),
        "{text}"
    );
    assert!(text.contains("\ns1           2       8   62.50 "), "{text}");
    assert!(!text.contains("REF: hello"));
    let json = bench.json(&["ref", "hyp", "--speakers", "utt2spk", "--alignments"]);
    assert_eq!(json["speakers"][1]["speaker"], "s2");
    assert_eq!(json["alignments"].as_array().unwrap().len(), 3);
    assert_eq!(
        json["alignments"][0]["pairs"][1],
        serde_json::json!(["substitution", "cat", "hat"])
    );
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP), ("utt2spk", "u1 s1\n")]);
    assert!(
        bench
            .failure(&["ref", "hyp", "--speakers", "utt2spk"])
            .contains("`u2` has no speaker")
    );
}

#[test]
fn two_systems_are_compared() {
    let bench = Bench::new(&[("ref", REF), ("hyp", HYP), ("best", REF)]);
    let text = bench.text(&["ref", "best", "--against", "hyp"]);
    assert!(text.contains("paired bootstrap: -50.00 points"), "{text}");
    assert!(
        text.contains("matched pairs (MAPSSWE): 3 segments"),
        "{text}"
    );
    let json = bench.json(&["ref", "best", "--against", "hyp", "--seed", "3"]);
    assert_eq!(json["against"]["wer"], 0.5);
    assert_eq!(
        json["against"]["comparison"]["bootstrap"]["difference"],
        -0.5
    );
    let again = bench.json(&["ref", "best", "--against", "hyp", "--seed", "3"]);
    assert_eq!(json, again);
    let plain = bench.json(&["ref", "best", "--against", "hyp", "--bootstrap", "0"]);
    assert!(plain["wer_interval"].is_null());
}

#[test]
fn bad_files_give_one_line_that_names_them() {
    let bench = Bench::new(&[("ref", REF), ("empty", "\n"), ("twice", "u1 a\nu1 b\n")]);
    assert!(
        bench
            .failure(&["ref", "nowhere"])
            .contains("cannot read nowhere")
    );
    assert!(bench.failure(&["ref", "."]).contains("cannot read ."));
    assert!(
        bench
            .failure(&["ref", "empty"])
            .contains("empty has no transcripts")
    );
    assert!(
        bench
            .failure(&["ref", "twice"])
            .contains("twice, line 2: `u1` is there twice")
    );
}
