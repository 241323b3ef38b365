//! `hearken lexicon` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn lexicon(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("lexicon")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Words of regular spelling: every consonant, `a` as AE, `i` as IH, `ph` as F, a silent `e`.
fn regular() -> String {
    let consonants = [
        ("b", "B"),
        ("d", "D"),
        ("f", "F"),
        ("l", "L"),
        ("m", "M"),
        ("n", "N"),
        ("p", "P"),
        ("s", "S"),
        ("t", "T"),
        ("ph", "F"),
        ("x", "K S"),
    ];
    let mut text = String::new();
    for (first, sound) in consonants {
        for (last, end) in consonants {
            text += &format!("{first}a{last} {sound} AE1 {end}\n");
            text += &format!("{first}o{last}e {sound} OW1 {end} # silent e\n");
        }
    }
    text
}

#[test]
fn a_vocabulary_gets_the_lexicons_entries_and_guesses_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("a.dict"),
        regular() + "read R EH1 D\nread(2) R IY1 D\n",
    )
    .unwrap();
    std::fs::write(folder.join("words"), "read\nphalap bab\nÉtat\n").unwrap();
    let train = ["train", "--out", "l2s.bin", "--held-out", "7", "a.dict"];
    let trained = lexicon(&train, folder);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let report = String::from_utf8(trained.stdout).unwrap();
    assert!(report.starts_with("phone error rate "), "{report}");
    assert!(report.contains("34 words held out"), "{report}");

    let write = [
        "write",
        "--lexicon",
        "a.dict",
        "--letter-to-sound",
        "l2s.bin",
        "--out",
        "all.dict",
        "words",
    ];
    let written = lexicon(&write, folder);
    assert!(written.status.success(), "{}", stderr(&written));
    let expected =
        "read R EH D\nread(2) R IY D\nphalap F AE L AE P # letter-to-sound\nbab B AE B\n";
    let text = std::fs::read_to_string(folder.join("all.dict")).unwrap();
    assert_eq!(text, expected);
    let counts = "all.dict: 4 words, 2 of the lexicon, 1 guessed, 1 left out";
    assert!(stderr(&written).contains(counts), "{}", stderr(&written));
}

#[test]
fn what_is_no_letter_to_sound_model_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("a.dict"), regular()).unwrap();
    std::fs::write(folder.join("words"), "zebra\n").unwrap();
    let arpa =
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-1 <unk>\n-1 <s>\n-1 </s>\n-1 zebra\n\n\\end\\\n";
    std::fs::write(folder.join("words.arpa"), arpa).unwrap();
    let write = [
        "write",
        "--lexicon",
        "a.dict",
        "--letter-to-sound",
        "words.arpa",
        "--out",
        "all.dict",
        "words",
    ];
    let refused = lexicon(&write, folder);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(
        message.contains("words.arpa: its word `zebra`")
            && message.contains("hearken lexicon train"),
        "{message}"
    );
    assert!(!folder.join("all.dict").exists());
}
