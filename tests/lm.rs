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

/// Runs and fails the test unless it fails with status 1 and one line; gives the line.
fn refused(arguments: &[&str]) -> String {
    let output = lm(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("hearken: "), "{stderr}");
    stderr
}

/// A folder for one test, with paths in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn estimates_equal_those_of_lmplz() {
    let folder = Folder::new();
    let dev = unpacked("dev.txt.xz");
    let lines: Vec<&str> = dev.lines().take(300).collect();
    let tiny = folder.write("tiny.txt", lines.join("\n"));
    let dev = golden("dev.txt.xz");
    let (out, tiny, dev) = (&folder.path("out.arpa"), &tiny, dev.to_str().unwrap());
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

#[test]
fn queries_equal_those_of_kenlm() {
    let folder = Folder::new();
    let arpa = golden("dev.order3.arpa.xz");
    let (arpa, binary) = (arpa.to_str().unwrap(), &folder.path("dev.bin"));
    done(&["convert", arpa, binary]);
    let queries = golden("queries.txt.xz");
    let queries = queries.to_str().unwrap();
    let kenlm = std::fs::read_to_string(golden("queries.dev.order3.scores")).unwrap();
    for model in [arpa, binary] {
        let ours = done(&["score", "--lm", model, queries]);
        assert_eq!(ours.lines().count(), 200);
        for (ours, kenlm) in ours.lines().zip(kenlm.lines()) {
            let (log10, oov) = kenlm
                .strip_prefix("Total: ")
                .unwrap()
                .split_once(" OOV: ")
                .unwrap();
            let fields: Vec<&str> = ours.split('\t').collect();
            let difference = fields[0].parse::<f64>().unwrap() - log10.parse::<f64>().unwrap();
            assert!(difference.abs() < 1e-4, "{ours}: KenLM {log10}");
            assert_eq!(fields[1].parse(), Ok(fields[3].split(' ').count() + 1));
            assert_eq!(fields[2], oov, "{ours}");
        }
    }
}

#[test]
fn words_have_the_scores_and_the_n_gram_lengths_of_kenlm() {
    let arpa = golden("dev.order3.arpa.xz");
    let sentences: Vec<String> = unpacked("queries.txt.xz")
        .lines()
        .take(5)
        .map(String::from)
        .collect();
    let mut arguments = vec!["score", "--words", "--lm", arpa.to_str().unwrap()];
    sentences
        .iter()
        .for_each(|sentence| arguments.extend(["--sentence", sentence]));
    let ours = done(&arguments);
    let kenlm = std::fs::read_to_string(golden("queries.words.txt")).unwrap();
    // word=id, order, log10 p; then totals of the whole.
    let words: Vec<[&str; 3]> = kenlm
        .split_terminator(['\t', '\n'])
        .filter_map(|word| {
            let [word, order, log10] = word.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some([word.rsplit_once('=')?.0, order, log10])
        })
        .collect();
    assert_eq!(words.len(), ours.lines().count());
    for (ours, [word, order, log10]) in ours.lines().zip(words) {
        let fields: Vec<&str> = ours.split('\t').collect();
        assert_eq!((fields[0], fields[2]), (word, order));
        let difference = fields[1].parse::<f32>().unwrap() - log10.parse::<f32>().unwrap();
        assert!(difference.abs() < 1e-5, "{ours}: KenLM {log10}");
    }
}

#[test]
fn json_has_natural_logarithms_and_what_the_text_has() {
    let arpa = golden("dev.order3.arpa.xz");
    let arpa = arpa.to_str().unwrap();
    let line = done(&[
        "score",
        "--lm",
        arpa,
        "--format",
        "json",
        "--words",
        "--sentence",
        "of the gelatinous",
    ]);
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&object["text"], &object["tokens"], &object["oov"]),
        (&"of the gelatinous".into(), &4.into(), &1.into())
    );
    let (log10, ln) = (
        object["log10"].as_f64().unwrap(),
        object["ln"].as_f64().unwrap(),
    );
    assert!((ln / log10 - std::f64::consts::LN_10).abs() < 1e-9);
    let words = object["words"].as_array().unwrap();
    let sum: f64 = words
        .iter()
        .map(|word| word["log10"].as_f64().unwrap())
        .sum();
    assert!((sum - log10).abs() < 1e-5);
    let last = &words[3];
    assert_eq!(
        (&last["word"], &last["oov"]),
        (&"</s>".into(), &false.into())
    );
    let report = done(&[
        "perplexity",
        "--lm",
        arpa,
        "--format",
        "json",
        "--sentence",
        "of the gelatinous",
    ]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let perplexity = report["perplexity"].as_f64().unwrap();
    assert!((perplexity - 10f64.powf(-log10 / 4.0)).abs() < 1e-6 * perplexity);
    assert_eq!(
        (&report["tokens"], &report["oov"], &report["sentences"]),
        (&4.into(), &1.into(), &1.into())
    );
}

#[test]
fn a_model_survives_every_conversion() {
    let folder = Folder::new();
    let arpa = golden("dev.order3.arpa.xz");
    let mut from = arpa.to_str().unwrap().to_string();
    for name in ["a.bin", "b.arpa.gz", "c.bin", "d.arpa"] {
        let to = folder.path(name);
        done(&["convert", &from, &to]);
        from = to;
    }
    assert_eq!(
        std::fs::read(folder.path("a.bin")).unwrap(),
        std::fs::read(folder.path("c.bin")).unwrap()
    );
    assert_same_model(
        &std::fs::read_to_string(&from).unwrap(),
        &unpacked("dev.order3.arpa.xz"),
    );
    let quantised = folder.path("q.bin");
    done(&["convert", &from, &quantised, "--quantize", "8"]);
    let size = |path: &str| std::fs::metadata(path).unwrap().len();
    assert!(size(&quantised) < size(&folder.path("a.bin")) * 4 / 5);
}

/// Two utterances' worth of words, again and again: no discounts come of it.
const SMALL: &str = "he hoped there would be stew for dinner\nstew for dinner would be hoped for\n";

#[test]
fn bad_training_text_is_refused_with_one_line_and_nothing_is_written() {
    let folder = Folder::new();
    let long = folder.write("long.txt", vec![b'x'; 10_000_000]);
    let latin = folder.write("latin.txt", b"one two\ntwo caf\xe9 one\n");
    let empty = folder.write("empty.txt", "");
    let blank = folder.write("blank.txt", "\n  \n");
    let word = folder.write("word.txt", "hello\n");
    let small = folder.write("small.txt", SMALL);
    let symbols = folder.write("symbols.txt", "a b\n<s> a b </s>\n");
    let strangers = folder.write("strangers.txt", "nobody\nknows\n");
    let before = folder.files();
    for name in ["out.arpa", "out.arpa.gz", "out.bin"] {
        let out = &folder.path(name);
        for (arguments, expected) in [
            (vec![&*empty], "no words in"),
            (vec![&*blank], "no words in"),
            (vec![&*word], "one word only, `hello`"),
            (
                vec![&*long],
                "long.txt, line 1 is longer than 1048576 bytes",
            ),
            (
                vec![&*latin],
                "latin.txt, line 2: byte 8 of the line is not UTF-8",
            ),
            (
                vec![&*symbols],
                "symbols.txt, line 2: `<s>` has a meaning of its own",
            ),
            (vec![&*small, "--vocab", "1"], "one word only"),
            (
                vec![&*small, "--vocab", &strangers],
                "the vocabulary has no word",
            ),
            (
                vec![&*small],
                "no Kneser–Ney discounts for order 1: it has 4, 5, 0 and 0 n-grams",
            ),
            (vec![&*small, "--order", "60"], "lower --order"),
            (vec!["/nowhere/text.txt"], "cannot read /nowhere/text.txt"),
        ] {
            let line = refused(&[&["train", "--out", out], &arguments[..]].concat());
            assert!(line.contains(expected), "{expected}: {line}");
            assert_eq!(folder.files(), before);
        }
        // What stood there before still stands.
        std::fs::write(out, "precious").unwrap();
        refused(&["train", "--out", out, &latin]);
        assert_eq!(std::fs::read_to_string(out).unwrap(), "precious");
        done(&["train", "--out", out, &small, "--discount-fallback"]);
        done(&[
            "train",
            "--out",
            out,
            &long,
            &small,
            "--discount-fallback",
            "--max-line",
            "20000000",
        ]);
        std::fs::remove_file(out).unwrap();
    }
    let line = refused(&["train", "--out", &folder.path("model"), &small]);
    assert!(line.contains("end its name in .arpa"), "{line}");
    let line = refused(&["train", "--out", &folder.path("no/such/lm.bin"), &small]);
    assert!(line.contains("there is no folder"), "{line}");
}

#[test]
fn bad_models_are_refused_with_one_line() {
    let folder = Folder::new();
    let small = folder.write("small.txt", SMALL);
    let model = &folder.path("a.bin");
    done(&["train", "--out", model, &small, "--discount-fallback"]);
    let bytes = std::fs::read(model).unwrap();
    let cut = folder.write("cut.bin", &bytes[..bytes.len() / 2]);
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 20] ^= 1;
    let flipped = folder.write("flipped.bin", flipped);
    let kenlm = folder.write(
        "kenlm.bin",
        b"mmap lm http://kheafield.com/code format version 5\n\0and more",
    );
    let arpa = &folder.path("a.arpa");
    done(&["convert", model, arpa]);
    let text = std::fs::read_to_string(arpa).unwrap();
    let broken = folder.write("broken.arpa", text.replacen("\tstew\t", "\tstew\tnot ", 1));
    let cut_arpa = folder.write("cut.arpa", &text[..text.len() / 2]);
    let line_of_stew = 1 + text
        .lines()
        .position(|line| line.contains("\tstew\t"))
        .unwrap();
    for (name, expected) in [
        (&cut, "cut short: ".to_string()),
        (&flipped, "its checksum is not that of its data".to_string()),
        (
            &kenlm,
            "it is a binary of KenLM, which only KenLM reads; convert the ARPA file".to_string(),
        ),
        (&broken, format!("broken.arpa, line {line_of_stew}: ")),
        (&cut_arpa, "cut.arpa, line ".to_string()),
        (&small, "not an ARPA file".to_string()),
        (&folder.path("none.bin"), "cannot read".to_string()),
    ] {
        let out = folder.path("out.arpa");
        for arguments in [
            vec!["perplexity", "--lm", name, "--sentence", "stew"],
            vec!["score", "--lm", name, "--sentence", "stew"],
            vec!["generate", "--lm", name],
            vec!["convert", name, &out],
            vec!["interpolate", model, name, "--dev", &small, "--out", &out],
        ] {
            let line = refused(&arguments);
            assert!(
                line.contains(&expected) && line.contains(name.as_str()),
                "{arguments:?}: {line}"
            );
            assert!(!folder.files().contains(&"out.arpa".to_string()));
        }
    }
}

#[test]
fn models_of_different_vocabularies_are_mixed_only_when_told() {
    let folder = Folder::new();
    let small = folder.write("small.txt", SMALL);
    let other = folder.write(
        "other.txt",
        "he hoped there would be turnips for supper\nfor supper he hoped\n",
    );
    let (a, b) = (&folder.path("a.bin"), &folder.path("b.bin"));
    done(&["train", "--out", a, &small, "--discount-fallback"]);
    done(&["train", "--out", b, &other, "--discount-fallback"]);
    let arguments = [
        "perplexity",
        "--lm",
        a,
        "--lm",
        b,
        "--sentence",
        "stew for supper",
        "--format",
        "json",
    ];
    let line = refused(&arguments);
    assert!(
        line.contains("`stew` is only in") && line.contains("--unequal-vocabularies"),
        "{line}"
    );
    let mixed = done(&[&arguments[..], &["--unequal-vocabularies"]].concat());
    let mixed: serde_json::Value = serde_json::from_str(&mixed).unwrap();
    assert_eq!(mixed["oov"], 0);
}

#[test]
fn a_word_outside_the_vocabulary_is_unknown_in_scores_and_refused_in_prompts() {
    let folder = Folder::new();
    let small = folder.write("small.txt", SMALL);
    let model = &folder.path("a.bin");
    done(&["train", "--out", model, &small, "--discount-fallback"]);
    let score = done(&["score", "--lm", model, "--sentence", "stew for gelatinous"]);
    assert_eq!(
        score.split('\t').collect::<Vec<_>>()[1..],
        ["4", "1", "stew for gelatinous\n"]
    );
    let line = refused(&["generate", "--lm", model, "--prompt", "stew for gelatinous"]);
    assert!(
        line.contains("`gelatinous` of the prompt is not in the model's vocabulary"),
        "{line}"
    );
    let empty = folder.write("empty.txt", "");
    let line = refused(&["perplexity", "--lm", model, &empty]);
    assert!(line.contains("no words in"), "{line}");
}

#[test]
fn generated_text_is_that_of_its_seed_and_of_its_options() {
    let folder = Folder::new();
    let model = golden("dev.order3.arpa.xz");
    let model = model.to_str().unwrap();
    let generate =
        |more: &[&str]| done(&[&["generate", "--lm", model, "--sentences", "3"], more].concat());
    let text = generate(&["--seed", "1"]);
    assert_eq!(text.lines().count(), 3);
    assert_eq!(text, generate(&["--seed", "1"]));
    assert_ne!(text, generate(&["--seed", "2"]));
    let greedy = generate(&["--temperature", "0", "--prompt", "i have"]);
    assert!(
        greedy.lines().all(|line| line.starts_with("i have ")),
        "{greedy}"
    );
    assert_eq!(
        greedy,
        generate(&["--top-k", "1", "--prompt", "i have", "--seed", "9"])
    );
    assert_eq!(
        greedy,
        generate(&["--top-p", "0", "--prompt", "i have", "--seed", "9"])
    );
    let words: Vec<usize> = generate(&["--max-tokens", "4"])
        .lines()
        .map(|line| line.split(' ').count())
        .collect();
    assert!(words.iter().all(|&words| words <= 4), "{words:?}");
    // A sentence that the model writes, it scores.
    let score = done(&["score", "--lm", model, &folder.write("text.txt", &text)]);
    assert!(
        score
            .lines()
            .all(|line| line.split('\t').nth(2) == Some("0")),
        "{score}"
    );
}

#[test]
fn a_model_over_characters_has_bits_a_character() {
    let folder = Folder::new();
    let dev = golden("dev.txt.xz");
    let model = &folder.path("c.bin");
    done(&[
        "train",
        "--unit",
        "character",
        "--order",
        "6",
        "--discount-fallback",
        "--out",
        model,
        dev.to_str().unwrap(),
    ]);
    let report = done(&[
        "perplexity",
        "--lm",
        model,
        "--format",
        "json",
        "--sentence",
        "it was a small room",
    ]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["tokens"], 20);
    let bits = report["bits_per_character"].as_f64().unwrap();
    assert!((bits - report["perplexity"].as_f64().unwrap().log2()).abs() < 1e-9);
    assert!(bits > 1.0 && bits < 4.0, "{bits}");
    let text = done(&[
        "generate",
        "--lm",
        model,
        "--prompt",
        "it was",
        "--max-tokens",
        "30",
    ]);
    assert!(
        text.starts_with("it was") && !text.contains("<space>"),
        "{text}"
    );
}

#[test]
fn interpolated_models_are_better_than_their_parts_and_pruning_keeps_what_was_asked_for() {
    let folder = Folder::new();
    let dev = unpacked("dev.txt.xz");
    let lines: Vec<&str> = dev.lines().collect();
    let (a, b) = (
        folder.write("a.txt", lines[..300].join("\n")),
        folder.write("b.txt", lines[300..600].join("\n")),
    );
    let held_out = folder.write("dev.txt", lines[600..].join("\n"));
    let perplexity = |models: &[&str]| -> f64 {
        let models = models.iter().flat_map(|model| ["--lm", model]);
        let rest = ["--unequal-vocabularies", "--format", "json", &held_out];
        let report = done(
            &["perplexity"]
                .into_iter()
                .chain(models)
                .chain(rest)
                .collect::<Vec<_>>(),
        );
        serde_json::from_str::<serde_json::Value>(&report).unwrap()["perplexity"]
            .as_f64()
            .unwrap()
    };
    let models = [folder.path("a.arpa"), folder.path("b.bin")];
    done(&["train", "--out", &models[0], &a]);
    done(&["train", "--out", &models[1], &b, "--order", "2"]);
    let mixed = folder.path("mixed.bin");
    done(&[
        "interpolate",
        &models[0],
        &models[1],
        "--dev",
        &held_out,
        "--out",
        &mixed,
    ]);
    assert!(perplexity(&[&mixed]) < perplexity(&[&models[0]]).min(perplexity(&[&models[1]])));
    let pruned = folder.path("pruned.arpa");
    done(&["convert", &mixed, &pruned, "--prune", "3000"]);
    let (_, counts) = arpa(&std::fs::read_to_string(&pruned).unwrap());
    let kept: u64 = counts[1..]
        .iter()
        .map(|line| line.split_once('=').unwrap().1.parse::<u64>().unwrap())
        .sum();
    assert!(kept <= 3000 && kept > 2900, "{counts:?}");
    assert!(perplexity(&[&pruned]) < perplexity(&[&mixed]) * 1.2);
    done(&["convert", &mixed, &pruned, "--prune-entropy", "1e-5"]);
    let (_, fewer) = arpa(&std::fs::read_to_string(&pruned).unwrap());
    assert_ne!(counts, fewer);
}

const RNN: &str = r#"
[model]
vocabulary = 0
cell = "lstm"
cells = 32
embedding = 16
projection = 16
tied = true
dropout = 0.0
[batches]
context = "sentence"
[train]
epochs = 6
batch-frames = 60
shortest-first = false
optimiser = { learning-rate = 0.01, weight-decay = 0.0 }
schedule = { warmup-steps = 5 }
"#;

/// Sentences with a subject that decides the verb at their end.
fn agreeing() -> String {
    (0..60)
        .map(|i| {
            let fill = ["big", "old", "red"][i % 3];
            let (subject, verb) = [("cat", "purrs"), ("dog", "barks")][i / 3 % 2];
            format!("the {subject} that is {fill} and {fill} {verb}\n")
        })
        .collect()
}

fn rnn(folder: &Folder, name: &str, config: &str) -> String {
    let text = folder.write("agreeing.txt", agreeing());
    let config = folder.write("rnn.toml", config);
    let out = folder.path(name);
    // The text ten times over: an epoch's checkpoints cost more than its steps.
    let head = ["train", "--rnn", &config, "--dev", &text, "--out", &out];
    done(&[&head[..], &[&*text; 10]].concat());
    out
}

/// A bigram of a text that is small.
fn bigram(text: &str, out: &str) {
    let head = ["train", "--order", "2", "--discount-fallback", "--out"];
    done(&[&head[..], &[out, text]].concat());
}

fn perplexity(arguments: &[&str]) -> f64 {
    let line = done(&[&["perplexity", "--format", "json"], arguments].concat());
    let report: serde_json::Value = serde_json::from_str(&line).unwrap();
    report["perplexity"].as_f64().unwrap()
}

#[test]
fn a_recurrent_model_is_trained_scored_mixed_and_writes() {
    let folder = Folder::new();
    let model = rnn(&folder, "rnn", RNN);
    let text = folder.path("agreeing.txt");
    let ngram = folder.path("two.bin");
    bigram(&text, &ngram);
    let alone = perplexity(&["--lm", &model, &text]);
    let bigram = perplexity(&["--lm", &ngram, &text]);
    assert!(alone < 1.5 && alone < bigram, "{alone} {bigram}");
    let mixed = perplexity(&["--lm", &ngram, "--lm", &model, "--dev", &text, &text]);
    assert!(mixed < bigram && mixed < alone * 1.001, "{mixed}");
    // What contradicts the text that it was trained on is learnt when it comes again and again.
    let odd = folder.write("odd.txt", "the cat that is old and old barks\n".repeat(20));
    let surprised = perplexity(&["--lm", &model, &odd]);
    let dynamic = perplexity(&["--lm", &model, "--dynamic", "0.05", &odd]);
    assert!(dynamic < 0.9 * surprised, "{dynamic} {surprised}");
    let line = refused(&["perplexity", "--lm", &model, "--across-lines", &text]);
    assert!(line.contains("trained on sentences alone"), "{line}");
    // The word at the start decides the one at the end.
    let likely = |end: &str| {
        let sentence = format!("the cat that is old and old {end}");
        let line = done(&["score", "--lm", &model, "--sentence", &sentence]);
        line.split('\t').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(likely("purrs") > likely("barks") + 1.0);
    let written = done(&[
        "generate",
        "--lm",
        &model,
        "--prompt",
        "the dog",
        "--temperature",
        "0",
    ]);
    assert!(written.starts_with("the dog that is"), "{written}");
    assert!(written.trim_end().ends_with("barks"), "{written}");
    // Again: the run is over, and the same model comes out.
    let weights = std::fs::read(Path::new(&model).join("weights.safetensors")).unwrap();
    rnn(&folder, "rnn", RNN);
    assert_eq!(
        std::fs::read(Path::new(&model).join("weights.safetensors")).unwrap(),
        weights
    );
}

#[test]
fn a_recurrent_model_goes_on_from_another_with_other_text() {
    let folder = Folder::new();
    let model = rnn(&folder, "rnn", RNN);
    let odd = folder.write("odd.txt", "the cat that is old and old barks\n".repeat(20));
    let config = folder.path("rnn.toml");
    let adapted = folder.path("adapted");
    let begin = ["train", "--rnn", &config, "--init", &model, "--dev", &odd];
    done(&[&begin[..], &["--out", &adapted, &odd]].concat());
    let surprised = perplexity(&["--lm", &model, &odd]);
    let used = perplexity(&["--lm", &adapted, &odd]);
    assert!(used < 0.9 * surprised, "{used} {surprised}");
    // The words are those of the first text, in the first model's order.
    let words = |model: &str| std::fs::read(Path::new(model).join("vocabulary.xz")).unwrap();
    assert_eq!(words(&adapted), words(&model));
    let wider = folder.write("wider.toml", RNN.replace("cells = 32", "cells = 40"));
    let before = folder.files();
    let out = folder.path("out");
    let begin = ["train", "--rnn", &wider, "--init", &model, "--dev", &odd];
    let line = refused(&[&begin[..], &["--out", &out, &odd]].concat());
    assert!(
        line.contains("cells: 32") && line.contains("cells: 40"),
        "{line}"
    );
    assert_eq!(folder.files(), before);
}

#[test]
fn a_recurrent_model_over_characters_has_bits_a_character() {
    let folder = Folder::new();
    let config = RNN
        .replace("vocabulary = 0", "vocabulary = 0\nunit = \"character\"")
        .replace("\"sentence\"", "\"stream\"\nstreams = 4\nsteps = 20")
        .replace("epochs = 6", "epochs = 2");
    let model = rnn(&folder, "characters", &config);
    let line = done(&[
        "perplexity",
        "--lm",
        &model,
        "--across-lines",
        &folder.path("agreeing.txt"),
    ]);
    let bits = line.split(" bits a character").next().unwrap();
    let bits: f64 = bits.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(bits > 0.0 && bits < 2.5, "{line}");
}

#[test]
fn bad_input_of_a_recurrent_model_is_refused_with_one_line_and_nothing_is_written() {
    let folder = Folder::new();
    let good = folder.write("good.txt", agreeing());
    let empty = folder.write("empty.txt", "");
    let word = folder.write("word.txt", "hello\nhello hello\n");
    let latin = folder.write("latin.txt", b"one two\ntwo caf\xe9 one\n");
    let long = folder.write("long.txt", vec![b'x'; 10_000_000]);
    let symbols = folder.write("symbols.txt", "a b\na </s> b\n");
    let config = folder.write("rnn.toml", RNN);
    let unknown_key = folder.write("key.toml", RNN.replace("cells", "celles"));
    let untied = folder.write(
        "tied.toml",
        RNN.replace("projection = 16", "projection = 8"),
    );
    let cut = RNN.replace(
        "tied = true",
        "softmax = { kind = \"adaptive\", cutoffs = [90000] }",
    );
    let cut = folder.write("cut.toml", cut);
    let before = folder.files();
    let out = folder.path("out");
    for (config, dev, text, expected) in [
        (&config, &good, &empty, "no words in"),
        (&config, &empty, &good, "no words in"),
        (&config, &good, &word, "one word only, `hello`"),
        (&config, &good, &latin, "latin.txt, line 2: byte 8"),
        (&config, &latin, &good, "latin.txt, line 2: byte 8"),
        (&config, &good, &long, "long.txt, line 1 is longer"),
        (&config, &good, &symbols, "symbols.txt, line 2: `</s>`"),
        (&unknown_key, &good, &good, "celles"),
        (&untied, &good, &good, "set `model.projection = 16`"),
        (&cut, &good, &good, "`model.softmax` cuts"),
    ] {
        let line = refused(&["train", "--rnn", config, "--dev", dev, "--out", &out, text]);
        assert!(line.contains(expected), "{expected}: {line}");
        assert_eq!(folder.files(), before);
    }
    let line = refused(&["perplexity", "--lm", &folder.path("nowhere/"), &good]);
    assert!(line.contains("nowhere"), "{line}");
    let ngram = folder.path("two.bin");
    bigram(&good, &ngram);
    let line = refused(&["perplexity", "--lm", &ngram, "--dynamic", "0.1", &good]);
    assert!(line.contains("are for recurrent models"), "{line}");
    let model = rnn(&folder, "rnn", &RNN.replace("epochs = 6", "epochs = 1"));
    let other = folder.write("other.txt", "a b\nb c a\nc\n");
    let strange = folder.path("strange.bin");
    bigram(&other, &strange);
    let line = refused(&["perplexity", "--lm", &model, "--lm", &strange, &good]);
    assert!(line.contains("different vocabularies"), "{line}");
    let weights = Path::new(&model).join("weights.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let line = refused(&["score", "--lm", &model, "--sentence", "the cat"]);
    assert!(
        line.contains("weights.safetensors is not the file"),
        "{line}"
    );
}
