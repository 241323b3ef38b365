use std::collections::BTreeMap;

use ndarray::Array2;
use proptest::prelude::*;

use super::super::PrefixBeam;
use super::super::reference::{EXACT, enumerate, ngram};
use super::*;

const ARPA: &str = "\\data\\\n\
    ngram 1=6\n\
    ngram 2=6\n\
    \n\
    \\1-grams:\n\
    -1.5\t<unk>\n\
    -99\t<s>\t-0.4\n\
    -0.9\t</s>\n\
    -0.7\ta\t-0.3\n\
    -0.8\tab\t-0.2\n\
    -1.1\tb\t-0.25\n\
    \n\
    \\2-grams:\n\
    -0.3\t<s> a\n\
    -0.6\t<s> ab\n\
    -0.2\ta b\n\
    -0.5\tab ab\n\
    -0.4\tb </s>\n\
    -0.35\tab </s>\n\
    \n\
    \\end\\\n";

/// The definition: what a text's words score.
fn language(guide: &WordGuide, words: &[&str]) -> f64 {
    let (ngram, weights) = (guide.ngram, guide.weights);
    let mut context = ngram.start();
    let mut total = 0.0;
    for text in words {
        let word = ngram.vocabulary().id(text);
        let (log10_prob, next) = ngram.score(context, word);
        let more = guide.more.iter().any(|more| more == text);
        let extra = if word == UNKNOWN && !more {
            weights.unknown
        } else {
            0.0
        };
        total += weights.alpha * (log10_prob * LN_10 + extra) + weights.beta;
        context = next;
    }
    f64::from(total + weights.alpha * ngram.score(context, END).0 * LN_10)
}

/// Texts with their probabilities, summed over all label sequences that they can be read from.
fn enumerate_texts(
    log_probs: &Array2<f32>,
    text: impl Fn(&[u32]) -> Vec<String>,
) -> BTreeMap<String, f64> {
    let mut probabilities = BTreeMap::new();
    for (labels, probability) in enumerate(log_probs) {
        for text in text(&labels) {
            *probabilities.entry(text).or_insert(0.0) += probability;
        }
    }
    probabilities
}

fn log_probs(tokens: usize) -> impl Strategy<Value = Array2<f32>> {
    (0usize..7).prop_flat_map(move |frames| {
        prop::collection::vec(-5.0f32..0.0, frames * tokens).prop_map(move |values| {
            Array2::from_shape_fn((frames, tokens), |(t, v)| values[t * tokens + v])
        })
    })
}

/// Every text has the probability of all its paths and the language score of the definition.
fn check(
    log_probs: &Array2<f32>,
    tokens: &Tokens,
    guide: &WordGuide,
    text: impl Fn(&[u32]) -> Vec<String>,
) {
    let hypotheses = EXACT.decode_with(log_probs.view(), tokens, guide);
    let mut expected = enumerate_texts(log_probs, text);
    let known = |word: &str| {
        guide.ngram.vocabulary().find(word).is_some() || guide.more.iter().any(|more| more == word)
    };
    let open = guide.weights.open_vocabulary;
    expected.retain(|text, _| open || text.split_whitespace().all(known));
    let found: Vec<_> = hypotheses.iter().map(|h| h.text.clone()).collect();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, expected.keys().cloned().collect::<Vec<_>>());
    for hypothesis in hypotheses {
        let words: Vec<_> = hypothesis.text.split_whitespace().collect();
        let language = language(guide, &words);
        let acoustic = expected[&hypothesis.text].ln();
        assert!(
            (f64::from(hypothesis.language) - language).abs() < 1e-3,
            "{hypothesis:?}"
        );
        assert!(
            (f64::from(hypothesis.acoustic) - acoustic).abs() < 1e-3,
            "{hypothesis:?}"
        );
        assert!((hypothesis.score - hypothesis.acoustic - hypothesis.language).abs() < 1e-5);
    }
}

const WEIGHTS: Weights = Weights {
    alpha: 0.8,
    beta: 0.6,
    unknown: -1.5,
    open_vocabulary: false,
};

proptest! {
    #[test]
    fn words_of_characters_score_as_defined(
        log_probs in log_probs(4),
        open_vocabulary in any::<bool>(),
        more in prop::sample::subsequence(vec!["ba", "bb"], 0..3),
    ) {
        let more: Vec<String> = more.into_iter().map(str::to_owned).collect();
        let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
        let tokens = Tokens::from_symbols(symbols).unwrap();
        let ngram = ngram(ARPA);
        let tree = spell(&ngram, &more, &tokens);
        let weights = Weights { open_vocabulary, ..WEIGHTS };
        let guide = WordGuide::new(&ngram, &tree, weights, &tokens).with_words(&more);
        check(&log_probs, &tokens, &guide, |labels| vec![tokens.decode(labels)]);
    }
}

/// A lexicon with homophones, two pronunciations of a word, and one that begins another.
const LEXICON: &str = "a AH\na(2) EY AH\nab AH EY\nb AH\nmissing EY\n";

/// All word sequences that a sequence of phones pronounces.
fn segment(lexicon: &[(&str, Vec<u32>)], labels: &[u32]) -> Vec<String> {
    if labels.is_empty() {
        return vec![String::new()];
    }
    let mut texts = Vec::new();
    for (word, phones) in lexicon {
        if let Some(rest) = labels.strip_prefix(phones.as_slice()) {
            let rest = segment(lexicon, rest).into_iter();
            texts.extend(rest.map(|rest| format!("{word} {rest}").trim_end().to_owned()));
        }
    }
    texts
}

/// Along a walk, what a state offers all probable tokens at once is what it offers one by one.
fn offers_alike(guide: &WordGuide, walk: &[prop::sample::Index], row: &[f32], least: f32) {
    let mut probable = Probable::default();
    probable.choose(row, least);
    let mut state = guide.start();
    for choice in walk {
        let (mut together, mut alone, mut onward) = (Vec::new(), Vec::new(), Vec::new());
        guide.extend_all(&state, &probable, |token, log_prob, label, score| {
            together.push((token, label, log_prob, score));
        });
        for (token, &log_prob) in (0..).zip(row).skip(1) {
            guide.extend(&state, token, |label, score| {
                onward.push(Step { token, label });
                if log_prob >= least {
                    alone.push((token, label, log_prob, score));
                }
            });
        }
        let order = |offers: &mut Vec<(u32, u32, f32, f32)>| offers.sort_by_key(|o| (o.0, o.1));
        order(&mut together);
        order(&mut alone);
        assert_eq!(together, alone);
        if onward.is_empty() {
            break;
        }
        state = guide.advance(&state, *choice.get(&onward));
    }
}

proptest! {
    #[test]
    fn all_probable_tokens_at_once_are_offered_what_each_is(
        walk in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        row in prop::collection::vec(-5.0f32..0.0, 6),
        least in -6.0f32..0.0,
        open_vocabulary in any::<bool>(),
    ) {
        let named = |symbols: &[&str]| {
            let symbols = symbols.iter().map(|s| s.to_string()).collect();
            Tokens::from_symbols(symbols).unwrap()
        };
        let ngram = ngram(ARPA);
        let weights = Weights { open_vocabulary, ..WEIGHTS };
        let characters = named(&["<blank>", " ", "a", "b", "c", "d"]);
        let tree = spell(&ngram, &[], &characters);
        let guide = WordGuide::new(&ngram, &tree, weights, &characters);
        offers_alike(&guide, &walk, &row, least);
        let phones = named(&["<blank>", "AH", "EY", "B", "IY", "T"]);
        let lexicon = Lexicon::parse(LEXICON.as_bytes(), "tiny", &phones).unwrap();
        let tree = pronounce(&ngram, &[], &lexicon);
        let guide = WordGuide::new(&ngram, &tree, weights, &phones);
        offers_alike(&guide, &walk, &row, least);
    }
}

proptest! {
    #[test]
    fn words_of_phones_score_as_defined(
        log_probs in log_probs(3),
        more in prop::sample::subsequence(vec!["missing"], 0..2),
    ) {
        let more: Vec<String> = more.into_iter().map(str::to_owned).collect();
        let symbols = ["<blank>", "AH", "EY"].map(String::from).to_vec();
        let tokens = Tokens::from_symbols(symbols).unwrap();
        let lexicon = Lexicon::parse(LEXICON.as_bytes(), "tiny", &tokens).unwrap();
        let ngram = ngram(ARPA);
        let tree = pronounce(&ngram, &more, &lexicon);
        prop_assert_eq!(tree.len(), 4 + more.len());
        let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens).with_words(&more);
        let entries = lexicon.entries().flat_map(|(word, pronunciations)| {
            pronunciations.iter().map(move |phones| (word, phones.clone()))
        });
        let known = |word: &str| word != "missing" || !more.is_empty();
        let entries: Vec<_> = entries.filter(|(word, _)| known(word)).collect();
        // Exactly the same phones may be cut into the same words in two ways; each is a path.
        check(&log_probs, &tokens, &guide, |labels| segment(&entries, labels));
    }
}

proptest! {
    /// The model is a bigram: behind the same two words all texts have the same future.
    #[test]
    fn few_prefixes_are_alike(log_probs in log_probs(4), alike in 1usize..3) {
        let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
        let tokens = Tokens::from_symbols(symbols).unwrap();
        let ngram = ngram(ARPA);
        let tree = spell(&ngram, &[], &tokens);
        let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
        let beam = PrefixBeam { alike, ..EXACT };
        let mut counts = BTreeMap::new();
        for hypothesis in beam.decode_with(log_probs.view(), &tokens, &guide) {
            let words: Vec<_> = hypothesis.text.split_whitespace().collect();
            // The word before tells apart who is in the last word, and the last who is behind it.
            let last = words[words.len().saturating_sub(2)..].join(" ");
            *counts.entry(last).or_insert(0) += 1;
        }
        prop_assert!(counts.values().all(|&count| count <= 2 * alike), "{counts:?}");
    }
}

#[test]
fn a_small_beam_finds_more_where_few_prefixes_are_alike() {
    let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
    let tokens = Tokens::from_symbols(symbols).unwrap();
    let ngram = ngram(ARPA);
    let tree = spell(&ngram, &[], &tokens);
    let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
    let mut rng = crate::train::stream(1, "alike", 0, 0);
    let mut gain = 0.0;
    for _ in 0..40 {
        let log_probs = Array2::from_shape_fn((40, 4), |_| {
            -rand::RngExt::random_range(&mut rng, 0.5f32..3.0)
        });
        let best = |alike| {
            let beam = PrefixBeam {
                beam: 6,
                alike,
                ..EXACT
            };
            beam.decode_with(log_probs.view(), &tokens, &guide)[0].score
        };
        gain += best(1) - best(0);
    }
    assert!(gain > 0.0, "{gain}");
}

#[test]
fn a_word_knows_its_phones() {
    let symbols = ["<blank>", "AH", "EY"].map(String::from).to_vec();
    let tokens = Tokens::from_symbols(symbols).unwrap();
    let lexicon = Lexicon::parse(LEXICON.as_bytes(), "tiny", &tokens).unwrap();
    let ngram = ngram(ARPA);
    let tree = pronounce(&ngram, &[], &lexicon);
    let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
    let path = [1, 2, 0, 2, 1];
    let log_probs = Array2::from_shape_fn((5, 3), |(t, v)| if path[t] == v { -0.01 } else { -9.0 });
    let best = &EXACT.decode_with(log_probs.view(), &tokens, &guide)[0];
    let words: Vec<_> = best
        .words
        .iter()
        .map(|w| (w.text.as_str(), w.tokens.clone()))
        .collect();
    assert_eq!(words, [("ab", 0..2), ("a", 2..4)]);
}
