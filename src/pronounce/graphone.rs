//! A graphone: letters and the phones that they stand for.

use crate::text::Tokens;

/// Between letters and phones.
const TO: char = ':';

/// Between phones.
const AND: char = '.';

/// The shapes of graphones: letters, phones. Two letters for no phone or for two would be two
/// graphones as well.
pub const SHAPES: [(usize, usize); 4] = [(1, 0), (1, 1), (1, 2), (2, 1)];

/// One or two letters and up to two phones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphone {
    /// The letters.
    pub letters: Vec<char>,
    /// The phones, tokens of an inventory.
    pub phones: Vec<u32>,
}

/// Whether a character can be a letter of a graphone: the spelling of one must stay one word.
pub fn is_letter(character: char) -> bool {
    character != TO && !character.is_whitespace() && !character.is_control() && character != '<'
}

impl Graphone {
    /// The word that stands for it in the n-gram, such as `x:K.S`.
    pub fn spelling(&self, phones: &Tokens) -> String {
        let mut spelling: String = self.letters.iter().collect();
        spelling.push(TO);
        for (at, &phone) in self.phones.iter().enumerate() {
            if at > 0 {
                spelling.push(AND);
            }
            spelling.push_str(&phones.symbols()[phone as usize]);
        }
        spelling
    }

    /// What [`Self::spelling`] spells; `None` for any other word.
    pub fn parse(spelling: &str, phones: &Tokens) -> Option<Self> {
        let (letters, sounds) = spelling.split_once(TO)?;
        let letters: Vec<char> = letters.chars().collect();
        let sounds = sounds.split(AND).filter(|sound| !sound.is_empty());
        let phones: Vec<u32> = sounds
            .map(|sound| phones.id(sound))
            .collect::<Option<_>>()?;
        let known = SHAPES.contains(&(letters.len(), phones.len()));
        known.then_some(Self { letters, phones })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_read_back_and_any_other_word_is_none() {
        let phones = Tokens::phones();
        let id = |phone| phones.id(phone).unwrap();
        for (letters, sounds, spelling) in [
            ("x", vec![id("K"), id("S")], "x:K.S"),
            ("ph", vec![id("F")], "ph:F"),
            ("e", vec![], "e:"),
        ] {
            let graphone = Graphone {
                letters: letters.chars().collect(),
                phones: sounds,
            };
            assert_eq!(graphone.spelling(&phones), spelling);
            assert_eq!(Graphone::parse(spelling, &phones), Some(graphone));
        }
        for word in ["word", "", ":", ":K", "x:QQ", "ough:AO", "ab:K.S"] {
            assert_eq!(Graphone::parse(word, &phones), None, "{word}");
        }
    }
}
