//! The README tells the truth: its commands run, its figures stand in the files that they name.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    text_of("README.md")
}

fn readme_of_experiments() -> String {
    text_of("experiments/README.md")
}

/// The commands of the README's `sh` blocks: a line each, continued lines joined.
fn commands() -> Vec<String> {
    let text = readme();
    let mut commands = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\\\n", " ");
        commands.extend(
            block
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(str::to_owned),
        );
    }
    commands
}

/// Whether a command needs a corpus or trains: it then runs with `--dry-run`.
fn trains(command: &str) -> bool {
    command.starts_with("hearken run ")
}

#[test]
fn every_command_of_the_readme_runs() {
    let bin = Path::new(env!("CARGO_BIN_EXE_hearken"));
    let path = format!(
        "{}:{}",
        bin.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let scratch = tempfile::tempdir().unwrap();
    for name in ["tests", "models", "experiments", "features"] {
        std::os::unix::fs::symlink(root().join(name), scratch.path().join(name)).unwrap();
    }
    let mut ran = 0;
    for command in commands() {
        // `make test` is what runs this test; `make demo` has a test of its own below; `make bench`
        // needs PyTorch and an hour.
        if command.starts_with("make ") || command.starts_with("cargo ") {
            continue;
        }
        let command = match trains(&command) {
            true => format!("{command} --dry-run"),
            false => command,
        };
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(scratch.path())
            .env("PATH", &path)
            .env_remove("HEARKEN_MODEL")
            .env_remove("HEARKEN_DATA")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} commands were found");
}

#[test]
fn the_demo_prints_references_words_and_the_error_rate() {
    let output = Command::new("make")
        .args(["--no-print-directory", "demo"])
        .current_dir(root())
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_BIN_EXE_hearken"))
                .ancestors()
                .nth(2)
                .unwrap(),
        )
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(printed.contains("said: seven  heard: seven"), "{printed}");
    for step in [
        "best path of the phones",
        "with lexicon and 4-gram",
        "rescored by the LSTM",
    ] {
        let line = printed.lines().find(|line| line.contains(step));
        assert!(
            line.is_some_and(|l| l.split_whitespace().count() > 10),
            "{printed}"
        );
    }
    assert!(printed.contains("WER"), "{printed}");
}

/// Each row of the README's table of results: experiment, set, rate and figure.
#[test]
fn the_figures_of_the_readme_stand_in_the_results_files() {
    let text = readme();
    let mut rows = 0;
    for line in text
        .lines()
        .filter(|line| line.starts_with("| `experiments/"))
    {
        let [file, set, rate, figure, ..] = cells_of(line)[..] else {
            panic!("a row without its cells: {line}");
        };
        let file = file.trim_matches('`');
        let results = json(file);
        let found = results["sets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == set)
            .unwrap_or_else(|| panic!("{set} is not in {file}"));
        let value = found["rates"][rate.to_lowercase()]["rate"]
            .as_f64()
            .unwrap();
        assert_eq!(figure, format!("{:.2}%", 100.0 * value), "{line}");
        rows += 1;
    }
    assert!(rows >= 2, "the README has {rows} figures");
}

/// Every step of the search in the README, and every choice, has the rates of its file.
#[test]
fn the_steps_of_the_search_stand_in_their_file() {
    let more = readme_of_experiments();
    steps(&readme(), "| search of `english` |", "steps");
    steps(&more, "| step | WER pooled |", "steps");
    steps(&more, "| one choice |", "choices");
    steps(&more, "| kept |", "kept");
}

fn steps(text: &str, heading: &str, file: &str) {
    let table = text.split(heading).nth(1).unwrap();
    let file = json(&format!("experiments/{file}.results.json"));
    let measured = file["steps"].as_array().unwrap();
    let rows = table_rows(table);
    assert_eq!(rows.len(), measured.len());
    for ((line, cells), step) in rows.into_iter().zip(measured) {
        let percent =
            |value: &serde_json::Value| format!("{:.2}%", 100.0 * value.as_f64().unwrap());
        assert_eq!(cells[0], step["step"]);
        assert_eq!(cells[2], difference(&step["difference"]), "{line}");
        assert_eq!(cells[1], percent(&step["wer"]), "{line}");
        assert_eq!(
            cells[3],
            percent(&step["by_set"]["librispeech-dev"]),
            "{line}"
        );
        assert_eq!(
            cells[4],
            percent(&step["by_set"]["speechocean762-dev"]),
            "{line}"
        );
    }
}

/// A difference of rates with its interval, as tables tell it; nothing of the first line.
fn difference(found: &serde_json::Value) -> String {
    let points = |value: &serde_json::Value| value.as_f64().map(|x| format!("{:+.2}", 100.0 * x));
    let told = points(&found["difference"]).map(|by| {
        let [low, high] = ["low", "high"].map(|end| points(&found["interval"][end]).unwrap());
        format!("{by} ({low} to {high})")
    });
    told.unwrap_or_default()
}

/// The README's perplexities are those of the files that it names.
#[test]
fn the_perplexities_of_the_readme_stand_in_their_files() {
    let text = readme();
    let table = text
        .split("| text | model | perplexity | file |")
        .nth(1)
        .unwrap();
    let rows = table_rows(table);
    for (line, cells) in &rows {
        let file = cells[3].trim_matches('`');
        let found = json_lines(file)
            .into_iter()
            .find(|row| row["model"] == cells[1])
            .unwrap_or_else(|| panic!("{} is not in {file}", cells[1]));
        let value = found["perplexity"].as_f64().unwrap();
        assert_eq!(cells[2], format!("{value:.2}"), "{line}");
    }
    assert_eq!(rows.len(), 8);
}

/// The rows of a file of benchmarks.
fn measured(file: &str) -> Vec<serde_json::Value> {
    json_lines(&format!("benches/results/{file}"))
}

/// A file of the repository.
fn text_of(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// A file of the repository that is one JSON value.
fn json(file: &str) -> serde_json::Value {
    serde_json::from_str(&text_of(file)).unwrap()
}

/// The rows of a file of the repository, a JSON object a line.
fn json_lines(file: &str) -> Vec<serde_json::Value> {
    text_of(file)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The rows of a table and the cells of each, from behind its heading's first cells.
fn table_rows(table: &str) -> Vec<(&str, Vec<&str>)> {
    let lines = table.lines().skip(2);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| (line, cells_of(line)))
        .collect()
}

/// The cells of a row.
fn cells_of(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The row that a table's first two cells name: what, then precision and number of threads.
fn row_of<'a>(
    measured: &'a [serde_json::Value],
    line: &str,
    cells: &[&str],
) -> &'a serde_json::Value {
    measured
        .iter()
        .find(|row| {
            let set = format!("{}, {}", row["precision"].as_str().unwrap(), row["threads"]);
            row["row"] == cells[0] && set == cells[1]
        })
        .unwrap_or_else(|| panic!("not measured: {line}"))
}

/// A figure as told is the one measured, to three digits.
fn agrees(line: &str, told: &str, found: &serde_json::Value, key: &str) {
    let told: f64 = told.trim_end_matches('×').parse().unwrap();
    let value = found[key].as_f64().unwrap();
    assert!(
        (told - value).abs() <= 6e-3 * value,
        "{line}: {key} is {value}"
    );
}

/// The seconds of the README's table of speeds are those of the file that it names, to three digits.
#[test]
fn the_speeds_of_the_readme_stand_in_the_benchmarks_files() {
    let text = readme();
    let tables: Vec<&str> = text
        .split("| step | precision, threads |")
        .skip(1)
        .collect();
    let files = ["2026-11-25-zen4.jsonl", "2026-11-29-amx.jsonl"];
    assert_eq!(tables.len(), files.len());
    for (table, file) in tables.into_iter().zip(files) {
        speeds(table, file);
    }
}

/// Every row of a table is a row of its file with the same figures, and the other way round.
fn speeds(table: &str, file: &str) {
    let measured = measured(file);
    let rows = table_rows(table);
    for (line, cells) in &rows {
        let found = row_of(&measured, line, cells);
        for (cell, key) in [(2, "hearken"), (3, "pytorch"), (4, "ratio")] {
            agrees(line, cells[cell], found, key);
        }
    }
    assert_eq!(rows.len(), measured.len());
}

/// The rates of the README's table of kernels are those of its file, to whole GFLOP/s.
#[test]
fn the_kernels_of_the_readme_stand_in_their_file() {
    let text = readme();
    let table = text
        .split("| kernel | precision, threads |")
        .nth(1)
        .unwrap();
    let mut measured = measured("2026-11-29-amx-kernels.jsonl");
    measured.retain(|row| row.get("gflops").is_some());
    let rows = table_rows(table);
    for (line, cells) in &rows {
        let found = row_of(&measured, line, cells);
        let own = found["gflops"].as_object().unwrap().values();
        let best = own.filter_map(|rate| rate.as_f64()).fold(0.0, f64::max);
        assert_eq!(cells[2], format!("{best:.0}"), "{line}");
        let peer = found["pytorch_gflops"].as_f64().unwrap();
        assert_eq!(cells[3], format!("{peer:.0}"), "{line}");
        let crate_rate = found.get("crate_gflops").and_then(|rate| rate.as_f64());
        let crate_rate = crate_rate.map_or(String::new(), |rate| format!("{rate:.0}"));
        assert_eq!(cells[4], crate_rate, "{line}");
    }
    assert_eq!(rows.len(), measured.len());
}

/// The first three figures of each row of a table, by the row's name, are those of its file.
fn compare_with_peers(heading: &str, file: &str, keys: [&str; 3]) {
    let text = readme();
    let table = text.split(heading).nth(1).unwrap();
    let measured = measured(file);
    let rows = table_rows(table);
    for (line, cells) in &rows {
        let found = measured
            .iter()
            .find(|row| row["row"] == cells[0])
            .unwrap_or_else(|| panic!("not measured: {line}"));
        for (cell, key) in cells[1..].iter().zip(keys) {
            agrees(line, cell, found, key);
        }
    }
    assert_eq!(rows.len(), measured.len(), "{heading}");
}

#[test]
fn the_comparisons_with_peers_stand_in_their_files() {
    let seconds = ["hearken_seconds", "peer_seconds", "ratio"];
    compare_with_peers("| against |", "2026-11-29-amx-decode.jsonl", seconds);
    compare_with_peers("| n-grams |", "2026-11-25-zen4-ngram.jsonl", seconds);
    compare_with_peers(
        "| precision, threads | hearken, words/s |",
        "2026-11-29-amx-rnnlm.jsonl",
        ["hearken", "pytorch", "ratio"],
    );
}

/// What pocketsphinx hears, as told beside what we hear.
#[test]
fn the_rates_of_pocketsphinx_stand_in_their_file() {
    let text = readme();
    for row in measured("2026-11-29-amx-pocketsphinx.jsonl") {
        let wer = format!("{:.2}%", 100.0 * row["wer"].as_f64().unwrap());
        let set = row["set"].as_str().unwrap();
        let told = format!("{wer} on {set}");
        assert!(text.contains(&told), "the README does not say {told}");
    }
}

/// The means of three seeds in bf16 and in f32 are those of the runs.
#[test]
fn the_curves_of_both_precisions_stand_in_their_file() {
    let text = readme_of_experiments();
    let runs = json_lines("experiments/precision.results.jsonl");
    let rows = table_rows(text.split("| products in |").nth(1).unwrap());
    assert_eq!(rows.len(), 2);
    for (line, cells) in rows {
        let rounded = |run: &serde_json::Value| run["path"].as_str().unwrap().starts_with("bf16");
        let these = || {
            runs.iter()
                .filter(|run| rounded(run) == cells[0].starts_with("bf16"))
        };
        assert_eq!(these().count(), 3);
        let at = |key: &str, epoch: usize| -> Vec<f64> {
            these()
                .map(|run| run[key][epoch - 1].as_f64().unwrap())
                .collect()
        };
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        for (cell, epoch) in [1, 3, 6, 9, 12].into_iter().enumerate() {
            let told = format!("{:.3}", mean(at("train_loss", epoch)));
            assert_eq!(cells[1 + cell], told, "{line}");
        }
        assert_eq!(
            cells[6],
            format!("{:.3}", mean(at("dev_loss", 12))),
            "{line}"
        );
        let rates = at("cer", 12);
        let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let high = rates.iter().copied().fold(0.0, f64::max);
        let told = format!(
            "{:.2}% ({:.2} to {:.2})",
            100.0 * mean(rates),
            100.0 * low,
            100.0 * high
        );
        assert_eq!(cells[7], told, "{line}");
    }
}

/// What single parts of the recipe are worth: steps, losses and rates are those of the runs.
#[test]
fn the_ablations_stand_in_their_file() {
    let text = readme_of_experiments();
    let found = json("experiments/ablations.results.json");
    let runs = found["rows"].as_array().unwrap();
    let rows = table_rows(text.split("| one part |").nth(1).unwrap());
    assert_eq!(rows.len(), runs.len());
    for ((line, cells), run) in rows.iter().zip(runs) {
        assert_eq!(cells[0], run["row"], "{line}");
        let steps = cells[1].replace(',', "");
        assert_eq!(steps, run["steps"].to_string(), "{line}");
        let [ours, dev] = ["train_loss", "dev_loss"].map(|key| run[key].as_f64().unwrap());
        assert_eq!(cells[2], format!("{ours:.3} / {dev:.3}"), "{line}");
        let rates = [
            "cer.librispeech-dev",
            "per.librispeech-dev.output1",
            "cer.speechocean762-dev",
            "per.speechocean762-dev.output1",
        ];
        for (cell, key) in cells[3..].iter().zip(rates) {
            let rate = 100.0 * run["best_path"][key].as_f64().unwrap();
            assert_eq!(*cell, format!("{rate:.1}%"), "{line}");
        }
    }
}

/// What a speaker's own recordings are worth: the table, and what the README says of it.
#[test]
fn the_adapted_speakers_stand_in_their_file() {
    let files = ["speakers", "speakers-own-words"];
    let found = files.map(|name| json(&format!("experiments/{name}.results.json")));
    let sets: Vec<_> = found
        .iter()
        .flat_map(|f| f["sets"].as_array().unwrap())
        .collect();
    let text = readme_of_experiments();
    let rows = table_rows(text.split("| speakers |").nth(1).unwrap());
    assert_eq!(rows.len(), sets.len());
    let percent = |value: &serde_json::Value| 100.0 * value.as_f64().unwrap();
    let readme = text_of("README.md");
    for ((line, cells), set) in rows.iter().zip(sets) {
        let name = set["set"].as_str().unwrap();
        let speakers = cells[0].trim_end_matches(", with its own words");
        assert_eq!(speakers, format!("{name}, {}", set["speakers"]), "{line}");
        let seconds = &set["seconds"];
        assert_eq!(cells[1], format!("{} to {}", seconds[0], seconds[1]));
        let adapted = &set["adapted"];
        let [before, after] =
            [&set["shipped"], &adapted["wer"]].map(|w| format!("{:.2}%", percent(w)));
        assert_eq!([cells[2], cells[3]], [&before, &after], "{line}");
        assert_eq!(cells[4], difference(&adapted["difference"]), "{line}");
        let told = readme.contains(&before) && readme.contains(&after);
        assert!(told || speakers != cells[0], "{line}");
    }
}

/// Who adapts the model gets its search: its `[decode]` table stands in the experiment.
#[test]
fn an_adapted_model_is_searched_as_the_shipped_one() {
    let table = |file: &str| -> toml::Table { toml::from_str(&text_of(file)).unwrap() };
    let shipped = table("models/english/model.toml");
    let adapted = table("experiments/adapt-english.toml");
    let decode = adapted["decode"].as_table().unwrap();
    assert!(decode.contains_key("alpha") && decode.contains_key("calibration"));
    for (key, value) in decode {
        assert_eq!(Some(value), shipped["decode"].get(key), "{key}");
    }
}

/// The same recipe in PyTorch: losses, rates and speeds are those of the file.
#[test]
fn the_curves_of_the_same_recipe_stand_in_their_file() {
    let text = readme_of_experiments();
    let epochs = measured("2026-11-29-amx-recipe.jsonl");
    let rows = table_rows(text.split("| epoch |").nth(1).unwrap());
    assert_eq!(rows.len(), epochs.len());
    for ((line, cells), epoch) in rows.iter().zip(&epochs) {
        let both = |value: &serde_json::Value, told: &dyn Fn(f64) -> String| {
            let [ours, theirs] = [0, 1].map(|side| told(value[side].as_f64().unwrap()));
            format!("{ours} / {theirs}")
        };
        let percent = |x: f64| format!("{:.1}%", 100.0 * x);
        let loss = both(&epoch["train_loss"], &|x| format!("{x:.3}"));
        assert_eq!(cells[1], loss, "{line}");
        for (cell, (set, rate)) in ["librispeech-dev", "speechocean762-dev"]
            .into_iter()
            .flat_map(|set| ["cer", "per"].map(|rate| (set, rate)))
            .enumerate()
        {
            assert_eq!(cells[2 + cell], both(&epoch[set][rate], &percent), "{line}");
        }
        let speeds = &epoch["frames_per_second"];
        assert_eq!(cells[6], both(speeds, &|x| format!("{x:.0}")), "{line}");
        let faster = speeds[0].as_f64().unwrap() / speeds[1].as_f64().unwrap();
        assert_eq!(cells[7], format!("{faster:.2}×"), "{line}");
    }
}
