use super::*;

fn refused(toml: &str) -> String {
    Recipe::parse(toml, "r.toml").unwrap_err().to_string()
}

const FBANK: &str = "kind = \"fbank\"\nsample_rate = 16000\n[mel]\n";

#[test]
fn every_default_is_kaldis() {
    let recipe = Recipe::parse(FBANK, "r.toml").unwrap();
    assert_eq!(recipe.normalisation, Normalisation::None);
    assert_eq!(recipe.frames.length_ms, 25.0);
    assert_eq!(recipe.frames.shift_ms, 10.0);
    assert!(recipe.frames.snip_edges);
    assert!(recipe.frames.remove_dc_offset);
    assert_eq!(recipe.frames.preemphasis, 0.97);
    assert_eq!(recipe.frames.window, Window::Povey);
    assert!(recipe.frames.round_to_power_of_two);
    let mel = recipe.mel.unwrap();
    assert_eq!(mel.bins, 23);
    assert_eq!(mel.low_hz, 20.0);
    assert_eq!(mel.high_hz, 0.0);
    assert!(!recipe.energy.append);
    assert!(recipe.energy.raw);
    assert_eq!(recipe.energy.floor, 0.0);
    assert!(!recipe.energy.last);
    assert_eq!(recipe.deltas.order, 0);
    assert_eq!(recipe.deltas.window, 2);
    assert_eq!(recipe.stacking.frames, 1);
    assert_eq!(recipe.stacking.skip, 1);
}

#[test]
fn built_in_recipes_have_the_literatures_dimensions() {
    let facts = |name: &str| {
        let recipe = Recipe::named(name).unwrap();
        (
            recipe.dim(),
            recipe.sample_rate(),
            recipe.seconds_per_frame(),
            recipe.min_samples(),
        )
    };
    assert_eq!(facts("fbank40-delta"), (123, 16000, 0.01, 400));
    assert_eq!(facts("fbank80"), (80, 16000, 0.01, 400));
    assert_eq!(facts("fbank80-stack2"), (160, 16000, 0.02, 560));
    assert_eq!(facts("fbank80-stack4"), (320, 16000, 0.04, 880));
    assert_eq!(facts("fbank80-stack3"), (240, 16000, 0.03, 720));
    assert_eq!(facts("spectrogram"), (128, 16000, 127.0 / 16000.0, 254));
    assert_eq!(facts("fbank40-8k"), (40, 8000, 0.01, 200));
}

#[test]
fn built_in_recipes_know_their_names() {
    for name in Recipe::built_in() {
        assert_eq!(Recipe::named(name).unwrap().name(), Some(name));
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let message = Recipe::named("fbank81").unwrap_err().to_string();
    assert!(
        message.contains("`fbank81`") && message.contains("fbank80-stack3"),
        "{message}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let message = Recipe::named("./nowhere.toml").unwrap_err().to_string();
    assert!(message.starts_with("./nowhere.toml:"), "{message}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let message = refused(&format!("{FBANK}bins = 40\nbin = 3\n"));
    assert!(
        message.starts_with("r.toml, line 5, mel.bin: unknown field `bin`"),
        "{message}"
    );
}

#[test]
fn a_wrong_type_is_refused_with_its_line() {
    let message = refused(&format!("{FBANK}bins = \"forty\"\n"));
    assert!(
        message.starts_with("r.toml, line 4, mel.bins: invalid type"),
        "{message}"
    );
}

#[test]
fn a_word_that_is_no_choice_is_refused_with_the_choices() {
    let message = refused(&format!("{FBANK}[frames]\nwindow = \"hemming\"\n"));
    assert!(
        message.starts_with("r.toml, line 5, frames.window: unknown variant `hemming`"),
        "{message}"
    );
    assert!(message.contains("hamming"), "{message}");
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let message = refused("kind = \"fbank\"\nsample_rate 16000\n");
    assert!(message.starts_with("r.toml, line 2"), "{message}");
}

#[test]
fn a_missing_key_is_named() {
    let message = refused("kind = \"fbank\"\n[mel]\n");
    assert!(message.contains("missing field `sample_rate`"), "{message}");
}

#[test]
fn every_impossible_value_is_refused_with_line_and_key() {
    let spectrogram = "kind = \"spectrogram\"\nsample_rate = 16000\n";
    for (toml, place) in [
        (
            "kind = \"fbank\"\nsample_rate = 0\n[mel]\n".to_owned(),
            "line 2, sample_rate",
        ),
        (
            "kind = \"fbank\"\nsample_rate = 16000\n".to_owned(),
            "line 1, kind",
        ),
        (format!("{spectrogram}[mel]\n"), "line 3, mel"),
        (format!("{FBANK}bins = 2\n"), "line 4, mel.bins"),
        (format!("{FBANK}bins = 400\n"), "line 4, mel.bins"),
        (format!("{FBANK}bins = 1000000000000\n"), "line 4, mel.bins"),
        (format!("{FBANK}low_hz = 8000\n"), "line 4, mel.low_hz"),
        (format!("{FBANK}low_hz = nan\n"), "line 4, mel.low_hz"),
        (format!("{FBANK}high_hz = 8001\n"), "line 4, mel.high_hz"),
        (format!("{FBANK}high_hz = -8000\n"), "line 4, mel.high_hz"),
        (
            format!("{FBANK}[frames]\nlength_ms = 0\n"),
            "line 5, frames.length_ms",
        ),
        (
            format!("{FBANK}[frames]\nlength_ms = nan\n"),
            "line 5, frames.length_ms",
        ),
        (
            format!("{FBANK}[frames]\nlength_ms = 0.07\n"),
            "line 5, frames.length_ms",
        ),
        (
            format!("{FBANK}[frames]\nshift_ms = 1e9\n"),
            "line 5, frames.shift_ms",
        ),
        (
            format!("{FBANK}[frames]\nshift_ms = 0.01\n"),
            "line 5, frames.shift_ms",
        ),
        (
            format!("{FBANK}[frames]\npreemphasis = 1.5\n"),
            "line 5, frames.preemphasis",
        ),
        (
            format!("{spectrogram}[frames]\nround_to_power_of_two = false\nlength_ms = 0.1875\n"),
            "line 5, frames.length_ms",
        ),
        (
            format!("{FBANK}[energy]\nfloor = -1\n"),
            "line 5, energy.floor",
        ),
        (
            format!("{FBANK}[energy]\nfloor = inf\n"),
            "line 5, energy.floor",
        ),
        (
            format!("{FBANK}[deltas]\norder = 4\n"),
            "line 5, deltas.order",
        ),
        (
            format!("{FBANK}[deltas]\nwindow = 0\n"),
            "line 5, deltas.window",
        ),
        (
            format!("{FBANK}[stacking]\nframes = 0\n"),
            "line 5, stacking.frames",
        ),
        (
            format!("{FBANK}[stacking]\nskip = 0\n"),
            "line 5, stacking.skip",
        ),
    ] {
        let message = refused(&toml);
        assert!(
            message.starts_with(&format!("r.toml, {place}: ")),
            "{message} for {toml}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn toml_text_comes_back_as_the_same_recipe() {
    for name in Recipe::built_in() {
        let recipe = Recipe::named(name).unwrap();
        assert_eq!(
            Recipe::parse(&recipe.to_toml(), name).unwrap(),
            recipe,
            "{}",
            recipe.to_toml()
        );
    }
}

#[test]
fn the_hash_ignores_comments_order_and_spelt_out_defaults() {
    let plain = Recipe::parse(FBANK, "r").unwrap();
    let wordy = "# words\nsample_rate = 16_000\nkind = \"fbank\"\n[frames]\nshift_ms = 10\n[mel]\nbins = 23\n";
    assert_eq!(Recipe::parse(wordy, "r").unwrap().hash(), plain.hash());
}

#[test]
fn the_hash_sees_every_value() {
    let plain = Recipe::parse(FBANK, "r").unwrap();
    let other = Recipe::parse(&format!("{FBANK}low_hz = 21\n"), "r").unwrap();
    assert_ne!(plain.hash(), other.hash());
    assert_eq!(plain.differences(&other), ["mel.low_hz: 20.0 and 21.0"]);
}

#[test]
fn the_hash_of_a_recipe_is_fixed() {
    // Stores and models carry it: a change here breaks every one of them.
    let hash = Recipe::named("fbank80-stack3").unwrap().hash();
    assert_eq!(
        hash,
        "0945d78218b4b74552f82c6fdb7b14048a4163f4f79b6dca5f98098fef00f741"
    );
}
