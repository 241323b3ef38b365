use ndarray::Array2;
use proptest::prelude::*;

use super::super::reference::{EXACT, enumerate};
use super::*;

fn letters(count: usize) -> Tokens {
    let symbols = ["<blank>", "a", "b", "c"].map(String::from);
    Tokens::from_symbols(symbols[..count].to_vec()).unwrap()
}

fn normalised(frames: usize, tokens: usize, values: &[f32]) -> Array2<f32> {
    let mut log_probs = Array2::from_shape_fn((frames, tokens), |(t, v)| values[t * tokens + v]);
    for mut row in log_probs.outer_iter_mut() {
        let total = row.iter().map(|x| x.exp()).sum::<f32>().ln();
        row.mapv_inplace(|x| x - total);
    }
    log_probs
}

fn small_log_probs() -> impl Strategy<Value = Array2<f32>> {
    (0usize..6, 2usize..5).prop_flat_map(|(frames, tokens)| {
        prop::collection::vec(-6.0f32..2.0, frames * tokens)
            .prop_map(move |values| normalised(frames, tokens, &values))
    })
}

/// A guide whose score depends on the last two tokens, and which forbids one pair.
struct Pairs;

impl Pairs {
    fn pair(before: u32, token: u32) -> f32 {
        if (before, token) == (2, 1) {
            return f32::NEG_INFINITY;
        }
        ((before * 7 + token * 3) % 5) as f32 * 0.7 - 1.5
    }
}

impl Guide for Pairs {
    type State = u32;
    type Future = ();

    fn start(&self) -> u32 {
        0
    }

    fn extend(&self, before: &u32, token: u32, mut each: impl FnMut(u32, f32)) {
        each(0, Self::pair(*before, token));
    }

    fn advance(&self, _before: &u32, step: Step) -> u32 {
        step.token
    }

    fn future(&self, _: &Self::State) -> Option<()> {
        None
    }

    fn finish(&self, before: &u32, mut each: impl FnMut(u32, f32)) {
        each(0, *before as f32 * 0.3);
    }
}

/// Decodes exactly and compares with enumeration: the same label sequences, best first, with
/// the same scores.
fn check<G: Guide>(log_probs: &Array2<f32>, guide: &G, score: impl Fn(&[u32]) -> f64) {
    let tokens = letters(log_probs.ncols());
    let hypotheses = EXACT.decode_with(log_probs.view(), &tokens, guide);
    let mut expected: Vec<_> = enumerate(log_probs)
        .into_iter()
        .map(|(labels, probability)| (probability.ln(), score(&labels), labels))
        .filter(|(_, language, _)| *language > f64::NEG_INFINITY)
        .collect();
    expected.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)));
    assert_eq!(hypotheses.len(), expected.len());
    for hypothesis in &hypotheses {
        let (acoustic, language, _) = expected
            .iter()
            .find(|(_, _, labels)| *labels == hypothesis.tokens)
            .unwrap();
        assert!((f64::from(hypothesis.acoustic) - acoustic).abs() < 2e-4);
        assert!((f64::from(hypothesis.language) - language).abs() < 2e-4);
    }
    assert!(
        hypotheses
            .windows(2)
            .all(|pair| pair[0].score >= pair[1].score)
    );
    let best = expected[0].0 + expected[0].1;
    assert!((f64::from(hypotheses[0].score) - best).abs() < 2e-4);
}

proptest! {
    #[test]
    fn ranks_are_sorted_by_falling_score_then_by_place(
        scores in prop::collection::vec(prop_oneof![any::<f32>(), Just(0.0), Just(-1.5)], 1..40),
    ) {
        let mut ranks: Vec<u64> = (0..).zip(&scores).map(|(place, &s)| rank_of(s, place)).collect();
        ranks.sort_unstable();
        let found: Vec<usize> = ranks.iter().map(|&rank| rank as u32 as usize).collect();
        let mut expected: Vec<usize> = (0..scores.len()).collect();
        expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        prop_assert_eq!(found, expected);
    }
}

proptest! {
    #[test]
    fn every_label_sequence_has_the_probability_that_enumeration_gives(
        log_probs in small_log_probs()
    ) {
        check(&log_probs, &Unguided, |_| 0.0);
    }

    #[test]
    fn a_guide_adds_its_scores_and_forbids(log_probs in small_log_probs()) {
        check(&log_probs, &Pairs, |labels| {
            let before = std::iter::once(0).chain(labels.iter().copied());
            let pairs = before.zip(labels).map(|(b, &l)| f64::from(Pairs::pair(b, l)));
            pairs.sum::<f64>() + f64::from(*labels.last().unwrap_or(&0)) * 0.3
        });
    }

    /// A narrow beam drops alignments, so it never promises more than there is; prefixes that
    /// leave the beam and return are still one.
    #[test]
    fn a_narrow_beam_has_no_doubles_and_never_overstates(
        log_probs in small_log_probs(),
        beam in 1usize..6,
    ) {
        let tokens = letters(log_probs.ncols());
        let narrow = PrefixBeam { beam, ..EXACT };
        let truth = enumerate(&log_probs);
        let hypotheses = narrow.decode(log_probs.view(), &tokens);
        prop_assert!(hypotheses.len() <= beam);
        let mut seen = std::collections::BTreeSet::new();
        for hypothesis in hypotheses {
            prop_assert!(f64::from(hypothesis.acoustic) <= truth[&hypothesis.tokens].ln() + 2e-4);
            prop_assert!(seen.insert(hypothesis.tokens));
        }
    }
}

#[test]
fn the_sum_over_alignments_beats_the_best_path() {
    // Graves 2014: the best path is two blanks, the most probable text is "a".
    let log_probs = normalised(2, 2, &[0.6f32.ln(), 0.4f32.ln(), 0.6f32.ln(), 0.4f32.ln()]);
    let tokens = letters(2);
    assert_eq!(super::super::greedy(log_probs.view(), &tokens).text, "");
    let best = &PrefixBeam::default().decode(log_probs.view(), &tokens)[0];
    assert_eq!(best.text, "a");
    assert!((best.score - 0.64f32.ln()).abs() < 1e-5);
}

#[test]
fn texts_that_differ_in_spaces_at_the_end_are_one() {
    let tokens = Tokens::from_symbols(["<blank>", " ", "a"].map(String::from).to_vec()).unwrap();
    let log_probs = normalised(2, 3, &[-9.0, -9.0, 2.0, 0.0, 0.0, -9.0]);
    let nbest = PrefixBeam { nbest: 10, ..EXACT }.decode(log_probs.view(), &tokens);
    assert_eq!(nbest[0].text, "a");
    assert!(nbest[0].acoustic > -0.01);
    assert_eq!(nbest.iter().filter(|h| h.text == "a").count(), 1);
}

#[test]
fn certain_frames_of_any_length_lose_no_precision() {
    let tokens = letters(3);
    let log_probs = Array2::from_shape_fn((5000, 3), |(t, v)| {
        if v == [1, 0, 2, 0][t % 4] {
            0.5f32.ln()
        } else {
            0.25f32.ln()
        }
    });
    let best = &PrefixBeam::default().decode(log_probs.view(), &tokens)[0];
    assert!(best.score.is_finite() && best.tokens.len() > 1000);
}

#[test]
fn impossible_frames_leave_no_hypothesis_and_no_frames_the_empty_one() {
    let log_probs = Array2::from_elem((3, 3), f32::NEG_INFINITY);
    assert!(
        PrefixBeam::default()
            .decode(log_probs.view(), &letters(3))
            .is_empty()
    );
    let none = PrefixBeam::default().decode(Array2::zeros((0, 3)).view(), &letters(3));
    assert_eq!((none.len(), none[0].text.as_str()), (1, ""));
}

#[test]
fn log_add_adds_probabilities() {
    assert!((log_add(0.3f32.ln(), 0.4f32.ln()).exp() - 0.7).abs() < 1e-6);
    assert_eq!(
        log_add(f32::NEG_INFINITY, f32::NEG_INFINITY),
        f32::NEG_INFINITY
    );
    assert_eq!(log_add(f32::NEG_INFINITY, -3.0), -3.0);
}

#[test]
fn forgetting_prefixes_that_lead_nowhere_changes_nothing() {
    let tokens = letters(4);
    let values: Vec<f32> = (0..60 * 4)
        .map(|i| ((i * 37 % 101) as f32) / 20.0)
        .collect();
    let log_probs = normalised(60, 4, &values);
    let options = PrefixBeam {
        beam: 10,
        nbest: 10,
        ..PrefixBeam::default()
    };
    let mut search = Search::new(&options, &Pairs, 4, None);
    let mut forgotten = 0;
    for row in log_probs.outer_iter() {
        search.frame(&row.to_vec());
        let before = search.prefixes.len();
        search.forget();
        forgotten += before - search.prefixes.len();
    }
    assert!(forgotten > 100, "{forgotten}");
    let expected = options.decode_with(log_probs.view(), &tokens, &Pairs);
    assert_eq!(search.finish(&tokens), expected);
    assert_eq!(expected.len(), 10);
}
