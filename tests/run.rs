//! `hearken run` as a user runs it, on a corpus of ten digits.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const DIGITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

const EXPERIMENT: &str = r#"
name = "tiny"
precision = "f32"

[data]
train = [{ corpus = "folder", path = "digits" }]
dev = [{ corpus = "folder", path = "digits" }]

[features]
recipe = "fbank40-8k"

[augment]
speeds = [0.9, 1.0]

[augment.specaugment]
from-epoch = 2

[model]
layers = 1
cells = 8
dropout = 0.1
output = [{ tokens = "characters" }]

[train]
epochs = 20
batch-frames = 100
weight-noise = 0.01
average-best = 2
checkpoint-steps = 2

[train.optimiser]
learning-rate = 0.01
"#;

/// A folder with an experiment, and the ten digits with their transcripts beside them.
fn workplace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let digits = dir.path().join("digits");
    std::fs::create_dir(&digits).unwrap();
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/digits");
    for entry in std::fs::read_dir(recordings).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wav") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let digit: usize = name[..1].parse().unwrap();
            std::fs::copy(&path, digits.join(path.file_name().unwrap())).unwrap();
            std::fs::write(digits.join(format!("{name}.txt")), DIGITS[digit]).unwrap();
        }
    }
    std::fs::write(dir.path().join("tiny.toml"), EXPERIMENT).unwrap();
    dir
}

fn command(dir: &Path, out: &str, extra: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearken"));
    command
        .args(["run", "tiny.toml", "--data-root", ".", "--out", out])
        .args(extra)
        .current_dir(dir)
        .env_remove("HEARKEN_DATA")
        .env_remove("HEARKEN_RUNS")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(dir: &Path, out: &str, extra: &[&str]) -> Output {
    command(dir, out, extra).output().unwrap()
}

fn weights(dir: &Path, out: &str) -> Vec<u8> {
    let file: PathBuf = dir.join(out).join("tiny/train/final.safetensors");
    std::fs::read(file).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    let dir = workplace();
    let started = Instant::now();
    let output = run(dir.path(), "whole", &[]);
    let whole = started.elapsed();
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = weights(dir.path(), "whole");

    let mut killed = 0;
    for attempt in 0.. {
        assert!(attempt < 60, "the run never came to its end");
        let mut child = command(dir.path(), "killed", &[]).spawn().unwrap();
        // Each attempt lives a little longer into the run than the one before.
        let life = whole.mul_f64(0.15 + 0.11 * f64::from(attempt % 8));
        let begun = Instant::now();
        let finished = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if begun.elapsed() > life {
                break false;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if finished {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(killed > 0, "no run was killed");
    assert_eq!(weights(dir.path(), "killed"), expected);
    let metrics =
        std::fs::read_to_string(dir.path().join("killed/tiny/train/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 20);
}

#[test]
fn the_bytes_do_not_depend_on_the_threads_and_the_seed_matters() {
    let dir = workplace();
    for (out, extra) in [
        (
            "one",
            ["--threads", "1", "--set", "train.epochs=3"].as_slice(),
        ),
        ("two", &["--threads", "2", "--set", "train.epochs=3"]),
        ("seed", &["--seed", "7", "--set", "train.epochs=3"]),
    ] {
        let output = run(dir.path(), out, extra);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(weights(dir.path(), "one"), weights(dir.path(), "two"));
    assert_ne!(weights(dir.path(), "one"), weights(dir.path(), "seed"));
}

#[test]
fn a_run_leaves_what_the_design_says() {
    let dir = workplace();
    let output = run(
        dir.path(),
        "runs",
        &["--set", "train.epochs=2", "--weights", "int8"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("dev digits: WER"), "{stdout}");
    let run = dir.path().join("runs/tiny");
    for file in [
        "config.toml",
        "results.json",
        "report.html",
        "train/checkpoint.safetensors",
        "train/metrics.jsonl",
        "train/final.safetensors",
        "decode/digits.ref.txt",
        "decode/digits.hyp.txt",
        "model/model.toml",
        "model/model.safetensors",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let events = std::fs::read_dir(run.join("train")).unwrap().flatten();
    assert!(
        events
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .any(|name| name.starts_with("events.out.tfevents"))
    );
    let results: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    assert_eq!(results["train"][0]["utterances"], 10);
    let record = std::fs::read_to_string(run.join("train/metrics.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(record.lines().next().unwrap()).unwrap();
    for key in [
        "train_loss",
        "dev_loss",
        "gradient_norm",
        "frames_per_second",
    ] {
        assert!(record[key].as_f64().unwrap() > 0.0, "{key}");
    }
    for key in ["cer", "wer", "blank_fraction"] {
        assert!(record["figures"][key].is_number(), "{key}");
    }

    // What the run decoded, `score` reads, and `transcribe` says with the model that it wrote.
    let score = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("score")
        .args([
            run.join("decode/digits.ref.txt"),
            run.join("decode/digits.hyp.txt"),
        ])
        .output()
        .unwrap();
    assert!(score.status.success(), "{}", stderr(&score));
    let transcribe = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["transcribe", "--model"])
        .arg(run.join("model"))
        .args(["--precision", "f32"])
        .arg(dir.path().join("digits/4_theo_0.wav"))
        .output()
        .unwrap();
    assert!(transcribe.status.success(), "{}", stderr(&transcribe));
    let hypotheses = std::fs::read_to_string(run.join("decode/digits.hyp.txt")).unwrap();
    let expected = hypotheses
        .lines()
        .find_map(|l| l.strip_prefix("4_theo_0"))
        .unwrap();
    let found = String::from_utf8(transcribe.stdout).unwrap();
    assert_eq!(found.trim(), expected.trim());

    let again = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("report")
        .arg(&run)
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    let list = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["runs", "--out"])
        .arg(dir.path().join("runs"))
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&list.stdout).contains("tiny\t"),
        "{}",
        stderr(&list)
    );
}

/// One file, two runs: the record of each goes by its own name.
#[test]
fn a_run_by_another_name_leaves_the_record_of_the_first_alone() {
    let dir = workplace();
    let record = |more: &[&str]| {
        let short = ["--record", "--set", "train.epochs=1"];
        let output = run(dir.path(), "runs", &[&short, more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    };
    record(&[]);
    let first = std::fs::read(dir.path().join("tiny.results.json")).unwrap();
    record(&["--set", "name=smaller", "--set", "model.cells=4"]);
    assert_eq!(
        std::fs::read(dir.path().join("tiny.results.json")).unwrap(),
        first
    );
    let second = std::fs::read_to_string(dir.path().join("smaller.results.json")).unwrap();
    let second: serde_json::Value = serde_json::from_str(&second).unwrap();
    assert_eq!(second["name"], "smaller");
}

#[test]
fn training_starts_from_a_model_and_names_what_does_not_match() {
    let dir = workplace();
    let first = run(dir.path(), "first", &["--set", "train.epochs=2"]);
    assert!(first.status.success(), "{}", stderr(&first));
    let start = "init-from=./first/tiny/model";
    let second = run(
        dir.path(),
        "second",
        &["--set", "train.epochs=1", "--set", start],
    );
    assert!(second.status.success(), "{}", stderr(&second));
    assert!(
        !stderr(&second).contains("starting from"),
        "{}",
        stderr(&second)
    );
    let wider = [
        "--set",
        "train.epochs=1",
        "--set",
        start,
        "--set",
        "model.layers=2",
    ];
    let third = run(dir.path(), "third", &wider);
    assert!(third.status.success(), "{}", stderr(&third));
    assert!(
        stderr(&third).contains("`recurrent.1.w`"),
        "{}",
        stderr(&third)
    );
}

/// The numbers of a weight file.
fn numbers(file: &Path) -> Vec<f32> {
    let bytes = std::fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort();
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let of = |name| tensors.tensor(name).unwrap().data().to_vec();
    let all: Vec<u8> = names.into_iter().flat_map(of).collect();
    all.chunks_exact(4).map(number).collect()
}

/// `mean.toml` starts from what `left.toml` and `right.toml` train, which both start from `first.toml`.
#[test]
fn one_file_trains_all_that_it_starts_from_and_a_mean_of_networks_is_one() {
    let dir = workplace();
    let write = |name: &str, epochs: usize, start: &str| {
        let text = EXPERIMENT
            .replace(
                "\"tiny\"",
                &format!("\"{name}\"\nseed = {}\n{start}", name.len()),
            )
            .replace("epochs = 20", &format!("epochs = {epochs}"));
        std::fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
    };
    write("first", 2, "");
    write("left", 1, "init-from = \"first.toml\"");
    write("right", 1, "init-from = \"first.toml\"");
    let both = "init-from = { \"left.toml\" = 1, \"right.toml\" = 3.0 }";
    write("mean", 0, both);
    let hearken = |file: &str, extra: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args(["run", file, "--data-root", ".", "--out", "runs"])
            .args(extra)
            .current_dir(dir.path())
            .env_remove("HEARKEN_DATA")
            .output()
            .unwrap()
    };
    let works = |file: &str, extra: &[&str]| {
        let output = hearken(file, extra);
        assert!(output.status.success(), "{}", stderr(&output));
        output
    };
    let refused = |file: &str, why: &str| {
        let output = hearken(file, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    };
    let plan = works("mean.toml", &["--dry-run"]);
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    let order: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("experiment   "))
        .collect();
    assert_eq!(order, ["first", "left", "right", "mean"], "{plan}");
    assert!(
        plan.contains("the weights of 1 of left, 3 of right"),
        "{plan}"
    );

    works("mean.toml", &[]);
    let runs = dir.path().join("runs");
    let network = |name: &str| runs.join(name).join("train/final.safetensors");
    let mean = runs.join("mean/model/model.safetensors");
    let [first, left, right] = ["first", "left", "right"].map(|name| numbers(&network(name)));
    assert!(left != right && left != first);
    let whole = numbers(&mean);
    for ((mean, left), right) in whole.iter().zip(&left).zip(&right) {
        assert!((mean - (0.25 * left + 0.75 * right)).abs() < 1e-6);
    }
    let read = |file: &str| std::fs::read_to_string(runs.join("mean").join(file)).unwrap();
    let results: serde_json::Value = serde_json::from_str(&read("results.json")).unwrap();
    assert_eq!(results["steps"], 0);
    assert!(!read("report.html").contains("<h2>Training"));
    assert!(read("model/model.toml").contains("init-from = \"1 of left, 3 of right\""));

    // What is there is left as it is, and what is not is trained as before.
    let time = |file: &Path| std::fs::metadata(file).unwrap().modified().unwrap();
    let written = (time(&network("left")), time(&mean));
    std::fs::remove_dir_all(runs.join("right")).unwrap();
    write("after", 1, "init-from = \"mean.toml\"");
    let again = stderr(&works("after.toml", &[]));
    let said = again.contains("left is trained") && again.contains("training right");
    assert!(said, "{again}");
    assert_eq!((time(&network("left")), time(&mean)), written);
    assert_eq!(numbers(&network("right")), right);

    // A network of another recipe, or from another start, is not taken for the one that is there.
    write("left", 3, "init-from = \"first.toml\"");
    refused("mean.toml", "another configuration");
    write("left", 1, "init-from = \"first.toml\"");
    write("first", 3, "");
    std::fs::remove_dir_all(runs.join("first")).unwrap();
    refused("mean.toml", "began with other weights");
}

#[test]
fn training_on_expected_errors_goes_on_from_a_model() {
    let dir = workplace();
    let still = [
        "--set",
        "augment.specaugment.from-epoch=0",
        "--set",
        "model.dropout=0.0",
    ];
    let first = run(
        dir.path(),
        "first",
        &[&still[..], &["--set", "train.epochs=40"]].concat(),
    );
    assert!(first.status.success(), "{}", stderr(&first));
    let expected = ["--set", "expected-loss={samples=4,ctc-weight=0.0}"];
    let refused = run(dir.path(), "refused", &expected);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("give `init-from`"),
        "{}",
        stderr(&refused)
    );
    let start = [
        "--set",
        "init-from=./first/tiny/model",
        "--set",
        "train.epochs=10",
    ];
    let second = run(
        dir.path(),
        "second",
        &[&still[..], &expected, &start].concat(),
    );
    assert!(second.status.success(), "{}", stderr(&second));
    let metrics =
        std::fs::read_to_string(dir.path().join("second/tiny/train/metrics.jsonl")).unwrap();
    let errors: Vec<f64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|record| record["train_loss"].as_f64().unwrap())
        .collect();
    // Each epoch's loss is the number of errors that was to be expected.
    assert!(errors[9] < 0.9 * errors[0], "{errors:?}");
}

#[test]
fn a_run_goes_on_only_with_its_own_configuration() {
    let dir = workplace();
    assert!(
        run(dir.path(), "runs", &["--set", "train.epochs=1"])
            .status
            .success()
    );
    let output = run(dir.path(), "runs", &["--set", "train.epochs=2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("another configuration"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_dry_run_prints_the_plan_and_touches_nothing() {
    let dir = workplace();
    let output = run(dir.path(), "runs", &["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let plan = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["parameters", "digits", "MiB a step"] {
        assert!(plan.contains(part), "{plan}");
    }
    let tight = run(dir.path(), "runs", &["--dry-run", "--memory", "1K"]);
    assert_eq!(tight.status.code(), Some(1));
    assert!(
        stderr(&tight).contains("a training step needs"),
        "{}",
        stderr(&tight)
    );
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_wrong_configuration_is_refused_before_any_work() {
    let dir = workplace();
    for (from, to, key) in [
        ("layers = 1", "layer = 1", "`layer`"),
        ("cells = 8", "cells = \"eight\"", "expected usize"),
        ("layers = 1", "layers = 9", "`model.layers`"),
        ("dropout = 0.1", "dropout = 1.5", "`model.dropout`"),
        ("epochs = 20", "epochs = 0", "`train.epochs`"),
        ("corpus = \"folder\"", "corpus = \"folders\"", "folders"),
        ("name = \"tiny\"", "name = \"../tiny\"", "`name`"),
        (
            "learning-rate = 0.01",
            "learning-rate = -1",
            "learning-rate",
        ),
    ] {
        let text = EXPERIMENT.replacen(from, to, 1);
        let line = 1 + text.lines().position(|line| line.contains(to)).unwrap();
        std::fs::write(dir.path().join("tiny.toml"), text).unwrap();
        let output = run(dir.path(), "runs", &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{to}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            message.contains(&format!("tiny.toml:{line}:")),
            "{to}: {message}"
        );
        assert!(message.contains(key), "{to}: {message}");
        assert!(!dir.path().join("runs").exists());
    }
}

#[test]
fn missing_corpora_are_named_with_what_to_do() {
    let dir = workplace();
    std::fs::remove_dir_all(dir.path().join("digits")).unwrap();
    let output = run(dir.path(), "runs", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--data-root"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn every_experiment_of_the_repository_has_a_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for entry in std::fs::read_dir(root.join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            found += 1;
            let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
                .arg("run")
                .arg(&path)
                .arg("--dry-run")
                .env_remove("HEARKEN_DATA")
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                path.display(),
                stderr(&output)
            );
        }
    }
    assert!(found >= 3);
}

#[test]
fn characters_and_phones_train_side_by_side_on_layers_of_their_own() {
    let dir = workplace();
    // `nine` has no pronunciation: its phone output learns nothing, its characters do.
    let lexicon = "zero  Z IH1 R OW0\none  W AH1 N\ntwo  T UW1\nthree  TH R IY1\nfour  F AO1 R\n\
                   five  F AY1 V\nsix  S IH1 K S\nseven  S EH1 V AH0 N\neight  EY1 T\n";
    std::fs::write(dir.path().join("lexicon"), lexicon).unwrap();
    let outputs = "model.output=[{tokens=\"phones\",layer=1,weight=0.5},{tokens=\"characters\"}]";
    let settings = [
        "--set",
        outputs,
        "--set",
        "model.layers=2",
        "--set",
        "data.lexicon=lexicon",
        "--set",
        "decode.output=1",
        "--set",
        "train.epochs=2",
    ];
    let output = run(dir.path(), "runs", &settings);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 utterances have a word without a pronunciation"));
    let metrics =
        std::fs::read_to_string(dir.path().join("runs/tiny/train/metrics.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    for key in ["per", "cer.output1", "wer.output1"] {
        assert!(record["figures"][key].is_number(), "{key}: {record}");
    }
    // Without the lexicon the configuration is refused.
    let refused = run(dir.path(), "other", &settings[..2]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("data.lexicon"),
        "{}",
        stderr(&refused)
    );
}

/// A unigram of the ten digits.
fn digits_arpa() -> String {
    let mut arpa =
        "\\data\\\nngram 1=13\n\n\\1-grams:\n-9\t<unk>\n-99\t<s>\t0\n-0.3\t</s>\n".to_owned();
    for digit in DIGITS {
        arpa.push_str(&format!("-1\t{digit}\n"));
    }
    arpa + "\n\\end\\\n"
}

#[test]
fn the_transcripts_of_training_data_are_mixed_into_the_language_model() {
    let dir = workplace();
    // Some words are much more frequent than others, and some are rare: the discounts need both.
    let mut state = 1u64;
    let mut word = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let share = (state >> 33) as f64 / f64::from(1u32 << 31);
        match (share.powi(3) * 400.0) as usize {
            digit @ 0..10 => DIGITS[9 - digit].to_owned(),
            other => format!("word{other}"),
        }
    };
    let text: Vec<String> = (0..400)
        .map(|_| (0..5).map(|_| word()).collect::<Vec<_>>().join(" "))
        .collect();
    std::fs::write(dir.path().join("text.txt"), text.join("\n")).unwrap();
    let settings = |set: &str| {
        let domain = format!("lm.domain={{transcripts=[\"{set}\"],order=2}}");
        let lm = [
            "lm.texts=[\"text.txt\"]",
            "lm.order=2",
            &domain,
            "train.epochs=1",
        ];
        lm.iter()
            .flat_map(|&s| ["--set".to_owned(), s.to_owned()])
            .collect::<Vec<_>>()
    };
    let run = |set: &str| {
        let settings = settings(set);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        run(dir.path(), "runs", &settings)
    };
    let refused = run("digit");
    assert_eq!(refused.status.code(), Some(1));
    let line = stderr(&refused);
    assert!(
        line.contains("`digit` is no set of `data.train`, which has digits"),
        "{line}"
    );
    let output = run("digits");
    assert!(output.status.success(), "{}", stderr(&output));
    let line = stderr(&output);
    assert!(line.contains("of a 2-gram from 10 transcripts"), "{line}");
    // Digits alone, as the dev data have them, are nothing that the text has.
    let share: f64 = line
        .split("mixed ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(share < 0.5, "{line}");
}

#[test]
fn a_language_model_is_tuned_and_ships_with_the_model() {
    let dir = workplace();
    std::fs::write(dir.path().join("digits.arpa"), digits_arpa()).unwrap();
    let lexicon = "zero Z IH R OW\none W AH N\ntwo T UW\nthree TH R IY\nfour F AO R\n\
        five F AY V\nsix S IH K S\nseven S EH V AH N\neight EY T\nnine N AY N\nten T EH N\n";
    std::fs::write(dir.path().join("digits.dict"), lexicon).unwrap();
    let settings = [
        "--set",
        "lm.ngram=\"digits.arpa\"",
        "--set",
        "data.lexicon=\"digits.dict\"",
        "--set",
        "model.output=[{tokens=\"characters\"},{tokens=\"phones\"}]",
        "--set",
        "decode.output=1",
        "--set",
        "train.epochs=3",
    ];
    let output = run(dir.path(), "runs", &settings);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("alpha 0.00 beta 0.00: "),
        "{}",
        stderr(&output)
    );
    let results = std::fs::read_to_string(dir.path().join("runs/tiny/results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    let oracle = results["tuning"]["oracle"].as_f64().unwrap();
    assert!(oracle <= results["sets"][0]["rates"]["wer"]["rate"].as_f64().unwrap());
    assert!(results["tuning"]["cross_entropy"].is_array());
    let model = dir.path().join("runs/tiny/model");
    let shipped = std::fs::read_to_string(model.join("lexicon")).unwrap();
    assert!(shipped.contains("seven S EH V AH N\n") && !shipped.contains("ten"));
    let description = std::fs::read_to_string(model.join("model.toml")).unwrap();
    assert!(description.contains("\"ngram.bin\""), "{description}");
    // The words come out of the lexicon; the same from the model that was written.
    let hypotheses =
        std::fs::read_to_string(dir.path().join("runs/tiny/decode/digits.hyp.txt")).unwrap();
    let words = hypotheses.lines().flat_map(|l| l.split(' ').skip(1));
    assert!(words.clone().all(|w| DIGITS.contains(&w)));

    let manifest = dir.path().join("m.jsonl");
    let line = |(digit, word): (usize, &str)| {
        let file = std::fs::read_dir(dir.path().join("digits"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| name.starts_with(&digit.to_string()) && name.ends_with(".wav"))
            .unwrap();
        format!(
            "{{\"id\":\"u{digit}\",\"audio\":\"digits/{file}\",\"text\":\"{word}\",\"speaker\":\"s\",\"duration\":0.5}}\n"
        )
    };
    let lines: String = DIGITS.into_iter().enumerate().map(line).collect();
    std::fs::write(&manifest, lines).unwrap();
    let tune = |extra: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_hearken"))
            .arg("tune")
            .arg("--model")
            .arg(&model)
            .arg("--manifest")
            .arg(&manifest)
            .args(extra)
            .current_dir(dir.path())
            .output()
            .unwrap()
    };
    let output = tune(&["--output", "0", "--beam", "20"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rates: Vec<f64> = said
        .lines()
        .filter_map(|line| {
            let figure = line.split("WER ").nth(1)?;
            figure.split('%').next()?.parse().ok()
        })
        .collect();
    // Letters: a search without the language model is among those that are tried.
    assert!(rates.len() >= 2, "{said}");
    assert!(rates.is_sorted_by(|none, tuned| tuned <= none), "{said}");
    let description = std::fs::read_to_string(model.join("model.toml")).unwrap();
    assert!(
        description.contains("beam = 20") && description.contains("output = 0"),
        "{description}"
    );
}

#[test]
fn a_study_leaves_its_page_and_stands_in_the_list_of_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recall.toml");
    let study = "study = \"long-memory\"\nname = \"recall\"\ncompare = [\"lstm\", \"rnn-tanh\"]\ndistances = [2, 3]\ncells = 8\nsymbols = 2\nbatch = 4\nsteps = 3\n[train]\nepochs = 2\n";
    std::fs::write(&file, study).unwrap();
    let hearken = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args(arguments)
            .arg("--out")
            .arg(dir.path().join("runs"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let printed = hearken(&["run", file.to_str().unwrap()]);
    assert_eq!(
        printed.matches("recalled, gradient").count(),
        4,
        "{printed}"
    );
    let page = std::fs::read_to_string(dir.path().join("runs/recall/report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(hearken(&["runs"]).contains("recall\t"));
    std::fs::write(
        &file,
        study.replace("distances = [2, 3]", "distances = [0]"),
    )
    .unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("run")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("distances"));
}
