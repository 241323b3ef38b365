//! Words and their numbers.

use super::Error;

/// The number of `<unk>`, the word that stands for every other one.
pub const UNKNOWN: u32 = 0;
/// The number of `<s>`, the context before the first word; it is never predicted.
pub const START: u32 = 1;
/// The number of `</s>`, the end of a sentence, predicted like a word.
pub const END: u32 = 2;

/// `<unk>`, `<s>`, `</s>`, in the order of their numbers (KenLM's).
pub const SPECIAL: [&str; 3] = ["<unk>", "<s>", "</s>"];

/// The space between two words in a model over characters.
pub const SPACE: &str = "<space>";

/// What a model predicts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Words, separated by white space.
    Word,
    /// Characters; a run of white space between two words is the one token `<space>`.
    Character,
}

impl Unit {
    /// Calls `each` with every token of a line, in order. White space is space, tab, carriage
    /// return, vertical tab, form feed and NUL, as in KenLM's programs.
    pub fn split<'a>(self, line: &'a str, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Word => {
                let bytes = line.as_bytes();
                let mut start = 0;
                for (at, &byte) in bytes.iter().enumerate() {
                    if is_space(byte) {
                        if start < at {
                            each(&line[start..at]);
                        }
                        start = at + 1;
                    }
                }
                if start < line.len() {
                    each(&line[start..]);
                }
            }
            Self::Character => {
                let mut within = false;
                let mut space = false;
                for (at, character) in line.char_indices() {
                    if character.is_whitespace() || character == '\0' {
                        space = within;
                        continue;
                    }
                    if space {
                        each(SPACE);
                        space = false;
                    }
                    within = true;
                    each(&line[at..at + character.len_utf8()]);
                }
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | 0)
}

/// Words numbered from 0 in the order in which they came, the three special ones first.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    text: String,
    /// Word `i` is `text[ends[i - 1]..ends[i]]`.
    ends: Vec<usize>,
    /// Open addressing, at most half full; `EMPTY` or the word's number and a part of its hash.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    id: u32,
}

const EMPTY: Slot = Slot {
    tag: 0,
    id: u32::MAX,
};

impl Default for Vocabulary {
    fn default() -> Self {
        let mut vocabulary = Self {
            text: String::new(),
            ends: Vec::new(),
            slots: vec![EMPTY; 64],
        };
        for word in SPECIAL {
            vocabulary.insert(word);
        }
        vocabulary
    }
}

impl Vocabulary {
    /// The special words alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The special words, then `words` in their order, doubles once.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut vocabulary = Self::new();
        for word in words {
            vocabulary.insert(word);
        }
        vocabulary
    }

    /// How many words there are, the three special ones among them.
    #[allow(clippy::len_without_is_empty)] // never empty: the special words are always there
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The word's number, new if need be.
    pub fn insert(&mut self, word: &str) -> u32 {
        let hash = hash(word.as_bytes());
        let slot = match self.lookup(word, hash) {
            Ok(id) => return id,
            Err(slot) => slot,
        };
        let id = self.ends.len() as u32;
        self.slots[slot] = Slot {
            tag: (hash >> 32) as u32,
            id,
        };
        self.text.push_str(word);
        self.ends.push(self.text.len());
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    /// The word's number, if the vocabulary has it.
    pub fn find(&self, word: &str) -> Option<u32> {
        self.lookup(word, hash(word.as_bytes())).ok()
    }

    /// The word's number, or that of `<unk>`.
    pub fn id(&self, word: &str) -> u32 {
        self.find(word).unwrap_or(UNKNOWN)
    }

    /// The word of a number, `<unk>` for a number outside.
    pub fn word(&self, id: u32) -> &str {
        self.get(id as usize).unwrap_or(SPECIAL[UNKNOWN as usize])
    }

    /// All words in the order of their numbers.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|id| self.get(id).unwrap_or_default())
    }

    /// Characters if every word but the special ones and `<space>` is a single character, words
    /// otherwise.
    pub fn unit(&self) -> Unit {
        let single = |word: &str| word == SPACE || word.chars().count() == 1;
        if self.len() > SPECIAL.len() && self.words().skip(SPECIAL.len()).all(single) {
            Unit::Character
        } else {
            Unit::Word
        }
    }

    /// The numbers of a line's tokens, without sentence start and end. `<s>` and `</s>` within a
    /// line are no words: they are unknown.
    pub fn encode(&self, line: &str, unit: Unit) -> Vec<u32> {
        let mut ids = Vec::new();
        unit.split(line, |token| match self.id(token) {
            START | END => ids.push(UNKNOWN),
            id => ids.push(id),
        });
        ids
    }

    /// A word that only one of two vocabularies has, and whether it is `self` that has it.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'a str, bool)> {
        let only = |a: &'a Self, b: &'a Self| a.words().find(|word| b.find(word).is_none());
        only(self, other)
            .map(|word| (word, true))
            .or_else(|| only(other, self).map(|word| (word, false)))
    }

    /// Fails if there is nothing to choose between: a model needs two words at least.
    pub fn check_size(&self) -> Result<(), Error> {
        match self.len() - SPECIAL.len() {
            0 => Err(Error::Vocabulary(
                "the vocabulary has no word; give text, or a --vocab that shares words with it"
                    .to_string(),
            )),
            1 => Err(Error::Vocabulary(format!(
                "the vocabulary has one word only, `{}`: there is nothing to predict; give more text or a larger --vocab",
                self.word(SPECIAL.len() as u32)
            ))),
            _ => Ok(()),
        }
    }

    fn get(&self, id: usize) -> Option<&str> {
        let end = *self.ends.get(id)?;
        let start = if id == 0 { 0 } else { *self.ends.get(id - 1)? };
        self.text.get(start..end)
    }

    /// The word's number, or the slot where it belongs.
    fn lookup(&self, word: &str, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let tag = (hash >> 32) as u32;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == EMPTY.id {
                return Err(at);
            }
            if slot.tag == tag && self.get(slot.id as usize) == Some(word) {
                return Ok(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 4 - 1;
        let mut slots = vec![EMPTY; mask + 1];
        for id in 0..self.len() {
            let hash = hash(self.get(id).unwrap_or_default().as_bytes());
            let mut at = hash as usize & mask;
            while slots[at].id != EMPTY.id {
                at = (at + 1) & mask;
            }
            slots[at] = Slot {
                tag: (hash >> 32) as u32,
                id: id as u32,
            };
        }
        self.slots = slots;
    }
}

/// A multiplicative hash of eight bytes at a time. Only speed hangs on it: words are compared in full.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut mix = |word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        state = product as u64 ^ (product >> 64) as u64;
    };
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        mix(u64::from_le_bytes(*chunk));
    }
    let mut last = 0;
    for &byte in rest {
        last = last << 8 | u64::from(byte);
    }
    mix(last);
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(unit: Unit, line: &str) -> Vec<&str> {
        let mut tokens = Vec::new();
        unit.split(line, |token| tokens.push(token));
        tokens
    }

    #[test]
    fn special_words_have_the_numbers_of_kenlm() {
        let vocabulary = Vocabulary::new();
        assert_eq!(vocabulary.find("<unk>"), Some(UNKNOWN));
        assert_eq!(vocabulary.find("<s>"), Some(START));
        assert_eq!(vocabulary.find("</s>"), Some(END));
        assert_eq!(vocabulary.id("never heard"), UNKNOWN);
        assert_eq!(vocabulary.word(9), "<unk>");
    }

    #[test]
    fn a_line_splits_at_any_white_space() {
        assert_eq!(split(Unit::Word, " a\tb  c\r"), ["a", "b", "c"]);
        assert_eq!(split(Unit::Word, " \t "), [""; 0]);
        assert_eq!(
            split(Unit::Character, "  it's é "),
            ["i", "t", "'", "s", "<space>", "é"]
        );
    }

    #[test]
    fn characters_are_told_from_words() {
        assert_eq!(
            Vocabulary::from_words(["a", "<space>", "é"]).unit(),
            Unit::Character
        );
        assert_eq!(Vocabulary::from_words(["a", "the"]).unit(), Unit::Word);
        assert_eq!(Vocabulary::new().unit(), Unit::Word);
    }

    #[test]
    fn a_vocabulary_of_one_is_refused() {
        let message = Vocabulary::from_words(["alone"])
            .check_size()
            .unwrap_err()
            .to_string();
        assert!(message.contains("one word only, `alone`"), "{message}");
        assert!(
            Vocabulary::from_words(["two", "words"])
                .check_size()
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn every_word_is_found_under_its_number(words in prop::collection::vec("[a-zé']{0,20}", 0..300)) {
            let vocabulary = Vocabulary::from_words(words.iter().map(String::as_str));
            for word in &words {
                let id = vocabulary.find(word);
                prop_assert_eq!(id.map(|id| vocabulary.word(id)), Some(word.as_str()));
            }
            let distinct: std::collections::BTreeSet<_> = words.iter().map(String::as_str).chain(SPECIAL).collect();
            prop_assert_eq!(vocabulary.len(), distinct.len());
        }
    }
}
