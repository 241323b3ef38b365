//! Token inventories: what a CTC output can emit.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Error;

/// The blank is token 0 in every inventory.
pub const BLANK: u32 = 0;

/// The blank's symbol.
const BLANK_SYMBOL: &str = "<blank>";

/// The 39 phones of the CMU Pronouncing Dictionary without stress marks, in alphabetical order.
const PHONES: [&str; 39] = [
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH",
    "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH",
    "UW", "V", "W", "Y", "Z", "ZH",
];

/// A token inventory: `V` symbols, of which the first is the blank.
///
/// In an inventory of characters every other symbol is one character, and a text is their
/// sequence. In any other (phones) a text is symbols separated by spaces. Serialised as the list of
/// its symbols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Tokens {
    symbols: Vec<String>,
    ids: HashMap<String, u32>,
    characters: bool,
}

impl Tokens {
    /// English characters: blank, space, apostrophe, a–z. `V` = 29.
    pub fn characters() -> Self {
        let letters = ('a'..='z').map(String::from);
        Self::index([" ", "'"].map(String::from).into_iter().chain(letters))
    }

    /// The blank and CMUdict's 39 phones without stress. `V` = 40.
    pub fn phones() -> Self {
        Self::index(PHONES.into_iter().map(String::from))
    }

    /// The inventory that a config calls `characters` or `phones`.
    ///
    /// # Errors
    /// [`Error::UnknownInventory`] for any other name.
    pub fn named(name: &str) -> Result<Self, Error> {
        match name {
            "characters" => Ok(Self::characters()),
            "phones" => Ok(Self::phones()),
            _ => Err(Error::UnknownInventory(name.into())),
        }
    }

    /// An inventory of one's own: `<blank>` first, then the symbols in the order of the model's
    /// outputs.
    ///
    /// # Errors
    /// [`Error::BadInventory`] if the blank is not first, nothing follows it, or a symbol is empty,
    /// is there twice, or has a space in an inventory that is not of characters.
    pub fn from_symbols(symbols: Vec<String>) -> Result<Self, Error> {
        let bad = |what: String| Err(Error::BadInventory(what));
        if symbols.first().map(String::as_str) != Some(BLANK_SYMBOL) {
            return bad(format!("its first symbol must be `{BLANK_SYMBOL}`"));
        }
        if symbols.len() < 2 {
            return bad("it has nothing but the blank".into());
        }
        let count = symbols.len();
        let tokens = Self::index(symbols.into_iter().skip(1));
        if tokens.ids.len() != count {
            let twice = (0..)
                .zip(&tokens.symbols)
                .find(|(id, s)| tokens.ids[*s] != *id);
            return bad(format!("`{}` is there twice", twice.map_or("", |(_, s)| s)));
        }
        for symbol in &tokens.symbols {
            if symbol.is_empty() {
                return bad("a symbol is empty".into());
            }
            if !tokens.characters && symbol.contains(char::is_whitespace) {
                return bad(format!("`{symbol}` has a space in it"));
            }
        }
        Ok(tokens)
    }

    fn index(symbols: impl Iterator<Item = String>) -> Self {
        let symbols: Vec<_> = std::iter::once(BLANK_SYMBOL.into())
            .chain(symbols)
            .collect();
        let ids = symbols.iter().cloned().zip(0..).collect();
        let characters = symbols[1..]
            .iter()
            .all(|symbol| symbol.chars().count() == 1);
        Self {
            symbols,
            ids,
            characters,
        }
    }

    /// `V`: the number of tokens, the blank included.
    #[allow(clippy::len_without_is_empty, reason = "an inventory is never empty")]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// The symbols, the blank first.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// The blank's token, 0.
    pub fn blank(&self) -> u32 {
        BLANK
    }

    /// The token of a symbol.
    pub fn id(&self, symbol: &str) -> Option<u32> {
        self.ids.get(symbol).copied()
    }

    /// The token that separates words, in an inventory of characters that has one.
    pub fn space(&self) -> Option<u32> {
        self.id(" ")
    }

    /// Whether every symbol but the blank is one character.
    pub fn is_characters(&self) -> bool {
        self.characters
    }

    /// The tokens of a text: its characters, or its symbols separated by white space.
    ///
    /// # Errors
    /// [`Error::OutsideInventory`] names the first symbol that has no token.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, Error> {
        let token = |symbol: &str| match self.ids.get(symbol) {
            Some(&id) if id != BLANK => Ok(id),
            _ => Err(Error::OutsideInventory {
                symbol: symbol.into(),
                text: text.into(),
            }),
        };
        if self.characters {
            let mut buffer = [0; 4];
            text.chars()
                .map(|character| token(character.encode_utf8(&mut buffer)))
                .collect()
        } else {
            text.split_whitespace().map(token).collect()
        }
    }

    /// The text of tokens (collapsed ones: every token counts). Spaces that mean nothing in a
    /// transcript, leading, trailing or doubled, are left out, and so is the blank.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut text = String::with_capacity(tokens.len() * if self.characters { 1 } else { 3 });
        for symbol in tokens
            .iter()
            .filter_map(|&token| self.symbols.get(token as usize))
        {
            if symbol == BLANK_SYMBOL {
                continue;
            }
            if symbol == " " {
                if !text.is_empty() && !text.ends_with(' ') {
                    text.push(' ');
                }
                continue;
            }
            if !self.characters && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(symbol);
        }
        text.truncate(text.trim_end_matches(' ').len());
        text
    }
}

impl TryFrom<Vec<String>> for Tokens {
    type Error = Error;

    fn try_from(symbols: Vec<String>) -> Result<Self, Error> {
        Self::from_symbols(symbols)
    }
}

impl From<Tokens> for Vec<String> {
    fn from(tokens: Tokens) -> Self {
        tokens.symbols
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_blank_is_first_and_the_characters_follow() {
        let tokens = Tokens::characters();
        assert_eq!(tokens.len(), 29);
        assert_eq!(tokens.symbols()[..4], ["<blank>", " ", "'", "a"]);
        assert_eq!(tokens.symbols()[28], "z");
        assert_eq!(tokens.space(), Some(1));
        assert!(tokens.is_characters());
    }

    #[test]
    fn the_phones_are_cmudicts_39() {
        let tokens = Tokens::phones();
        assert_eq!(tokens.len(), 40);
        assert!(!tokens.is_characters());
        assert_eq!(tokens.space(), None);
        let encoded = tokens.encode_text("HH AH L OW").unwrap();
        assert_eq!(tokens.decode(&encoded), "HH AH L OW");
    }

    #[test]
    fn a_symbol_outside_the_inventory_is_named() {
        let error = Tokens::characters()
            .encode_text("café")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`é` of \"café\""), "{error}");
        let error = Tokens::phones()
            .encode_text("HH AH0")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`AH0`"), "{error}");
        assert!(Tokens::phones().encode_text("<blank>").is_err());
    }

    #[test]
    fn only_spaces_between_words_are_written() {
        let tokens = Tokens::characters();
        let encoded = tokens.encode_text("  a  b ").unwrap();
        assert_eq!(encoded.len(), 7);
        assert_eq!(tokens.decode(&encoded), "a b");
        assert_eq!(tokens.decode(&[0, 1, 1]), "");
    }

    #[test]
    fn a_bad_inventory_is_refused() {
        let refuse = |symbols: &[&str]| {
            let symbols = symbols.iter().map(ToString::to_string).collect();
            Tokens::from_symbols(symbols).unwrap_err().to_string()
        };
        assert!(refuse(&["a", "b"]).contains("must be `<blank>`"));
        assert!(refuse(&["<blank>"]).contains("nothing but the blank"));
        assert!(refuse(&["<blank>", "a", "b", "a"]).contains("`a` is there twice"));
        assert!(refuse(&["<blank>", "a", "<blank>"]).contains("`<blank>` is there twice"));
        assert!(refuse(&["<blank>", "a", ""]).contains("empty"));
        assert!(refuse(&["<blank>", "A H", "B"]).contains("space"));
        assert!(
            Tokens::named("letters")
                .unwrap_err()
                .to_string()
                .contains("`letters`")
        );
    }

    #[test]
    fn an_inventory_survives_serialisation() {
        for tokens in [Tokens::characters(), Tokens::phones()] {
            let json = serde_json::to_string(&tokens).unwrap();
            assert_eq!(serde_json::from_str::<Tokens>(&json).unwrap(), tokens);
        }
        assert!(serde_json::from_str::<Tokens>("[\"a\"]").is_err());
    }

    proptest! {
        #[test]
        fn encoding_then_decoding_gives_the_words(text in "[a-z']{1,6}( [a-z']{1,6}){0,5}") {
            let tokens = Tokens::characters();
            prop_assert_eq!(tokens.decode(&tokens.encode_text(&text).unwrap()), text);
        }
    }
}
