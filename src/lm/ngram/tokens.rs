//! Stage 1: words become numbers.
//!
//! Input: texts, one sentence a line. Output: the vocabulary, how often each word occurs, and the
//! numbers of all tokens with `</s>` after each sentence, in the text's order. An empty line is a
//! sentence of no words, as for KenLM's lmplz.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::super::Error;
use super::super::source::Source;
use super::super::vocabulary::{END, SPECIAL, Unit, Vocabulary};
use super::spool::Workspace;

/// How a text is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Words or characters.
    pub unit: Unit,
    /// The longest line in bytes.
    pub max_line: usize,
    /// Whether `<s>`, `</s>` and `<unk>` in the text are spaces; an error otherwise.
    pub skip_symbols: bool,
}

/// A text in numbers.
pub struct Tokens {
    /// The words, numbered in the order of their first occurrence.
    pub vocabulary: Vocabulary,
    /// How often each word occurs.
    pub occurrences: Vec<u64>,
    /// Sentences.
    pub sentences: u64,
    /// The tokens.
    pub stream: Stream,
}

impl Tokens {
    /// Reads all texts, one after the other.
    pub fn read(
        sources: Vec<Source>,
        reading: Reading,
        workspace: Workspace,
    ) -> Result<Self, Error> {
        let names: Vec<String> = sources
            .iter()
            .map(|source| source.name().to_string())
            .collect();
        let mut tokens = Self {
            vocabulary: Vocabulary::new(),
            occurrences: vec![0; SPECIAL.len()],
            sentences: 0,
            stream: Stream::new(workspace),
        };
        for (source, name) in sources.into_iter().zip(&names) {
            source.for_each_block(reading.max_line, |block| -> Result<(), Error> {
                let text = block.text.strip_suffix('\n').unwrap_or(block.text);
                for (line, number) in text.split('\n').zip(block.first_line..) {
                    tokens
                        .sentence(line, reading)
                        .map_err(|word| Error::Reserved {
                            name: name.clone(),
                            line: number,
                            word: word.to_string(),
                        })?;
                }
                tokens.stream.spill_if_full()
            })?;
        }
        if tokens.words() == 0 {
            let name = names.join(", ");
            return Err(Error::Empty { name });
        }
        Ok(tokens)
    }

    /// Running words, without sentence ends.
    pub fn words(&self) -> u64 {
        self.occurrences.iter().sum()
    }

    fn sentence<'a>(&mut self, line: &'a str, reading: Reading) -> Result<(), &'a str> {
        let mut reserved = None;
        reading.unit.split(line, |word| {
            let id = self.vocabulary.insert(word);
            if (id as usize) < SPECIAL.len() {
                if !reading.skip_symbols {
                    reserved.get_or_insert(word);
                }
                return;
            }
            if id as usize == self.occurrences.len() {
                self.occurrences.push(0);
            }
            self.occurrences[id as usize] += 1;
            self.stream.tokens.push(id);
        });
        self.stream.tokens.push(END);
        self.sentences += 1;
        reserved.map_or(Ok(()), Err)
    }
}

/// Token numbers, in memory or, beyond it, in a temporary file.
pub struct Stream {
    workspace: Workspace,
    tokens: Vec<u32>,
    file: Option<File>,
    in_file: u64,
}

impl Stream {
    fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            tokens: Vec::new(),
            file: None,
            in_file: 0,
        }
    }

    /// How many tokens there are, sentence ends counted.
    pub fn len(&self) -> u64 {
        self.in_file + self.tokens.len() as u64
    }

    /// Calls `each` with stretches of whole sentences, of about `length` tokens, as many at a time
    /// as `width`.
    pub fn for_each_stretch(
        mut self,
        length: usize,
        width: usize,
        mut each: impl FnMut(&[&[u32]]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut pending = Vec::new();
        if let Some(mut file) = self.file.take() {
            file.rewind()
                .map_err(|source| self.workspace.error(source))?;
            let mut bytes = Vec::new();
            let mut left = self.in_file;
            while left > 0 {
                let count = left.min((length * width) as u64);
                bytes.resize(count as usize * 4, 0);
                file.read_exact(&mut bytes)
                    .map_err(|source| self.workspace.error(source))?;
                let (words, _) = bytes.as_chunks::<4>();
                pending.extend(words.iter().map(|&word| u32::from_le_bytes(word)));
                left -= count;
                let whole = sentence_end(&pending, pending.len());
                each(&stretches(&pending[..whole], length))?;
                pending.drain(..whole);
            }
        }
        // Spilling happens between blocks of whole lines, so `pending` is empty here.
        debug_assert!(pending.is_empty());
        stretches(&self.tokens, length)
            .chunks(width)
            .try_for_each(each)
    }

    /// Moves the tokens to the file when they fill the memory.
    fn spill_if_full(&mut self) -> Result<(), Error> {
        if self.tokens.len() * 4 < self.workspace.memory {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.workspace.file()?),
        };
        let bytes: Vec<u8> = self
            .tokens
            .iter()
            .flat_map(|token| token.to_le_bytes())
            .collect();
        file.write_all(&bytes)
            .map_err(|source| self.workspace.error(source))?;
        self.in_file += self.tokens.len() as u64;
        self.tokens = Vec::new();
        Ok(())
    }
}

/// Cuts behind sentence ends.
fn stretches(tokens: &[u32], length: usize) -> Vec<&[u32]> {
    let mut stretches = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let more = rest
            .iter()
            .skip(length.max(1) - 1)
            .position(|&token| token == END);
        let end = more.map_or(rest.len(), |more| length.max(1) + more);
        let (stretch, after) = rest.split_at(end.min(rest.len()));
        stretches.push(stretch);
        rest = after;
    }
    stretches
}

/// The end of the last whole sentence within the first `length` tokens.
fn sentence_end(tokens: &[u32], length: usize) -> usize {
    tokens[..length]
        .iter()
        .rposition(|&token| token == END)
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, memory: usize, skip_symbols: bool) -> Result<Tokens, Error> {
        let source = Source::new(
            "the text".into(),
            std::io::Cursor::new(text.to_string().into_bytes()),
        )?;
        let reading = Reading {
            unit: Unit::Word,
            max_line: 100,
            skip_symbols,
        };
        let folder = std::env::temp_dir();
        Tokens::read(vec![source], reading, Workspace { folder, memory })
    }

    #[test]
    fn words_are_numbered_as_they_come() {
        let tokens = read("a b a\n\nb c\n", usize::MAX, false).unwrap();
        assert_eq!(
            tokens.vocabulary.words().collect::<Vec<_>>(),
            ["<unk>", "<s>", "</s>", "a", "b", "c"]
        );
        assert_eq!(tokens.occurrences, [0, 0, 0, 2, 2, 1]);
        assert_eq!((tokens.words(), tokens.sentences), (5, 3));
        assert_eq!(tokens.stream.tokens, [3, 4, 3, 2, 2, 4, 5, 2]);
    }

    #[test]
    fn reserved_words_are_named_or_skipped() {
        let message = read("a b\nb </s> a\n", usize::MAX, false)
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains("the text, line 2: `</s>`"), "{message}");
        assert_eq!(
            read("a b\nb </s> a\n", usize::MAX, true)
                .unwrap()
                .stream
                .tokens,
            [3, 4, 2, 4, 3, 2]
        );
    }

    #[test]
    fn a_text_without_words_is_refused() {
        for text in ["", "\n \n\n"] {
            let message = read(text, usize::MAX, false).err().unwrap().to_string();
            assert!(message.starts_with("no words in the text"), "{message}");
        }
    }

    #[test]
    fn stretches_hold_whole_sentences_in_memory_and_in_a_file() {
        let text: String = (0..300_000)
            .map(|i| ["a b c\n", "b\n", "\n", "c a a b c\n"][i % 4])
            .collect();
        for memory in [usize::MAX, 0] {
            for (length, width) in [(1, 1000), (7, 100), (1 << 20, 2)] {
                let tokens = read(&text, memory, false).unwrap();
                let total = tokens.stream.len();
                assert_eq!(tokens.stream.file.is_some(), memory == 0);
                let mut seen = 0;
                tokens
                    .stream
                    .for_each_stretch(length, width, |stretches| {
                        for stretch in stretches {
                            assert_eq!(stretch.last(), Some(&END));
                            seen += stretch.len() as u64;
                        }
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(seen, total);
            }
        }
    }
}
