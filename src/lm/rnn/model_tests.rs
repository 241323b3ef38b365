use super::*;
use crate::lm::rnn::{Context, Description, ModelConfig, Partition, Provenance, SoftmaxConfig};
use crate::lm::rnn::{DESCRIPTION, VOCABULARY, WEIGHTS, write};
use crate::nn::{Path, Runtime, Storage};

const RUNTIME: Runtime = Runtime {
    path: Path::Portable,
};

fn vocabulary() -> Vocabulary {
    Vocabulary::from_words(["a", "b", "c", "d", "e", "f", "g", "h", "i"])
}

fn network(cell: Cell, layers: usize) -> Network {
    let config = ModelConfig {
        cell,
        layers,
        cells: 11,
        embedding: 6,
        projection: 6,
        tied: true,
        ..ModelConfig::default()
    };
    let counts: Vec<u64> = (0..12).map(|token| 300 / (token + 1)).collect();
    let cutoffs = vec![5, 8];
    let partition = Partition::new(&SoftmaxConfig::Adaptive { cutoffs }, &counts).unwrap();
    let bias = partition.log_shares(&counts);
    Network::new(&config, partition, bias, RUNTIME, 8).unwrap()
}

fn rnn(cell: Cell, layers: usize) -> Rnn {
    let network = network(cell, layers);
    Rnn::new("the model".into(), network, vocabulary(), Context::Stream).unwrap()
}

fn sentences() -> Vec<Vec<u32>> {
    vec![
        vec![3, 4, 5, 6],
        vec![3, 4, 5],
        vec![3, 4, 7, 6, 11, 0],
        vec![],
        vec![3, 4, 5, 6],
        vec![9, 4, 5, 6],
        vec![999],
    ]
}

fn one_by_one(model: &Rnn, tokens: &[u32]) -> Vec<f32> {
    let mut state = model.start();
    let mut scores = Vec::new();
    for &token in tokens {
        let (score, next) = model.score(&state, token).unwrap();
        scores.push(score);
        state = next;
    }
    scores.push(model.end(&state).unwrap());
    scores
}

#[test]
fn shared_prefixes_change_no_score() {
    for (cell, layers) in [(Cell::Lstm, 1), (Cell::Lstm, 3), (Cell::RnnSigmoid, 2)] {
        let model = rnn(cell, layers);
        let together = model.score_sentences(&sentences()).unwrap();
        for (tokens, scores) in sentences().iter().zip(together) {
            assert_eq!(one_by_one(&model, tokens), scores);
        }
    }
}

#[test]
fn scores_are_those_of_the_whole_distribution_which_sums_to_one() {
    let model = rnn(Cell::Lstm, 2);
    let (_, state) = model.score(&model.start(), 4).unwrap();
    let distribution = model.distribution(&state).unwrap();
    let after = model.after(&model.start(), 4).unwrap();
    assert_eq!(model.distribution(&after).unwrap(), distribution);
    for (token, log10_prob) in distribution.iter().enumerate() {
        let (score, _) = model.score(&state, token as u32).unwrap();
        assert!((score - log10_prob).abs() < 1e-5 || score == *log10_prob);
    }
    let sum: f64 = distribution.iter().map(|&x| 10f64.powf(x.into())).sum();
    assert!((sum - 1.0).abs() < 1e-5);
    assert_eq!(distribution[START as usize], f32::NEG_INFINITY);
}

#[test]
fn a_text_in_order_begins_as_a_sentence_does_and_then_goes_on() {
    let mut model = rnn(Cell::Lstm, 2);
    let alone = model.score_sentences(&sentences()).unwrap();
    model.remember(Memory::Text).unwrap();
    assert!(model.in_order());
    let in_order = model.score_sentences(&sentences()).unwrap();
    for (alone, in_order) in alone[0].iter().zip(&in_order[0]) {
        assert!((alone - in_order).abs() < 1e-5);
    }
    assert_ne!(alone[4], in_order[4]);
    model.forget().unwrap();
    assert_eq!(model.score_sentences(&sentences()).unwrap(), in_order);
}

#[test]
fn dynamic_evaluation_learns_what_repeats_and_forgets_on_request() {
    let mut model = rnn(Cell::Lstm, 1);
    let text = vec![vec![8, 3, 9, 3]; 20];
    let sum = |scores: &[f32]| scores.iter().sum::<f32>();
    let alone = model.score_sentences(&text).unwrap();
    model.remember(Memory::Dynamic { rate: 0.2 }).unwrap();
    let learnt = model.score_sentences(&text).unwrap();
    // A sentence is scored before it is learnt from.
    assert!((sum(&learnt[0]) - sum(&alone[0])).abs() < 1e-4);
    assert!(sum(&learnt[19]) > sum(&alone[19]) + 1.0);
    model.remember(Memory::Sentence).unwrap();
    assert_eq!(model.score_sentences(&text).unwrap(), alone);
    let message = model.remember(Memory::Dynamic { rate: 0.0 }).unwrap_err();
    assert!(message.to_string().contains("no learning rate"));
}

fn written(storage: Storage) -> (tempfile::TempDir, Vec<Vec<f32>>) {
    let dir = tempfile::tempdir().unwrap();
    let network = network(Cell::Lstm, 1);
    let description = Description {
        format: 0,
        context: Context::Sentence,
        softmax_bounds: Vec::new(),
        model: network.config().clone(),
        provenance: Provenance::default(),
        files: Default::default(),
    };
    write(dir.path(), &description, &network, &vocabulary(), storage).unwrap();
    let scores = rnn(Cell::Lstm, 1).score_sentences(&sentences()).unwrap();
    (dir, scores)
}

#[test]
fn a_directory_reads_back_exactly_or_within_its_eight_bits() {
    for (storage, tolerance) in [(Storage::F32, 0.0), (Storage::Int8, 0.02)] {
        let (dir, expected) = written(storage);
        let model = Rnn::open(dir.path(), RUNTIME).unwrap();
        let found = model.score_sentences(&sentences()).unwrap();
        for (found, expected) in found.concat().iter().zip(expected.concat()) {
            assert!((found - expected).abs() <= tolerance, "{found} {expected}");
        }
        let mut model = model;
        let message = model.remember(Memory::Text).unwrap_err().to_string();
        assert!(message.contains("trained on sentences alone"), "{message}");
        let words: Vec<&str> = LanguageModel::vocabulary(&model).words().skip(3).collect();
        assert_eq!(words.concat(), "abcdefghi");
    }
}

#[test]
fn a_damaged_directory_is_refused_and_the_file_named() {
    let (dir, _) = written(Storage::F32);
    for file in [WEIGHTS, VOCABULARY, DESCRIPTION] {
        let path = dir.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let damages = [
            whole[..whole.len() / 2].to_vec(),
            Vec::new(),
            b"\xff\xfe".to_vec(),
        ];
        for damaged in damages {
            std::fs::write(&path, damaged).unwrap();
            let message = Rnn::open(dir.path(), RUNTIME).err().unwrap().to_string();
            assert!(message.contains(file), "{file}: {message}");
        }
        std::fs::remove_file(&path).unwrap();
        let message = Rnn::open(dir.path(), RUNTIME).err().unwrap().to_string();
        assert!(message.contains(file), "{message}");
        std::fs::write(&path, whole).unwrap();
    }
    assert!(Rnn::open(dir.path(), RUNTIME).is_ok());
}
