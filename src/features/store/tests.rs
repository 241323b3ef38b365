use super::*;
use crate::features::normalise::Moments;
use crate::features::writer::{Entry, Writer};

fn recipe(toml: &str) -> Recipe {
    Recipe::parse(
        &format!("kind = \"fbank\"\nsample_rate = 8000\n{toml}\n[mel]\nbins = 4\n"),
        "r",
    )
    .unwrap()
}

/// Utterance `i` has `i + 2` frames; its values tell utterance, frame and dimension.
fn entries(recipe: &Recipe, count: usize) -> Vec<Entry> {
    (0..count)
        .map(|i| {
            let frames = Array2::from_shape_fn((i + 2, recipe.frame_dim()), |(t, d)| {
                (100 * i + 10 * t * (d + 1)) as f32
            });
            Entry {
                id: format!("utt-{i}"),
                text: format!("wörter {i}"),
                speaker: format!("s{}", i % 2),
                moments: Moments::of(frames.view()),
                features: frames,
            }
        })
        .collect()
}

fn written(recipe: &Recipe, count: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.h5");
    let mut writer = Writer::create(&path, recipe).unwrap();
    // In two pieces, as a long extraction appends them.
    let entries = entries(recipe, count);
    let (first, second) = entries.split_at(count / 2);
    writer.append(first).unwrap();
    writer.append(second).unwrap();
    writer.finish().unwrap();
    (folder, path)
}

#[test]
fn what_is_written_is_read_back() {
    let recipe = recipe("");
    let (_folder, path) = written(&recipe, 5);
    let store = Store::open(&path).unwrap();
    assert_eq!(
        (store.len(), store.dim(), store.total_frames()),
        (5, 4, 2 + 3 + 4 + 5 + 6)
    );
    assert_eq!(store.recipe(), &recipe);
    assert_eq!(store.recipe_hash(), recipe.hash());
    for (i, entry) in entries(&recipe, 5).iter().enumerate() {
        assert_eq!(store.id(i), entry.id);
        assert_eq!(store.text(i), entry.text);
        assert_eq!(store.speaker(i), entry.speaker);
        assert_eq!(store.frames(i), entry.features.nrows());
        assert_eq!(store.read(i).unwrap(), entry.features);
        assert_eq!(store.position(&entry.id), Some(i));
    }
    assert_eq!(store.position("utt-5"), None);
}

#[test]
fn the_layout_is_the_documented_one() {
    let recipe = recipe("");
    let (_folder, path) = written(&recipe, 3);
    let file = hdf5::File::open(&path).unwrap();
    let features = file.dataset("features").unwrap();
    assert_eq!(features.shape(), [9, 4]);
    assert!(features.dtype().unwrap().is::<f32>());
    assert_eq!(features.filters(), [hdf5::filters::Filter::Fletcher32]);
    assert!(features.is_chunked());
    let offsets = file.dataset("offsets").unwrap();
    assert!(offsets.dtype().unwrap().is::<u64>());
    assert_eq!(offsets.read_raw::<u64>().unwrap(), [0, 2, 5, 9]);
    for name in ["ids", "texts", "speakers"] {
        let strings = file.dataset(name).unwrap();
        assert!(strings.dtype().unwrap().is::<VarLenUnicode>(), "{name}");
        assert_eq!(strings.shape(), [3], "{name}");
    }
    let hash = file
        .attr("recipe_hash")
        .unwrap()
        .read_scalar::<VarLenUnicode>()
        .unwrap();
    assert_eq!(hash.as_str(), recipe.hash());
    let text = file
        .attr("recipe")
        .unwrap()
        .read_scalar::<VarLenUnicode>()
        .unwrap();
    assert_eq!(Recipe::parse(text.as_str(), "r").unwrap(), recipe);
    assert_eq!(file.attr("global_mean").unwrap().shape(), [4]);
    assert_eq!(file.attr("global_std").unwrap().shape(), [4]);
}

#[test]
fn an_utterance_larger_than_a_chunk_is_read_back() {
    let recipe = recipe("");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.h5");
    let features = Array2::from_shape_fn((20_000, 4), |(t, d)| (t * 4 + d) as f32);
    let mut writer = Writer::create(&path, &recipe).unwrap();
    let entry = |id: &str| Entry {
        id: id.into(),
        text: String::new(),
        speaker: "s".into(),
        moments: Moments::of(features.view()),
        features: features.clone(),
    };
    writer.append(&[entry("a"), entry("b")]).unwrap();
    writer.finish().unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.read(1).unwrap(), features);
}

#[test]
fn a_flipped_bit_is_reported_with_file_and_utterance() {
    let recipe = recipe("");
    let (_folder, path) = written(&recipe, 5);
    let stored = Store::open(&path).unwrap().read(3).unwrap();
    let needle: Vec<u8> = stored.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    bytes[at + 7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let message = Store::open(&path).unwrap().read(3).unwrap_err().to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(
        message.contains("utt-3") && message.contains("Fletcher32"),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_truncated_store_is_refused() {
    let (_folder, path) = written(&recipe(""), 5);
    let bytes = std::fs::read(&path).unwrap();
    for keep in [0, 10, 600, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        let message = Store::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("is not a whole feature store"),
            "{keep} bytes: {message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn what_is_no_store_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let message = Store::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("is not a file"), "{message}");
    let missing = folder.path().join("missing.h5");
    assert!(matches!(Store::open(&missing), Err(Error::Io { .. })));
    let empty = folder.path().join("empty.h5");
    drop(hdf5::File::create(&empty).unwrap());
    let message = Store::open(&empty).unwrap_err().to_string();
    assert!(
        message.contains("is not a whole feature store"),
        "{message}"
    );
}

#[test]
fn offsets_that_contradict_the_frames_are_refused() {
    let (_folder, path) = written(&recipe(""), 3);
    let file = hdf5::File::open_rw(&path).unwrap();
    file.dataset("offsets")
        .unwrap()
        .write(&[0u64, 5, 2, 9])
        .unwrap();
    drop(file);
    let message = Store::open(&path).unwrap_err().to_string();
    assert!(message.contains("offsets do not lead"), "{message}");
}

#[test]
fn another_recipe_is_refused_with_hashes_and_differences() {
    let made = recipe("");
    let (_folder, path) = written(&made, 3);
    let store = Store::open(&path).unwrap();
    store.require(&made).unwrap();
    let wanted = recipe("normalisation = \"utterance\"");
    let message = store.require(&wanted).unwrap_err().to_string();
    assert!(
        message.contains(&made.hash()) && message.contains(&wanted.hash()),
        "{message}"
    );
    assert!(
        message.contains("normalisation: \"none\" and \"utterance\""),
        "{message}"
    );
}

#[test]
fn a_global_recipe_reads_with_the_training_stores_statistics_or_not_at_all() {
    let recipe = recipe("normalisation = \"global\"");
    let (_folder, path) = written(&recipe, 4);
    let store = Store::open(&path).unwrap();
    assert!(matches!(store.read(0), Err(Error::StatisticsMissing)));
    let stats = store.global_stats().clone();
    let store = store.with_stats(&stats).unwrap();
    let mut total = Moments::new(4);
    for i in 0..store.len() {
        total.merge(&Moments::of(store.read(i).unwrap().view()));
    }
    let normalised = total.stats();
    assert!(
        normalised.mean.iter().all(|mean| mean.abs() < 1e-5),
        "{normalised:?}"
    );
    assert!(
        normalised.std.iter().all(|std| (std - 1.0).abs() < 1e-3),
        "{normalised:?}"
    );
}

#[test]
fn speakers_are_normalised_each_over_all_their_utterances() {
    let recipe = recipe("normalisation = \"speaker\"");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.h5");
    let mut writer = Writer::create(&path, &recipe).unwrap();
    writer.append(&entries(&recipe, 6)).unwrap();
    writer.normalise_by_speaker().unwrap();
    writer.finish().unwrap();
    let store = Store::open(&path).unwrap();
    for speaker in ["s0", "s1"] {
        let mut moments = Moments::new(4);
        for i in (0..store.len()).filter(|&i| store.speaker(i) == speaker) {
            moments.merge(&Moments::of(store.read(i).unwrap().view()));
        }
        let stats = moments.stats();
        assert!(
            stats.mean.iter().all(|mean| mean.abs() < 1e-5),
            "{speaker} {stats:?}"
        );
        assert!(
            stats.std.iter().all(|std| (std - 1.0).abs() < 1e-3),
            "{speaker} {stats:?}"
        );
        // One utterance alone is not.
        let alone = Moments::of(store.read(0).unwrap().view()).stats();
        assert!(alone.mean.iter().any(|mean| mean.abs() > 0.1));
    }
}

#[test]
fn an_abandoned_writer_leaves_the_old_store_and_nothing_else() {
    let recipe = recipe("");
    let (folder, path) = written(&recipe, 3);
    let before = std::fs::read(&path).unwrap();
    let mut writer = Writer::create(&path, &recipe).unwrap();
    writer.append(&entries(&recipe, 5)).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
