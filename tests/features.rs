//! Features against the references that no one here wrote, and the `hearken features` command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hearken::audio::{self, Waveform};
use hearken::features::{Extractor, Recipe, Store};
use safetensors::{Dtype, SafeTensors};

mod python;

/// The references of tests/golden/features/make.py.
struct Golden {
    bytes: Vec<u8>,
}

/// One case: its name, its recipe, the reference's features, `[T, D]`.
struct Case {
    name: String,
    recipe: Recipe,
    shape: [usize; 2],
    features: Vec<f32>,
}

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/features/features.safetensors");
        Self {
            bytes: std::fs::read(path).unwrap(),
        }
    }

    fn wave(&self, sample_rate: u32) -> Waveform {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(&format!("wave/{sample_rate}")).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I16);
        let (samples, _) = tensor.data().as_chunks::<2>();
        Waveform {
            samples: samples
                .iter()
                .map(|&s| f32::from(i16::from_le_bytes(s)) / 32768.0)
                .collect(),
            sample_rate,
        }
    }

    fn cases(&self) -> Vec<Case> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        let recipes = header.metadata().clone().unwrap();
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        tensors
            .iter()
            .filter(|(name, _)| !name.starts_with("wave/"))
            .map(|(name, tensor)| Case {
                name: name.to_owned(),
                recipe: Recipe::parse(&recipes[name], name).unwrap(),
                shape: [tensor.shape()[0], tensor.shape()[1]],
                features: tensor
                    .data()
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&x| f32::from_le_bytes(x))
                    .collect(),
            })
            .collect()
    }
}

#[test]
fn features_are_the_references_to_a_thousandth() {
    let golden = Golden::read();
    let cases = golden.cases();
    assert_eq!(cases.len(), 45);
    let mut worst = (0.0f32, "");
    for case in &cases {
        let waveform = golden.wave(case.recipe.sample_rate());
        let features = Extractor::new(&case.recipe)
            .unwrap()
            .compute(&waveform)
            .unwrap();
        assert_eq!(
            [features.nrows(), features.ncols()],
            case.shape,
            "{}",
            case.name
        );
        assert_eq!(case.shape[1], case.recipe.dim(), "{}", case.name);
        // A bin of the plain spectrogram may hold a ten-millionth of its frame's power: there f32's
        // transform is held to a millionth of the frame's largest bin instead.
        let plain = case.name == "spectrogram";
        for (t, (got, want)) in features
            .outer_iter()
            .zip(case.features.chunks(case.shape[1]))
            .enumerate()
        {
            let peak = want.iter().copied().fold(f32::NEG_INFINITY, f32::max).exp();
            for (d, (got, want)) in got.iter().zip(want).enumerate() {
                let error = (got - want).abs();
                let negligible = plain && (got.exp() - want.exp()).abs() < 1e-6 * peak;
                assert!(
                    error < 1e-3 || negligible,
                    "{} frame {t} bin {d}: {got}, not {want}",
                    case.name
                );
                if error > worst.0 && !negligible {
                    worst = (error, &case.name);
                }
            }
        }
    }
    println!("largest difference {:e} in {}", worst.0, worst.1);
}

/// A folder with recordings, their manifest, and a place for the store.
struct Corpus {
    folder: tempfile::TempDir,
}

impl Corpus {
    /// One recording of each number of samples at 8 kHz: a 1 kHz tone.
    fn new(samples: &[usize]) -> Self {
        let corpus = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (i, &samples) in samples.iter().enumerate() {
            audio::write_wav(&corpus.path(&format!("{i}.wav")), &tone(samples)).unwrap();
        }
        let lines: Vec<String> = samples
            .iter()
            .enumerate()
            .map(|(i, &samples)| corpus.line(&format!("utt{i}"), &format!("{i}.wav"), samples))
            .collect();
        corpus.write("manifest.jsonl", &lines.join(""));
        corpus
    }

    fn line(&self, id: &str, audio: &str, samples: usize) -> String {
        let seconds = samples as f64 / 8000.0;
        format!(
            "{{\"id\": \"{id}\", \"audio\": \"{audio}\", \"text\": \"tön {id}\", \"speaker\": \"s\", \"duration\": {seconds}}}\n"
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `hearken features ARGS`, run in the folder.
    fn features(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearken"));
        command
            .current_dir(&self.folder)
            .arg("features")
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn extract(&self, args: &[&str]) -> Output {
        self.extract_to("store.h5", "fbank40-8k", args)
    }

    fn extract_to(&self, out: &str, recipe: &str, args: &[&str]) -> Output {
        self.features(&[
            "extract",
            "--recipe",
            recipe,
            "--out",
            out,
            "manifest.jsonl",
        ])
        .args(args)
        .output()
        .unwrap()
    }

    fn store(&self) -> Store {
        Store::open(self.path("store.h5")).unwrap()
    }

    /// Names in the folder that the test did not put there.
    fn leftovers(&self) -> Vec<String> {
        std::fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".features-"))
            .collect()
    }
}

fn tone(samples: usize) -> Waveform {
    let radians = std::f32::consts::TAU * 1000.0 / 8000.0;
    let samples = (0..samples)
        .map(|i| 0.5 * (radians * i as f32).sin())
        .collect();
    Waveform {
        samples,
        sample_rate: 8000,
    }
}

fn succeeds(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line of a failure.
fn fails(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

#[test]
fn extract_stores_what_the_library_computes_in_the_manifests_order() {
    let corpus = Corpus::new(&[4000, 1600, 8000]);
    let stdout = succeeds(&corpus.extract(&[]));
    assert!(
        stdout.contains("3 utterances, 164 frames of 40"),
        "{stdout}"
    );
    let store = corpus.store();
    assert_eq!(
        (0..3).map(|i| store.id(i)).collect::<Vec<_>>(),
        ["utt0", "utt1", "utt2"]
    );
    assert_eq!(store.text(1), "tön utt1");
    // The recipe normalises globally: by the store's own statistics here.
    let stats = store.global_stats().clone();
    let store = store.with_stats(&stats).unwrap();
    let extractor = Extractor::new(&Recipe::named("fbank40-8k").unwrap()).unwrap();
    let mut extractor = extractor.with_stats(&stats).unwrap();
    for i in 0..3 {
        let waveform = audio::read(&corpus.path(&format!("{i}.wav")))
            .unwrap()
            .waveform;
        assert_eq!(
            store.read(i).unwrap(),
            extractor.compute(&waveform).unwrap()
        );
    }
}

#[test]
fn the_store_is_the_same_bytes_on_any_number_of_threads() {
    let corpus = Corpus::new(&[4000, 1600, 8000, 300, 5000, 2400]);
    let plain = ["--speeds", "0.9,1,1.1"];
    let perturbed = ["--snr", "10,60", "--rt60", "0.1,0.6", "--gain", "-12,6"];
    let perturbed = [&plain[..], &perturbed].concat();
    let bytes = |threads, options: &[&str]| {
        succeeds(&corpus.extract(&[&["--threads", threads], options].concat()));
        std::fs::read(corpus.path("store.h5")).unwrap()
    };
    let one = bytes("1", &perturbed);
    assert!(bytes("3", &perturbed) == one);
    assert!(bytes("3", &plain) != one);
}

#[test]
fn a_faster_copy_is_shorter_and_higher() {
    let corpus = Corpus::new(&[16000]);
    corpus.write("tone.toml", "kind = \"spectrogram\"\nsample_rate = 8000\n");
    succeeds(&corpus.extract_to("store.h5", "tone.toml", &["--speeds", "0.9,1,1.1"]));
    let store = corpus.store();
    let facts: Vec<(&str, &str, usize, usize)> = (0..3)
        .map(|i| {
            let features = store.read(i).unwrap();
            let middle = features.row(features.nrows() / 2);
            let peak = (0..store.dim())
                .max_by(|&a, &b| middle[a].total_cmp(&middle[b]))
                .unwrap();
            (store.id(i), store.speaker(i), store.frames(i), peak)
        })
        .collect();
    // Bins of 31.25 Hz: 900, 1000 and 1100 Hz. 2 s give 198 frames, 2.22 s 220, 1.82 s 180.
    assert_eq!(
        facts,
        [
            ("sp0.9-utt0", "sp0.9-s", 220, 29),
            ("utt0", "s", 198, 32),
            ("sp1.1-utt0", "sp1.1-s", 180, 35),
        ]
    );
}

#[test]
fn recordings_too_short_for_a_frame_are_left_out_and_named() {
    let corpus = Corpus::new(&[4000, 199, 200]);
    let output = corpus.extract(&[]);
    let stdout = succeeds(&output);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stdout.contains("2 utterances") && stdout.contains("1 left out"),
        "{stdout}"
    );
    assert!(
        stderr.contains("left out utt1: too short: 199 samples"),
        "{stderr}"
    );
    assert_eq!(corpus.store().frames(1), 1);
}

#[test]
fn a_corpus_of_nothing_but_short_recordings_makes_no_store() {
    let corpus = Corpus::new(&[100, 50]);
    let message = fails(&corpus.extract(&[]));
    assert!(
        message.contains("no utterance to store: 2 were too short"),
        "{message}"
    );
    assert!(!corpus.path("store.h5").exists());
}

#[test]
fn an_unreadable_recording_stops_the_work_and_leaves_the_old_store() {
    let corpus = Corpus::new(&[4000, 4000]);
    succeeds(&corpus.extract(&[]));
    let before = std::fs::read(corpus.path("store.h5")).unwrap();
    std::fs::remove_file(corpus.path("1.wav")).unwrap();
    let message = fails(&corpus.extract(&[]));
    assert!(
        message.contains("utt1") && message.contains("1.wav"),
        "{message}"
    );
    assert!(std::fs::read(corpus.path("store.h5")).unwrap() == before);
    assert!(corpus.leftovers().is_empty());
}

#[test]
fn a_repeated_id_is_refused() {
    let corpus = Corpus::new(&[4000]);
    let line = corpus.line("utt0", "0.wav", 4000);
    corpus.write("manifest.jsonl", &format!("{line}{line}"));
    let message = fails(&corpus.extract(&[]));
    assert!(message.contains("utt0"), "{message}");
}

#[test]
fn an_impossible_speed_is_refused() {
    let corpus = Corpus::new(&[4000]);
    for speeds in ["0", "-1", "nan", "3", "1,1"] {
        let message = fails(&corpus.extract(&[&format!("--speeds={speeds}")]));
        assert!(
            message.contains("speeds are different numbers from 0.5 to 2"),
            "{message}"
        );
    }
}

#[test]
fn a_range_that_is_none_is_refused() {
    let corpus = Corpus::new(&[1600]);
    for (option, message) in [
        ("--rt60=0.3", "--rt60 takes two numbers: LOW,HIGH"),
        (
            "--rt60=0.6,0.1",
            "`rt60` must be two times from 0.01 to 5 s",
        ),
        ("--gain=6,-6", "volume at 6 to -6 dB"),
        ("--snr=1,2,3", "--snr takes two numbers: LOW,HIGH"),
        ("--snr=30,10", "noise at 30 to 10 dB"),
    ] {
        let said = fails(&corpus.extract(&[option]));
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_bad_recipe_is_refused_with_file_line_and_key_before_any_work() {
    let corpus = Corpus::new(&[4000]);
    corpus.write(
        "r.toml",
        "kind = \"fbank\"\nsample_rate = 8000\n[mel]\nbinz = 40\n",
    );
    let message = fails(&corpus.extract_to("store.h5", "r.toml", &[]));
    assert!(
        message.contains("r.toml, line 4, mel.binz: unknown field"),
        "{message}"
    );
    assert!(!corpus.path("store.h5").exists() && corpus.leftovers().is_empty());
}

/// A manifest long enough that its extraction can be interrupted.
fn long_corpus() -> Corpus {
    let corpus = Corpus::new(&[40000]);
    let lines = (0..2000).map(|i| corpus.line(&format!("utt{i}"), "0.wav", 40000));
    corpus.write("long.jsonl", &lines.collect::<String>());
    corpus
}

#[test]
fn a_killed_extraction_leaves_the_old_store() {
    let corpus = long_corpus();
    succeeds(&corpus.extract(&[]));
    let before = std::fs::read(corpus.path("store.h5")).unwrap();
    let mut child = corpus
        .features(&[
            "extract",
            "--recipe",
            "fbank40-8k",
            "--out",
            "store.h5",
            "long.jsonl",
        ])
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while corpus.leftovers().is_empty() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(std::fs::read(corpus.path("store.h5")).unwrap() == before);
    assert_eq!(corpus.store().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_the_old_store() {
    let corpus = long_corpus();
    succeeds(&corpus.extract(&[]));
    let before = std::fs::read(corpus.path("store.h5")).unwrap();
    // A limit on the size of files stands in for the disk: writes beyond it fail in the same way.
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" features extract --recipe fbank40-8k --out store.h5 long.jsonl";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_hearken")])
        .current_dir(&corpus.folder)
        .output()
        .unwrap();
    let message = fails(&output);
    assert!(
        message.contains("store.h5: cannot write the feature store: File too large"),
        "{message}"
    );
    assert!(std::fs::read(corpus.path("store.h5")).unwrap() == before);
    assert!(corpus.leftovers().is_empty());
}

#[test]
fn a_store_cannot_be_written_where_there_is_no_folder() {
    let corpus = Corpus::new(&[4000]);
    let message = fails(&corpus.extract_to("nowhere/store.h5", "fbank40-8k", &[]));
    assert!(message.contains("nowhere/store.h5"), "{message}");
}

#[test]
fn inspect_tells_counts_recipe_hash_hours_and_statistics() {
    let corpus = Corpus::new(&[4000, 8000]);
    succeeds(&corpus.extract(&[]));
    let inspect = |args: &[&str]| {
        corpus
            .features(&["inspect", "store.h5"])
            .args(args)
            .output()
            .unwrap()
    };
    let text = succeeds(&inspect(&[]));
    let hash = Recipe::named("fbank40-8k").unwrap().hash();
    for part in [
        "utterances  2",
        "146 of 40 dimensions",
        "0.00 h",
        "48 to 98",
        "recipe      fbank40-8k",
        &hash,
        "bins = 40",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&succeeds(&inspect(&["--json"]))).unwrap();
    assert_eq!(json["frames"], 146);
    assert_eq!(json["std"].as_array().unwrap().len(), 40);
    let one: serde_json::Value =
        serde_json::from_str(&succeeds(&inspect(&["--id", "utt1", "--json"]))).unwrap();
    assert_eq!(
        (&one["frames"], &one["text"]),
        (&98.into(), &"tön utt1".into())
    );
    let message = fails(&inspect(&["--id", "utt9"]));
    assert!(message.contains("has no utterance utt9"), "{message}");
    let message = fails(
        &corpus
            .features(&["inspect", "manifest.jsonl"])
            .output()
            .unwrap(),
    );
    assert!(
        message.contains("manifest.jsonl: is not a whole feature store"),
        "{message}"
    );
}

#[test]
fn plots_are_written_from_a_store_and_from_a_recording() {
    let corpus = Corpus::new(&[8000]);
    succeeds(&corpus.extract(&[]));
    let plot = |args: &[&str]| corpus.features(&["plot"]).args(args).output().unwrap();
    succeeds(&plot(&["store.h5", "--id", "utt0", "--out", "a.svg"]));
    let svg = std::fs::read_to_string(corpus.path("a.svg")).unwrap();
    for part in [
        "<svg",
        "time, s",
        ">1000<",
        "utt0: tön utt0",
        "data:image/png;base64,",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    succeeds(&plot(&[
        "0.wav",
        "--recipe",
        "fbank40-delta",
        "--out",
        "b.png",
    ]));
    let png = std::fs::read(corpus.path("b.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let message = fails(&plot(&[
        "0.wav",
        "--recipe",
        "fbank40-8k",
        "--out",
        "c.jpg",
    ]));
    assert!(message.contains("ends in .svg or .png"), "{message}");
    assert_eq!(plot(&["store.h5", "--out", "c.svg"]).status.code(), Some(2));
}

#[test]
fn recipes_lists_every_built_in_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(["features", "recipes"])
        .output()
        .unwrap();
    let text = succeeds(&output);
    for name in Recipe::built_in() {
        assert!(text.contains(name), "{name} in {text}");
    }
}

#[test]
fn h5py_reads_the_store_without_us() {
    let corpus = Corpus::new(&[4000, 1600, 8000]);
    succeeds(&corpus.extract(&[]));
    let script = "
import h5py, json
f = h5py.File('store.h5')
o = f['offsets'][:].tolist()
x = f['features']
print(json.dumps({
    'offsets': o, 'shape': x.shape, 'dtype': str(x.dtype), 'fletcher32': x.fletcher32,
    'ids': f['ids'].asstr()[:].tolist(), 'texts': f['texts'].asstr()[:].tolist(),
    'speakers': f['speakers'].asstr()[:].tolist(), 'recipe': f.attrs['recipe'], 'hash': f.attrs['recipe_hash'],
    'mean': f.attrs['global_mean'].tolist(), 'second': x[o[1]:o[2]].tolist()}))
";
    let Some(read) = python::read("h5py", script, corpus.folder.path()) else {
        return;
    };
    let store = corpus.store();
    assert_eq!(read["offsets"], serde_json::json!([0, 48, 66, 164]));
    assert_eq!(read["shape"], serde_json::json!([164, 40]));
    assert_eq!(
        (&read["dtype"], &read["fletcher32"]),
        (&"float32".into(), &true.into())
    );
    assert_eq!(read["ids"], serde_json::json!(["utt0", "utt1", "utt2"]));
    assert_eq!(read["texts"][2], "tön utt2");
    assert_eq!(read["speakers"], serde_json::json!(["s", "s", "s"]));
    assert_eq!(read["recipe"], store.recipe().to_toml());
    assert_eq!(read["hash"], store.recipe_hash());
    assert_eq!(read["mean"].as_array().unwrap().len(), 40);
    let second: Vec<Vec<f32>> = serde_json::from_value(read["second"].clone()).unwrap();
    let features = store.read_stored(1).unwrap();
    assert_eq!(
        second,
        features
            .outer_iter()
            .map(|row| row.to_vec())
            .collect::<Vec<_>>()
    );
}
