//! What a user does with `hearken corpus`: the real binary on real recordings in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn hearken(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("HEARKEN_DATA")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        stdout(output),
        stderr(output)
    );
}

/// Exit status 1 and one last line on stderr that has `expected` in it.
#[track_caller]
fn fails(output: &Output, expected: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.lines().last().unwrap_or_default().contains(expected),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn copy(name: &str, to: impl AsRef<Path>) {
    fs::create_dir_all(to.as_ref().parent().unwrap()).unwrap();
    fs::copy(data(name), to).unwrap();
}

fn write(path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn manifest(path: impl AsRef<Path>) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(manifest: &[serde_json::Value]) -> Vec<&str> {
    manifest
        .iter()
        .map(|line| line["id"].as_str().unwrap())
        .collect()
}

#[test]
fn librispeech_is_imported_in_any_of_its_containers() {
    let folder = tempfile::tempdir().unwrap();
    let chapter = folder.path().join("librispeech/LibriSpeech/dev/777/126732");
    copy("777-126732-0081.mp3", chapter.join("777-126732-0000.mp3"));
    copy("000010168.ogg", chapter.join("777-126732-0001.ogg"));
    copy("3_jackson_5.flac", chapter.join("777-126732-0002.flac"));
    copy("fsdd/7_theo_12.wav", chapter.join("777-126732-0003.wav"));
    copy("fsdd/7_theo_12.wav", chapter.join("777-126732-0009.wav"));
    write(
        chapter.join("777-126732.trans.txt"),
        "777-126732-0000 COMFORTABLE DEAR\n777-126732-0001 BYE\n777-126732-0002 THREE\n\
         777-126732-0003 SEVEN\n777-126732-0004 NOT THERE\n",
    );
    let output = hearken(
        folder.path(),
        &[
            "corpus",
            "import",
            "librispeech",
            "--data-root",
            ".",
            "--split",
            "dev",
            "--out",
            "m.jsonl",
        ],
    );
    succeeds(&output);
    let lines = manifest(folder.path().join("m.jsonl"));
    assert_eq!(
        ids(&lines),
        [
            "777-126732-0000",
            "777-126732-0001",
            "777-126732-0002",
            "777-126732-0003"
        ]
    );
    assert_eq!(lines[0]["text"], "COMFORTABLE DEAR");
    assert_eq!(lines[0]["speaker"], "777");
    assert_eq!(
        lines[0]["audio"], "librispeech/LibriSpeech/dev/777/126732/777-126732-0000.mp3",
        "under the manifest's folder: relative to it"
    );
    assert!(
        lines
            .iter()
            .all(|line| line["duration"].as_f64().unwrap() > 0.2)
    );
    let said = stderr(&output);
    assert!(
        said.contains("777-126732.trans.txt:5: `777-126732-0004` has no recording"),
        "{said}"
    );
    assert!(
        said.contains("777-126732-0009.wav: has no transcript"),
        "{said}"
    );
    assert!(
        said.contains("m.jsonl: 4 utterances, 1 speakers, 0.00 h"),
        "{said}"
    );

    // The environment names the data root too, and a split that is not there is told with those that are.
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .args([
            "corpus",
            "import",
            "librispeech",
            "--split",
            "train",
            "--out",
            "m.jsonl",
        ])
        .current_dir(folder.path())
        .env("HEARKEN_DATA", folder.path())
        .output()
        .unwrap();
    fails(&output, "no split `train`: choose one of dev");
    assert_eq!(
        manifest(folder.path().join("m.jsonl")).len(),
        4,
        "the good manifest stays"
    );
}

#[test]
fn speechocean_holds_out_every_eighth_train_speaker() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("speechocean762");
    let (mut scp, mut text, mut speakers) = (String::new(), String::new(), String::new());
    for speaker in 1..=17 {
        let id = format!("{speaker:04}0168");
        let path = format!("WAVE/SPEAKER{speaker:04}/{id}.ogg");
        copy("000010168.ogg", root.join(&path));
        scp += &format!("{id}\t{path}\n");
        text += &format!("{id}\tBYE\n");
        speakers += &format!("{id} {speaker:04}\n");
    }
    for split in ["train", "test"] {
        write(root.join(split).join("wav.scp"), &scp);
        write(root.join(split).join("text"), &text);
        write(root.join(split).join("utt2spk"), &speakers);
    }
    let import = |split: &str| {
        let arguments = [
            "corpus",
            "import",
            "speechocean762",
            "speechocean762",
            "--split",
            split,
        ];
        let output = hearken(
            folder.path(),
            &[&arguments[..], &["--out", "m.jsonl"]].concat(),
        );
        succeeds(&output);
        let lines = manifest(folder.path().join("m.jsonl"));
        lines
            .iter()
            .map(|line| line["speaker"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(import("dev"), ["0001", "0009", "0017"]);
    assert_eq!(import("train").len(), 14);
    assert_eq!(import("train-all").len(), 17);
    assert_eq!(import("test").len(), 17);
}

#[test]
fn ljspeech_takes_the_normalised_transcript() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ljspeech/LJSpeech-1.1");
    copy("fsdd/3_jackson_5.wav", root.join("wavs/LJ001-0001.wav"));
    write(
        root.join("metadata.csv"),
        "LJ001-0001|in 1455,|in fourteen fifty-five,\nLJ001-0002|a|a\nLJ001-0003|b|b\n",
    );
    let arguments = [
        "corpus",
        "import",
        "ljspeech",
        "--data-root",
        ".",
        "--out",
        "m.jsonl",
    ];
    let output = hearken(folder.path(), &arguments);
    succeeds(&output);
    let lines = manifest(folder.path().join("m.jsonl"));
    assert_eq!(ids(&lines), ["LJ001-0001"]);
    assert_eq!(lines[0]["text"], "in fourteen fifty-five,");
    let said = stderr(&output);
    assert!(said.contains("2 lines have no recording"), "{said}");
}

fn fsdd(folder: &Path) {
    for name in ["0_george_0", "3_jackson_5", "7_theo_12", "1_lucas_0"] {
        copy(
            &format!("fsdd/{name}.wav"),
            folder.join(format!("fsdd/recordings/{name}.wav")),
        );
    }
    copy(
        "fsdd/7_theo_12.wav",
        folder.join("fsdd/recordings/7_george_30.wav"),
    );
    copy("fsdd/7_theo_12.wav", folder.join("fsdd/recordings/odd.wav"));
}

#[test]
fn fsdd_has_its_official_split_and_its_shared_speakers_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    fsdd(folder.path());
    for (split, expected) in [
        ("test", vec!["0_george_0", "1_lucas_0"]),
        ("dev", vec!["3_jackson_5"]),
        ("train", vec!["7_george_30", "7_theo_12"]),
    ] {
        let out = format!("{split}.jsonl");
        let arguments = [
            "corpus", "import", "fsdd", "fsdd", "--split", split, "--out", &out,
        ];
        let output = hearken(folder.path(), &arguments);
        succeeds(&output);
        assert!(
            stderr(&output).contains("odd.wav: is not called"),
            "{}",
            stderr(&output)
        );
        let lines = manifest(folder.path().join(&out));
        assert_eq!(ids(&lines), expected);
        assert_eq!(lines[0]["corpus"], "fsdd");
    }
    let lines = manifest(folder.path().join("test.jsonl"));
    assert_eq!(lines[0]["text"], "zero");
    assert_eq!(lines[0]["duration"], 0.298);
    let output = hearken(
        folder.path(),
        &["corpus", "check", "train.jsonl", "test.jsonl"],
    );
    succeeds(&output);
    assert!(
        stdout(&output).contains(
            "warning: test.jsonl: george: the speaker is in train.jsonl too, as the corpus's official split has it"
        ),
        "{}",
        stdout(&output)
    );

    // Without the corpus's name in the manifests the same is an error.
    for name in ["train.jsonl", "test.jsonl"] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        write(
            folder.path().join(name),
            text.replace(",\"corpus\":\"fsdd\"", ""),
        );
    }
    let output = hearken(
        folder.path(),
        &["corpus", "check", "train.jsonl", "test.jsonl"],
    );
    fails(&output, "1 errors and 0 warnings");
    assert_eq!(
        stdout(&output),
        "error: test.jsonl: george: the speaker is in train.jsonl too: split by speaker\n"
    );
}

#[test]
fn a_folder_gives_its_recordings_that_have_a_transcript() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mine");
    copy("fsdd/3_jackson_5.wav", root.join("jackson/take 1.wav"));
    write(root.join("jackson/take 1.txt"), "\u{FEFF}three\r\n");
    copy("777-126732-0081.mp3", root.join("a.mp3"));
    write(root.join("a.txt"), "comfortable\u{A0}dear");
    copy("fsdd/7_theo_12.wav", root.join("b.wav"));
    write(root.join("c.txt"), "nobody");
    let arguments = ["corpus", "import", "folder", "mine", "--out", "m.jsonl"];
    let output = hearken(folder.path(), &arguments);
    succeeds(&output);
    let lines = manifest(folder.path().join("m.jsonl"));
    assert_eq!(ids(&lines), ["a", "jackson-take_1"]);
    assert_eq!(
        (&lines[0]["text"], &lines[0]["speaker"]),
        (&"comfortable dear".into(), &"mine".into())
    );
    assert_eq!(
        (&lines[1]["text"], &lines[1]["speaker"]),
        (&"three".into(), &"jackson".into())
    );
    let said = stderr(&output);
    assert!(said.contains("b.wav: has no transcript"), "{said}");
    assert!(said.contains("c.txt: has no recording"), "{said}");

    let output = hearken(
        folder.path(),
        &[&arguments[..], &["--without-text"]].concat(),
    );
    succeeds(&output);
    assert_eq!(
        ids(&manifest(folder.path().join("m.jsonl"))),
        ["a", "b", "jackson-take_1"]
    );
}

#[test]
fn kaldi_segments_and_native_pipes_are_read_and_other_pipes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    copy("3_jackson_5.flac", root.join("audio/r1.flac"));
    copy("fsdd/3_jackson_5.wav", root.join("audio/r2.wav"));
    copy(
        "777-126732-0081.mp3",
        folder.path().join("elsewhere/r 3.mp3"),
    );
    write(
        root.join("wav.scp"),
        "r1 flac -c -d -s audio/r1.flac |\nr2 sox audio/r2.wav -t wav - |\nr3 cat 'elsewhere/r 3.mp3' |\n",
    );
    write(
        root.join("segments"),
        "u1 r1 0.1 0.3\nu2 r2 0.2 -1\nu3 r3 0.0 1.0\nu4 r9 0 1\nu5 r1 0.5 0.2\nu6 r1 0.1\nu7 r1 50 51\nu8 r2 0 9\n",
    );
    write(
        root.join("text"),
        (1..9).map(|i| format!("u{i} word\n")).collect::<String>(),
    );
    write(
        root.join("utt2spk"),
        (1..9)
            .map(|i| format!("u{i} s{}\n", i % 2))
            .collect::<String>(),
    );
    let arguments = ["corpus", "import", "kaldi", "data", "--out", "m.jsonl"];
    let output = hearken(folder.path(), &arguments);
    succeeds(&output);
    let lines = manifest(folder.path().join("m.jsonl"));
    assert_eq!(ids(&lines), ["u1", "u2", "u3", "u8"]);
    assert_eq!(
        (&lines[0]["start"], &lines[0]["end"]),
        (&0.1.into(), &0.3.into())
    );
    assert!((lines[0]["duration"].as_f64().unwrap() - 0.2).abs() < 1e-9);
    assert_eq!(lines[2]["audio"], "elsewhere/r 3.mp3");
    let said = stderr(&output);
    for expected in [
        "segments:4: `u4`: its recording `r9` is not in `wav.scp`",
        "segments:5: `u5`: it goes from 0.5 s to 0.2 s",
        "segments:6: `u6`: `RECORDING START END` expected, 2 columns found",
        "u7: left out: it begins at 50 s",
        "u8: cut: it ends at 9 s",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let output = hearken(folder.path(), &["corpus", "check", "m.jsonl"]);
    succeeds(&output);

    // A pipe that a shell would have to run is refused with its line, and nothing is run.
    fs::remove_file(root.join("segments")).unwrap();
    let command = "touch ran && cat data/audio/r2.wav";
    write(
        root.join("wav.scp"),
        format!("u1 audio/r1.flac\nu2 {command} |\n"),
    );
    let output = hearken(folder.path(), &arguments);
    fails(&output, &format!("wav.scp:2: refusing to run `{command}`"));
    assert!(!folder.path().join("ran").exists());
    let output = hearken(
        folder.path(),
        &[&arguments[..], &["--allow-commands"]].concat(),
    );
    succeeds(&output);
    assert!(folder.path().join("ran").exists());
    let lines = manifest(folder.path().join("m.jsonl"));
    assert_eq!(lines[1]["audio"]["command"], command);
    fs::remove_file(folder.path().join("ran")).unwrap();
    let output = hearken(folder.path(), &["corpus", "check", "m.jsonl"]);
    fails(&output, "m.jsonl:2: refusing to run");
    assert!(!folder.path().join("ran").exists());
    succeeds(&hearken(
        folder.path(),
        &["corpus", "check", "m.jsonl", "--allow-commands"],
    ));
}

/// A 16-bit WAV at 8 kHz.
fn wav(samples: &[i16]) -> Vec<u8> {
    let mut bytes =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x10\0data"
            .to_vec();
    bytes.extend((2 * samples.len() as u32).to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

fn tone(samples: usize, amplitude: f32) -> Vec<i16> {
    (0..samples)
        .map(|i| ((i as f32 * 0.3).sin() * amplitude) as i16)
        .collect()
}

#[test]
fn check_names_every_kind_of_bad_recording_and_transcript_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(path("good.wav"), wav(&tone(8000, 8000.0)));
    write(path("empty.wav"), b"");
    write(path("header.wav"), wav(&[]));
    write(path("cut.wav"), &wav(&tone(8000, 8000.0))[..9000]);
    write(path("silent.wav"), wav(&tone(8000, 20.0)));
    let clipped: Vec<i16> = tone(8000, 20000.0)
        .iter()
        .map(|v| v.saturating_mul(3))
        .collect();
    write(path("clipped.wav"), wav(&clipped));
    write(path("noise.wav"), b"this is no recording");
    fs::create_dir(path("folder.wav")).unwrap();
    let lines = [
        ("good", "good.wav", "Good, isn't it?", 1.0),
        ("missing", "nowhere.wav", "a", 1.0),
        ("empty", "empty.wav", "a", 1.0),
        ("header", "header.wav", "a", 1.0),
        ("cut", "cut.wav", "a", 1.0),
        ("silent", "silent.wav", "a", 1.0),
        ("clipped", "clipped.wav", "a", 1.0),
        ("noise", "noise.wav", "a", 1.0),
        ("folder", "folder.wav", "a", 1.0),
        ("digits", "good.wav", "in 1984 über", 1.0),
        ("hurried", "good.wav", &"ab".repeat(60), 1.0),
        ("repeats", "good.wav", &"a".repeat(60), 1.0),
        ("mute", "good.wav", " … ", 1.0),
        ("long", "good.wav", "a", 2.0),
    ];
    let mut text = String::new();
    for (id, audio, words, duration) in lines {
        let line = serde_json::json!({"id": id, "audio": audio, "text": words, "speaker": "s", "duration": duration});
        text += &format!("{line}\n");
    }
    write(path("m.jsonl"), text);
    let output = hearken(folder.path(), &["corpus", "check", "m.jsonl"]);
    fails(&output, "9 errors and 4 warnings");
    let found = stdout(&output);
    let expected = [
        "error: nowhere.wav: missing: the recording is missing",
        "error: empty.wav: empty: the recording is empty",
        "error: header.wav: header: the recording is empty",
        "error: cut.wav: cut: unreadable: cut.wav is truncated",
        "warning: silent.wav: silent: silent: its peak is -64.",
        "warning: clipped.wav: clipped: clipped: ",
        "error: noise.wav: noise: unreadable: noise.wav is not WAV",
        "error: folder.wav: folder: unreadable: folder.wav is a directory",
        "error: good.wav: digits: text outside the token inventory: `1` `4` `8` `9` `ü`",
        "error: good.wav: hurried: too short for its text: 100 frames, and CTC needs 120",
        "error: good.wav: repeats: too short for its text: 100 frames, and CTC needs 119",
        "warning: good.wav: mute: no transcript",
        "warning: good.wav: long: 1.000 s long, and the manifest says 2.000 s",
    ];
    for (line, expected) in found.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert_eq!(found.lines().count(), expected.len());

    // Frames of 30 ms: fewer of them.
    let output = hearken(
        folder.path(),
        &["corpus", "check", "m.jsonl", "--frame-shift", "30"],
    );
    assert!(stdout(&output).contains("hurried: too short for its text: 33 frames"));
    // Phones: words are outside.
    let output = hearken(
        folder.path(),
        &[
            "corpus",
            "check",
            "m.jsonl",
            "--tokens",
            "phones",
            "--normalise",
            "none",
        ],
    );
    assert!(
        stdout(&output).contains("good: text outside the token inventory: `Good,` `isn't` `it?`")
    );
    fails(
        &hearken(
            folder.path(),
            &["corpus", "check", "m.jsonl", "--tokens", "klingon"],
        ),
        "klingon",
    );
}

#[test]
fn a_recording_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let locked = folder.path().join("locked.wav");
    write(&locked, wav(&tone(800, 8000.0)));
    let line = r#"{"id":"a","audio":"locked.wav","text":"a","speaker":"s","duration":0.1}"#;
    write(folder.path().join("m.jsonl"), line);
    mode(folder.path(), 0o755);
    mode(&locked, 0);
    let binary = folder.path().join("hearken");
    // Copied by another process: a descriptor that writes it here would be inherited by what other tests
    // start at this moment, and the copy be busy while they have it.
    let copied = Command::new("cp")
        .args([Path::new(env!("CARGO_BIN_EXE_hearken")), &binary])
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(&binary);
    command
        .args(["corpus", "check", "m.jsonl"])
        .current_dir(folder.path());
    if fs::File::open(&locked).is_ok() {
        command.uid(65534); // The superuser may read everything: ask as nobody.
    }
    let output = command.output().unwrap();
    fails(&output, "1 errors");
    let expected = "locked.wav: a: unreadable: locked.wav: cannot read it: Permission denied";
    assert!(stdout(&output).contains(expected), "{}", stdout(&output));
}

#[test]
fn a_full_disk_leaves_the_good_manifest() {
    let folder = tempfile::tempdir().unwrap();
    fsdd(folder.path());
    for index in 10..30 {
        let name = format!("fsdd/recordings/7_theo_{index}.wav");
        copy("fsdd/7_theo_12.wav", folder.path().join(name));
    }
    write(folder.path().join("m.jsonl"), "the good one");
    // A limit on the size of files fails a write as a full disk does.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" corpus import fsdd fsdd --split train --out m.jsonl"])
        .arg(env!("CARGO_BIN_EXE_hearken"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    fails(&output, "m.jsonl: cannot write it");
    assert_eq!(
        fs::read_to_string(folder.path().join("m.jsonl")).unwrap(),
        "the good one"
    );
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["fsdd", "m.jsonl"]);
}

#[test]
fn a_three_hour_recording_is_checked_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = 3 * 3600_u32;
    let bytes = seconds * 8000 * 2;
    let mut header = wav(&[]);
    let length = header.len() - 4;
    header[length..].copy_from_slice(&bytes.to_le_bytes());
    write(folder.path().join("long.wav"), &header);
    // A sparse file: 173 MB of zeros that take no room on the disk.
    let file = fs::OpenOptions::new()
        .write(true)
        .open(folder.path().join("long.wav"))
        .unwrap();
    file.set_len(u64::from(bytes) + header.len() as u64)
        .unwrap();
    let line = r#"{"id":"a","audio":"long.wav","text":"a","speaker":"s","duration":10800}"#;
    write(folder.path().join("m.jsonl"), line);
    // As floats the recording would take 346 MB; the process may take less than that in all.
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 300000; exec \"$0\" --threads 1 corpus check m.jsonl",
        ])
        .arg(env!("CARGO_BIN_EXE_hearken"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    succeeds(&output);
    assert!(
        stdout(&output).starts_with("warning: long.wav: a: silent"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_manifest_that_is_wrong_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{"id":"a","audio":"a.wav","duration":1}"#;
    let cases = [
        (String::new(), "m.jsonl: no utterance is in this manifest"),
        (
            format!("{good}\nnot json"),
            "m.jsonl:2: this is not an utterance",
        ),
        (
            format!("{good}\n\n{good}"),
            "m.jsonl:3: `a` stands on line 1 already",
        ),
        (
            good.replace("\"a\"", "\"a b\""),
            "m.jsonl:1: `a b` is no id",
        ),
        (
            good.replace(":1}", ":-1}"),
            "m.jsonl:1: `a` has a time below 0",
        ),
        (
            good.replace(":1}", ":1,\"start\":3,\"end\":2}"),
            "ends at 2 s, before its start at 3 s",
        ),
        (
            good.replace(",\"duration\":1", ""),
            "missing field `duration`",
        ),
    ];
    for (text, expected) in cases {
        write(folder.path().join("m.jsonl"), text);
        fails(
            &hearken(folder.path(), &["corpus", "check", "m.jsonl"]),
            expected,
        );
    }
    fails(
        &hearken(folder.path(), &["corpus", "check", "none.jsonl"]),
        "none.jsonl: cannot read it",
    );
}

#[test]
fn a_folder_that_is_no_such_corpus_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("x")).unwrap();
    let import = |kind: &str, more: &[&str]| {
        let arguments = ["corpus", "import", kind, "x", "--out", "m.jsonl"];
        hearken(folder.path(), &[&arguments[..], more].concat())
    };
    fails(
        &import("kaldi", &[]),
        "x: no wav.scp is in it; is it the folder of a kaldi corpus?",
    );
    fails(&import("ljspeech", &[]), "x: no metadata.csv is in it");
    fails(
        &import("folder", &[]),
        "x: no utterance can be used: no recordings are there",
    );
    fails(
        &import("fsdd", &[]),
        "name a split of fsdd with --split: one of train, dev, test",
    );
    fails(
        &import("speechocean762", &["--split", "new"]),
        "no split `new`: choose one of train, dev, train-all, test",
    );
    fails(
        &import("folder", &["--split", "dev"]),
        "folder has no split `dev`: choose one of all",
    );
    assert!(!folder.path().join("m.jsonl").exists());
    let output = hearken(
        folder.path(),
        &["corpus", "import", "kaldi", "--out", "m.jsonl"],
    );
    fails(&output, "name the folder of the kaldi corpus");
    let output = hearken(
        folder.path(),
        &[
            "corpus", "import", "fsdd", "--split", "dev", "--out", "m.jsonl",
        ],
    );
    fails(&output, "--data-root or HEARKEN_DATA");
    let output = hearken(
        folder.path(),
        &["corpus", "import", "martian", "x", "--out", "m.jsonl"],
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn split_keeps_speakers_together_and_is_the_same_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for utterance in 0..200 {
        let line = serde_json::json!({
            "id": format!("u{utterance}"), "audio": "a.wav", "text": "a",
            "speaker": format!("s{}", utterance % 20), "duration": 1.0 + f64::from(utterance % 7),
        });
        text += &format!("{line}\n");
    }
    write(folder.path().join("m.jsonl"), text);
    let arguments = [
        "corpus",
        "split",
        "m.jsonl",
        "--part",
        "train=0.8",
        "--part",
        "dev=0.1",
        "--part",
        "test=0.1",
    ];
    let split = |more: &[&str]| {
        let output = hearken(folder.path(), &[&arguments[..], more].concat());
        succeeds(&output);
        let out = folder.path().join(more.last().unwrap());
        ["train", "dev", "test"].map(|part| manifest(out.join(format!("{part}.jsonl"))))
    };
    let parts = split(&["--by-speaker", "--out", "one"]);
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 200);
    let speakers = parts.clone().map(|part| {
        let speakers = part.iter().map(|line| line["speaker"].to_string());
        speakers.collect::<std::collections::BTreeSet<_>>()
    });
    assert!(speakers[0].is_disjoint(&speakers[1]) && speakers[0].is_disjoint(&speakers[2]));
    assert!(speakers[1].is_disjoint(&speakers[2]));
    let seconds = |part: &[serde_json::Value]| -> f64 {
        part.iter()
            .map(|line| line["duration"].as_f64().unwrap())
            .sum()
    };
    let total: f64 = parts.iter().map(|part| seconds(part)).sum();
    assert!(
        (seconds(&parts[0]) / total - 0.8).abs() < 0.05,
        "{}",
        seconds(&parts[0]) / total
    );
    assert_eq!(parts, split(&["--by-speaker", "--out", "two"]));
    assert_ne!(
        parts,
        split(&["--by-utterance", "--seed", "1", "--out", "three"])
    );

    let output = hearken(
        folder.path(),
        &["corpus", "split", "m.jsonl", "--part", "a=1", "--out", "x"],
    );
    assert_eq!(output.status.code(), Some(2), "by what?");
    for bad in ["a", "a=0", "a=x", "../a=1", "=1"] {
        let output = hearken(
            folder.path(),
            &[
                "corpus",
                "split",
                "m.jsonl",
                "--by-speaker",
                "--part",
                bad,
                "--out",
                "x",
            ],
        );
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
}

#[test]
fn the_corpora_at_hand_have_the_counts_that_their_readme_tells() {
    let Some(root) = std::env::var_os("HEARKEN_DATA").map(PathBuf::from) else {
        return; // Only where the corpora are; the layouts are tested above on excerpts.
    };
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &str, Option<&str>, usize, usize); 12] = [
        ("librispeech", "librispeech", Some("train"), 838, 14),
        ("librispeech", "librispeech", Some("dev"), 169, 2),
        ("librispeech", "librispeech", Some("test"), 124, 2),
        ("speechocean762", "speechocean762", Some("train"), 2180, 109),
        ("speechocean762", "speechocean762", Some("dev"), 320, 16),
        ("speechocean762", "speechocean762", Some("test"), 2500, 125),
        ("ljspeech", "ljspeech", None, 385, 1),
        ("kaldi", "robotutor", None, 2072, 1),
        ("kaldi", "synthetic/kokoro", None, 1907, 120),
        ("fsdd", "fsdd", Some("train"), 2400, 6),
        ("fsdd", "fsdd", Some("dev"), 300, 6),
        ("fsdd", "fsdd", Some("test"), 300, 6),
    ];
    for (kind, place, split, utterances, speakers) in cases {
        let place = root.join(place);
        let mut arguments = vec![
            "corpus",
            "import",
            kind,
            place.to_str().unwrap(),
            "--out",
            "m.jsonl",
        ];
        arguments.extend(split.iter().flat_map(|split| ["--split", split]));
        let output = hearken(folder.path(), &arguments);
        succeeds(&output);
        let said = stderr(&output);
        let expected = format!("m.jsonl: {utterances} utterances, {speakers} speakers");
        assert!(said.contains(&expected), "{kind} {split:?}: {said}");
    }
}
