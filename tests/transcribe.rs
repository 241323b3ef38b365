//! `hearken transcribe` as a user runs it, with the model in the binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(file)
}

fn hearken() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearken"));
    command.args(["transcribe", "--model", "digits"]);
    command.env_remove("HEARKEN_MODEL");
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The ten digits that were named before the model was trained, and their words.
fn digits() -> Vec<(PathBuf, String)> {
    std::fs::read_to_string(data("digits/text"))
        .unwrap()
        .lines()
        .map(|line| {
            let (id, word) = line.split_once(' ').unwrap();
            (data(&format!("digits/{id}.wav")), word.to_owned())
        })
        .collect()
}

#[test]
fn the_digits_of_the_demo_are_recognised() {
    let digits = digits();
    let output = hearken()
        .args(digits.iter().map(|(file, _)| file))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut right = 0;
    for (line, (file, word)) in stdout(&output).lines().zip(&digits) {
        let (name, found) = line.split_once('\t').unwrap();
        assert_eq!(name, file.display().to_string());
        right += usize::from(found == word);
    }
    assert!(right >= 9, "{}", stdout(&output));
}

#[test]
fn one_file_gives_its_words_alone() {
    let output = hearken()
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "seven\n", "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_wav_comes_from_standard_input() {
    let mut child = hearken()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wav = std::fs::read(data("digits/7_jackson_0.wav")).unwrap();
    child.stdin.take().unwrap().write_all(&wav).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "seven\n", "{}", stderr(&output));
}

#[test]
fn json_has_the_text_and_as_many_hypotheses_as_asked_for() {
    let output = hearken()
        .args(["--format", "json", "--nbest", "3"])
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(object["text"], "seven");
    assert!(
        object["file"]
            .as_str()
            .unwrap()
            .ends_with("7_jackson_0.wav")
    );
    let hypotheses = object["segments"][0]["nbest"].as_array().unwrap();
    assert_eq!(hypotheses.len(), 3);
    let scores: Vec<f64> = hypotheses
        .iter()
        .map(|h| h["score"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn the_parts_of_a_score_are_those_of_each_model() {
    let hypotheses = |model: &str, arguments: &[&str]| -> Vec<serde_json::Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args([
                "transcribe",
                "--model",
                model,
                "--format",
                "json",
                "--nbest",
                "20",
            ])
            .args(arguments)
            .arg(data("english/251-118436-0000.wav"))
            .output()
            .unwrap();
        let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        object["segments"][0]["nbest"].as_array().unwrap().clone()
    };
    let part = |h: &serde_json::Value, key: &str| h["parts"][key].as_f64();
    for h in hypotheses("english", &[]) {
        let words = h["text"].as_str().unwrap().split(' ').count();
        assert_eq!(h["parts"]["words"], words);
        for key in ["output", "combined", "lm", "rescoring"] {
            assert!(part(&h, key).unwrap() < 0.0, "{key}: {h}");
        }
    }
    // Without a second pass a score is that of the output, the language model's and the words'.
    let weights = ["--rnn-lm", "none", "--alpha", "1.25", "--beta", "0.5"];
    let directory = tempfile::tempdir().unwrap();
    let model = copy_of_english(directory.path(), "combine = ", "combine = 0.0");
    for h in hypotheses(&model, &weights) {
        assert!(h["parts"]["rescoring"].is_null());
        let words = part(&h, "words").unwrap();
        let sum = part(&h, "output").unwrap() + 1.25 * part(&h, "lm").unwrap() + 0.5 * words;
        assert!(
            (h["score"].as_f64().unwrap() - sum).abs() < 1e-2,
            "{sum}: {h}"
        );
    }
}

/// The English model in a folder, with one line of its description replaced.
fn copy_of_english(dir: &Path, start: &str, line: &str) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/english");
    for file in ["lexicon", "model.safetensors", "ngram.bin"] {
        std::fs::copy(from.join(file), dir.join(file)).unwrap();
    }
    std::fs::create_dir(dir.join("rnnlm")).unwrap();
    for file in std::fs::read_dir(from.join("rnnlm")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.join("rnnlm").join(file.file_name())).unwrap();
    }
    let text = std::fs::read_to_string(from.join("model.toml")).unwrap();
    assert!(text.lines().any(|l| l.starts_with(start)));
    let replaced = text
        .lines()
        .map(|l| if l.starts_with(start) { line } else { l });
    let text = replaced.collect::<Vec<_>>().join("\n");
    std::fs::write(dir.join("model.toml"), text).unwrap();
    dir.display().to_string()
}

#[test]
fn another_rate_is_resampled_and_said_once() {
    let files = [data("777-126732-0081.mp3"), data("1272-128104-0014.mp3")];
    let output = hearken().args(&files).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert_eq!(
        said.matches("resampled from 16000 to 8000 Hz").count(),
        1,
        "{said}"
    );
}

#[test]
fn a_bad_file_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.wav");
    std::fs::write(&empty, b"").unwrap();
    let output = hearken()
        .arg(dir.path().join("missing.wav"))
        .arg(data("digits/7_jackson_0.wav"))
        .arg(dir.path())
        .arg(&empty)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).ends_with("\tseven\n"),
        "{}",
        stdout(&output)
    );
    let message = stderr(&output);
    for name in ["missing.wav", "empty.wav", "3 of 4 recordings failed"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_recording_too_short_for_a_frame_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("short.wav");
    let waveform = hearken::audio::Waveform {
        samples: vec![0.1; 160],
        sample_rate: 8000,
    };
    hearken::audio::write_wav(&path, &waveform).unwrap();
    let output = hearken().arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("short.wav"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_kaldi_directory_is_decoded_with_its_segments_and_scored() {
    let dir = tempfile::tempdir().unwrap();
    // Two digits in one recording, half a second of silence between them.
    let mut samples = Vec::new();
    let mut segments = String::new();
    for (id, file) in [
        ("utt-b", "digits/7_jackson_0.wav"),
        ("utt-a", "digits/3_nicolas_0.wav"),
    ] {
        let wav = hearken::audio::read(&data(file)).unwrap().waveform;
        let start = samples.len() as f64 / 8000.0;
        samples.extend(wav.samples);
        let end = samples.len() as f64 / 8000.0;
        segments.push_str(&format!("{id} rec {start:.4} {end:.4}\n"));
        samples.extend([0.0; 4000]);
    }
    let waveform = hearken::audio::Waveform {
        samples,
        sample_rate: 8000,
    };
    hearken::audio::write_wav(&dir.path().join("rec.wav"), &waveform).unwrap();
    std::fs::write(dir.path().join("wav.scp"), "rec rec.wav\n").unwrap();
    std::fs::write(dir.path().join("segments"), segments).unwrap();
    std::fs::write(dir.path().join("text"), "utt-a three\nutt-b seven\n").unwrap();
    std::fs::write(dir.path().join("utt2spk"), "utt-a s\nutt-b s\n").unwrap();
    let output = hearken().arg("--data").arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["utt-a three", "utt-b seven"]);

    let hypotheses = dir.path().join("hyp");
    std::fs::write(&hypotheses, stdout(&output)).unwrap();
    let score = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("score")
        .args([dir.path().join("text"), hypotheses])
        .args(["--format", "json"])
        .output()
        .unwrap();
    let object: serde_json::Value = serde_json::from_str(&stdout(&score)).unwrap();
    assert_eq!(object["wer"], 0.0);
}

#[test]
fn a_manifest_is_decoded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(data("digits/7_jackson_0.wav"), dir.path().join("a.wav")).unwrap();
    std::fs::write(
        dir.path().join("m.jsonl"),
        "{\"id\":\"u1\",\"audio\":\"a.wav\",\"text\":\"\",\"speaker\":\"s\",\"duration\":0.5}\n",
    )
    .unwrap();
    let output = hearken()
        .arg("--manifest")
        .arg(dir.path().join("m.jsonl"))
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "u1 seven\n", "{}", stderr(&output));
}

#[test]
fn an_unknown_model_is_named_with_those_that_there_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["transcribe", "--model", "klingon"])
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("klingon") && message.contains("`digits`"),
        "{message}"
    );
}

#[test]
fn a_model_whose_weights_were_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/digits");
    for file in ["model.toml", "model.safetensors"] {
        std::fs::copy(models.join(file), dir.path().join(file)).unwrap();
    }
    let weights = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["transcribe", "--model"])
        .arg(dir.path())
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("SHA-256"), "{}", stderr(&output));
}

#[test]
fn no_file_is_a_usage_error() {
    let output = hearken().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A bigram of the digits that hardly believes in anything but `nine`.
const NINES: &str = "\\data\\\nngram 1=6\n\n\\1-grams:\n-9\t<unk>\n-99\t<s>\t0\n-0.3\t</s>\n-0.01\tnine\n-30\tseven\n-2\tfive\n\n\\end\\\n";

#[test]
fn a_language_model_has_its_say_with_the_weight_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let lm = dir.path().join("nines.arpa");
    std::fs::write(&lm, NINES).unwrap();
    let said = |extra: &[&str]| {
        let output = hearken()
            .args(["--beam", "100", "--lm"])
            .arg(&lm)
            .args(extra)
            .arg(data("digits/7_jackson_0.wav"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    // The acoustic model decides, within the vocabulary; then the language model alone.
    assert_eq!(said(&["--alpha", "0.001"]), "seven\n");
    assert_ne!(said(&["--alpha", "1"]), "seven\n");
    // What takes the word away gives it back.
    let hot = dir.path().join("hot");
    std::fs::write(&hot, "Seven\t1000\n").unwrap();
    let hot = hot.display().to_string();
    assert_eq!(said(&["--alpha", "1", "--hot-words", &hot]), "seven\n");
}

#[test]
fn a_recurrent_model_of_characters_has_its_say_in_the_search() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("characters.toml");
    std::fs::write(
        &config,
        r#"
[model]
unit = "character"
vocabulary = 0
cells = 32
embedding = 16
dropout = 0.0
[batches]
context = "sentence"
[train]
epochs = 5
batch-frames = 60
shortest-first = false
optimiser = { learning-rate = 0.02, weight-decay = 0.0 }
schedule = { warmup-steps = 5 }
"#,
    )
    .unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "nine\nnine\nfive\n".repeat(200)).unwrap();
    let lm = dir.path().join("characters");
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["lm", "train", "--rnn"])
        .arg(&config)
        .arg("--dev")
        .arg(&text)
        .arg("--out")
        .args([&lm, &text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let model = digits_with(dir.path(), "method = \"beam\"\nbeam = 40");
    let said = |file: &str, extra: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args(["transcribe", "--model"])
            .arg(&model)
            .args(extra)
            .arg(data(file))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let lm = lm.display().to_string();
    // It hears what it was taught to expect as it hears it without a model, and what it never read
    // only where its say is small.
    assert_eq!(
        said("digits/9_nicolas_0.wav", &["--lm", &lm, "--alpha", "2"]),
        "nine\n"
    );
    assert_eq!(
        said("digits/7_jackson_0.wav", &["--lm", &lm, "--alpha", "0.01"]),
        "seven\n"
    );
    assert_ne!(
        said("digits/7_jackson_0.wav", &["--lm", &lm, "--alpha", "4"]),
        "seven\n"
    );
    // A recurrent model of words rescores; in the search it is refused with that.
    let output = hearken()
        .args(["--lm"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/english/rnnlm"))
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--rnn-lm"), "{}", stderr(&output));
}

#[test]
fn a_language_model_that_is_none_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let lm = dir.path().join("broken.arpa");
    std::fs::write(&lm, "\\data\\\nngram 1=x\n").unwrap();
    let output = hearken()
        .arg("--lm")
        .arg(&lm)
        .arg(data("digits/7_jackson_0.wav"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("broken.arpa"),
        "{}",
        stderr(&output)
    );
}

/// The digits model with another search.
fn digits_with(dir: &Path, decode: &str) -> PathBuf {
    let model = dir.join("model");
    std::fs::create_dir_all(&model).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/digits");
    std::fs::copy(
        shipped.join("model.safetensors"),
        model.join("model.safetensors"),
    )
    .unwrap();
    let description = std::fs::read_to_string(shipped.join("model.toml")).unwrap();
    let (head, rest) = description.split_once("[decode]").unwrap();
    let (_, tail) = rest.split_once("[acoustic]").unwrap();
    let description = format!("{head}[decode]\n{decode}\n[acoustic]{tail}");
    std::fs::write(model.join("model.toml"), description).unwrap();
    model
}

#[test]
fn every_word_has_times_and_a_confidence_whatever_the_search() {
    let dir = tempfile::tempdir().unwrap();
    // Three digits, half a second of silence between them: said one after the other.
    let mut samples = Vec::new();
    for file in [
        "digits/7_jackson_0.wav",
        "digits/3_nicolas_0.wav",
        "digits/9_nicolas_0.wav",
    ] {
        samples.extend(hearken::audio::read(&data(file)).unwrap().waveform.samples);
        samples.extend([0.0; 4000]);
    }
    let seconds = samples.len() as f64 / 8000.0;
    let waveform = hearken::audio::Waveform {
        samples,
        sample_rate: 8000,
    };
    let wav = dir.path().join("three.wav");
    hearken::audio::write_wav(&wav, &waveform).unwrap();
    let lm = dir.path().join("nines.arpa");
    std::fs::write(&lm, NINES).unwrap();
    let lm = lm.display().to_string();
    for (decode, extra) in [
        ("method = \"greedy\"", vec![]),
        ("method = \"beam\"\nbeam = 40", vec![]),
        (
            "method = \"beam\"\nbeam = 40",
            vec!["--lm", &lm, "--alpha", "0.01"],
        ),
        (
            "method = \"choices\"\nchoices = [\"seven\", \"nine\"]",
            vec![],
        ),
    ] {
        let model = digits_with(dir.path(), decode);
        let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args(["transcribe", "--format", "json", "--model"])
            .arg(model)
            .args(extra)
            .arg(&wav)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let object: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let words = object["words"].as_array().unwrap();
        let texts: Vec<&str> = words.iter().map(|w| w["word"].as_str().unwrap()).collect();
        assert_eq!(texts.join(" "), object["text"].as_str().unwrap());
        assert!(!words.is_empty(), "{decode}");
        let mut before = 0.0;
        for word in words {
            let (start, end) = (
                word["start"].as_f64().unwrap(),
                word["end"].as_f64().unwrap(),
            );
            assert!(start >= before && end > start, "{decode}: {word}");
            before = end;
            let confidence = word["confidence"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&confidence), "{decode}: {word}");
            assert!(!word["tokens"].as_array().unwrap().is_empty(), "{decode}");
        }
        assert!(before <= seconds + 1e-3, "{decode}: {before} {seconds}");
    }
}

#[test]
fn words_come_with_their_times_in_the_formats_of_other_programs() {
    let recording = data("digits/7_jackson_0.wav");
    let formatted = |format: &str| {
        let output = hearken()
            .args(["--format", format])
            .arg(&recording)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let object: serde_json::Value = serde_json::from_str(&formatted("json")).unwrap();
    let (start, end) = (&object["words"][0]["start"], &object["words"][0]["end"]);
    let (start, end) = (start.as_f64().unwrap(), end.as_f64().unwrap());

    let ctm = formatted("ctm");
    let fields: Vec<&str> = ctm.trim_end().split(' ').collect();
    assert_eq!(fields.len(), 6, "{ctm}");
    assert_eq!((fields[0], fields[1]), ("7_jackson_0", "1"));
    assert_eq!(fields[2], format!("{start:.3}"));
    assert_eq!(fields[3], format!("{:.3}", end - start));
    assert_eq!(fields[4], "seven");

    assert_eq!(formatted("trn"), "seven (7_jackson_0)\n");
    let seconds = object["seconds"].as_f64().unwrap();
    let stm = format!("7_jackson_0 1 7_jackson_0 0.000 {seconds:.3} seven\n");
    assert_eq!(formatted("stm"), stm);

    let time = |seconds: f64| format!("00:00:{seconds:06.3}");
    let cue = format!("{} --> {}\nseven\n", time(start), time(end));
    assert_eq!(formatted("vtt"), format!("WEBVTT\n\n{cue}\n"));
    let cue = cue.replace('.', ",");
    assert_eq!(formatted("srt"), format!("1\n{cue}\n"));

    let interval =
        format!("xmin = {start:.3}\n            xmax = {end:.3}\n            text = \"seven\"\n");
    let grid = formatted("textgrid");
    assert!(grid.contains(&interval), "{grid}");
    assert!(grid.contains("name = \"tokens\""), "{grid}");
}

#[test]
fn a_format_of_one_recording_refuses_two() {
    let recording = data("digits/7_jackson_0.wav");
    let output = hearken()
        .args(["--format", "srt"])
        .args([&recording, &recording])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).is_empty());
    assert!(stderr(&output).contains("one FILE"), "{}", stderr(&output));
}

#[test]
fn hot_words_are_heard_by_a_model_that_reads_phones() {
    let dir = tempfile::tempdir().unwrap();
    let hot = dir.path().join("hot");
    let transcribe = |phrases: &str, arguments: &[&str]| {
        std::fs::write(&hot, phrases).unwrap();
        Command::new(env!("CARGO_BIN_EXE_hearken"))
            .args([
                "transcribe",
                "--model",
                "english",
                "--format",
                "json",
                "--hot-words",
            ])
            .arg(&hot)
            .args(arguments)
            .arg(data("english/1462-170138-0001.wav"))
            .output()
            .unwrap()
    };
    let heard = |phrases: &str, arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&stdout(&transcribe(phrases, arguments))).unwrap()
    };
    let said = "hugh's written a delightful part";
    let object = heard(&format!("{said}\t40\n"), &[]);
    let text = object["text"].as_str().unwrap();
    assert!(text.starts_with(said), "{text}");
    // Every word has its time and its confidence, and none goes backwards.
    let words = object["words"].as_array().unwrap();
    let number = |word: &serde_json::Value, key: &str| word[key].as_f64().unwrap();
    assert_eq!(words.len(), text.split(' ').count());
    for pair in words.windows(2) {
        assert!(number(&pair[0], "start") < number(&pair[0], "end"));
        assert!(number(&pair[0], "end") <= number(&pair[1], "start") + 1e-9);
    }
    assert!(
        words
            .iter()
            .all(|word| (0.0..=1.0).contains(&number(word, "confidence")))
    );

    // A word that the language model has never seen, with a pronunciation of its own.
    let lexicon = dir.path().join("lexicon");
    std::fs::write(&lexicon, "deelightfull D IH L AY T F AH L\n").unwrap();
    let lexicon = lexicon.display().to_string();
    let object = heard("deelightfull\t30\n", &["--lexicon", &lexicon]);
    let text = object["text"].as_str().unwrap();
    assert!(
        text.contains("deelightfull") && text.contains("inexpressible"),
        "{text}"
    );

    for (phrases, arguments, message) in [
        (
            "deelightfull\n",
            &[][..],
            "lacks `deelightfull`: give --lexicon",
        ),
        ("hugh's\n", &["--lm", "none"][..], "do without --lm none"),
    ] {
        let output = transcribe(phrases, arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

#[test]
fn a_closed_list_hears_one_text_whatever_stands_around_it() {
    let mut reader = hound::WavReader::open(data("digits/7_jackson_0.wav")).unwrap();
    let spec = reader.spec();
    let word: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    let rate = spec.sample_rate as usize;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("padded.wav");
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    let noise = |i: usize| (i as i64 * 7919 % 5 - 2) as i16;
    for sample in (0..6 * rate)
        .map(noise)
        .chain(word)
        .chain((0..3 * rate).map(noise))
    {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    let output = hearken().arg(&path).output().unwrap();
    assert_eq!(
        stdout(&output).split_whitespace().count(),
        1,
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_recording_without_samples_is_no_failure() {
    let spec = hound::WavReader::open(data("digits/7_jackson_0.wav"))
        .unwrap()
        .spec();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.wav");
    hound::WavWriter::create(&path, spec)
        .unwrap()
        .finalize()
        .unwrap();
    let output = hearken().arg(&path).output().unwrap();
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).trim().is_empty());
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["align", "--model", "digits", "--text", "seven"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output).trim().lines().count(),
        1,
        "{}",
        stderr(&output)
    );
}
