//! The text that a network is trained on, in numbers.

use crate::lm::ngram::{Reading, VocabularyLimit};
use crate::lm::vocabulary::SPECIAL;
use crate::lm::{END, Error, Source, UNKNOWN, Vocabulary};

/// A text: its tokens with `</s>` behind each sentence, and how often each occurs.
pub struct Text {
    /// The special tokens, then words from the most frequent to the rarest.
    pub vocabulary: Vocabulary,
    /// By token.
    pub counts: Vec<u64>,
    /// The tokens.
    pub tokens: Vec<u32>,
}

impl Text {
    /// Reads all texts, one after the other, and chooses the vocabulary.
    ///
    /// Fails at a text without words, at a symbol with a meaning of its own, at bytes that are no
    /// UTF-8 or a line too long, or when there are not two words to choose from.
    pub fn read(
        sources: Vec<Source>,
        reading: Reading,
        limit: &VocabularyLimit,
    ) -> Result<Self, Error> {
        let mut all = Vocabulary::new();
        let mut tokens = Vec::new();
        let names: Vec<String> = sources
            .iter()
            .map(|source| source.name().to_string())
            .collect();
        for (source, name) in sources.into_iter().zip(&names) {
            each_sentence(source, name, reading, |word| all.insert(word), &mut tokens)?;
        }
        let mut counts = vec![0u64; all.len()];
        for &token in &tokens {
            counts[token as usize] += 1;
        }
        if counts[SPECIAL.len()..].iter().all(|&count| count == 0) {
            let name = names.join(", ");
            return Err(Error::Empty { name });
        }
        let chosen = choose(&all, &counts, limit);
        let vocabulary = Vocabulary::from_words(chosen.iter().map(|&token| all.word(token)));
        vocabulary.check_size()?;
        let mut numbers = vec![UNKNOWN; all.len()];
        numbers[END as usize] = END;
        for (&old, new) in chosen.iter().zip(SPECIAL.len() as u32..) {
            numbers[old as usize] = new;
        }
        let mut new_counts = vec![0; vocabulary.len()];
        for token in &mut tokens {
            *token = numbers[*token as usize];
            new_counts[*token as usize] += 1;
        }
        Ok(Self {
            vocabulary,
            counts: new_counts,
            tokens,
        })
    }

    /// Reads all texts over a vocabulary that exists.
    ///
    /// Fails as [`encode`] does.
    pub fn read_with(
        sources: Vec<Source>,
        reading: Reading,
        vocabulary: Vocabulary,
    ) -> Result<Self, Error> {
        let mut tokens = Vec::new();
        for source in sources {
            tokens.extend(encode(source, reading, &vocabulary)?);
        }
        let mut counts = vec![0; vocabulary.len()];
        tokens.iter().for_each(|&token| counts[token as usize] += 1);
        Ok(Self {
            vocabulary,
            counts,
            tokens,
        })
    }
}

/// The tokens of a text over a vocabulary that exists, `</s>` behind each sentence.
///
/// Fails as [`Text::read`] does.
pub fn encode(
    source: Source,
    reading: Reading,
    vocabulary: &Vocabulary,
) -> Result<Vec<u32>, Error> {
    let name = source.name().to_string();
    let mut tokens = Vec::new();
    each_sentence(
        source,
        &name,
        reading,
        |word| vocabulary.id(word),
        &mut tokens,
    )?;
    if tokens.iter().all(|&token| token == END) {
        return Err(Error::Empty { name });
    }
    Ok(tokens)
}

fn each_sentence(
    source: Source,
    name: &str,
    reading: Reading,
    mut number: impl FnMut(&str) -> u32,
    tokens: &mut Vec<u32>,
) -> Result<(), Error> {
    source.for_each_line(reading.max_line, |line, at| {
        let mut reserved = None;
        reading.unit.split(line, |word| {
            if !SPECIAL.contains(&word) {
                tokens.push(number(word));
            } else if !reading.skip_symbols {
                reserved.get_or_insert(word);
            }
        });
        tokens.push(END);
        match reserved {
            None => Ok(()),
            Some(word) => Err(Error::Reserved {
                name: name.to_string(),
                line: at,
                word: word.to_string(),
            }),
        }
    })
}

/// The words of the model, the most frequent first; of equally frequent ones, those that come first
/// in the text.
fn choose(all: &Vocabulary, counts: &[u64], limit: &VocabularyLimit) -> Vec<u32> {
    let mut words: Vec<u32> = match limit {
        VocabularyLimit::All | VocabularyLimit::MostFrequent(_) => {
            (SPECIAL.len() as u32..all.len() as u32).collect()
        }
        VocabularyLimit::Listed(words) => {
            let known = words.iter().filter_map(|word| all.find(word));
            let mut known: Vec<u32> = known.filter(|&w| w as usize >= SPECIAL.len()).collect();
            known.sort_unstable();
            known.dedup();
            known
        }
    };
    words.sort_by_key(|&word| std::cmp::Reverse(counts[word as usize]));
    if let VocabularyLimit::MostFrequent(number) = limit {
        words.truncate(*number);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::Unit;

    fn read(text: &str, limit: VocabularyLimit) -> Result<Text, Error> {
        let bytes = std::io::Cursor::new(text.to_string().into_bytes());
        let source = Source::new("the text".into(), bytes)?;
        let reading = Reading {
            unit: Unit::Word,
            max_line: 100,
            skip_symbols: false,
        };
        Text::read(vec![source], reading, &limit)
    }

    #[test]
    fn words_are_numbered_by_frequency_and_the_rest_is_unknown() {
        let text = read("c b a b\nb d a\n\n", VocabularyLimit::MostFrequent(2)).unwrap();
        let words: Vec<&str> = text.vocabulary.words().collect();
        assert_eq!(words, ["<unk>", "<s>", "</s>", "b", "a"]);
        assert_eq!(text.tokens, [0, 3, 4, 3, 2, 3, 0, 4, 2, 2]);
        assert_eq!(text.counts, [2, 0, 3, 3, 2]);
    }

    #[test]
    fn texts_without_a_choice_are_refused() {
        for (text, expected) in [
            ("", "no words in the text"),
            ("\n\n", "no words in the text"),
            ("a a\na\n", "one word only, `a`"),
            ("a b\nb <s> a\n", "the text, line 2: `<s>`"),
        ] {
            let message = read(text, VocabularyLimit::All).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let limit = VocabularyLimit::Listed(vec!["x".into()]);
        let message = read("a b\n", limit).err().unwrap().to_string();
        assert!(message.contains("the vocabulary has no word"), "{message}");
    }
}
