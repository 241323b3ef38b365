//! `hearken bench` as a user runs it, on tiny shapes.

use std::process::Command;

fn bench(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_hearken"))
        .arg("bench")
        .args(arguments)
        .args([
            "--cells",
            "8",
            "--layers",
            "1",
            "--input",
            "4",
            "--outputs",
            "5",
        ])
        .args(["--precision", "f32", "--format", "json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn training_and_inference_are_measured_in_the_frames_that_are_there() {
    for kind in ["train", "infer"] {
        let measured = bench(&[kind, "--lengths", "20,15,7"]);
        assert_eq!(measured["frames_per_step"], 42);
        for key in [
            "seconds_per_step",
            "frames_per_second",
            "peak_share",
            "peak_memory",
        ] {
            assert!(measured[key].as_f64().unwrap() > 0.0, "{key}: {measured}");
        }
    }
}

#[test]
fn the_seed_decides_the_numbers_and_the_threads_do_not() {
    let checksum = |arguments: &[&str]| bench(arguments)["checksum"].as_f64().unwrap();
    let one = checksum(&["train", "--lengths", "9,8", "--seed", "1", "--threads", "1"]);
    let two = checksum(&["train", "--lengths", "9,8", "--seed", "1", "--threads", "2"]);
    let other = checksum(&["train", "--lengths", "9,8", "--seed", "2", "--threads", "1"]);
    assert_eq!(one, two);
    assert_ne!(one, other);
}
