//! Text normalisation, declared in a config and applied alike to references and hypotheses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// One step of a normalisation, named in configs as its variant in kebab case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Every character in lower case.
    LowerCase,
    /// Typographic apostrophes (’ ‘ ʼ ´ `) become `'`.
    CurlyApostrophes,
    /// Hyphens and dashes (- ‐ ‑ – —) become spaces.
    HyphensToSpaces,
    /// Everything but letters a–z, `'` and space becomes a space.
    LettersOnly,
    /// Runs of white space become one space; none at either end.
    CollapseSpaces,
}

/// All steps, in the order in which `english` applies them.
const STEPS: [Step; 5] = [
    Step::LowerCase,
    Step::CurlyApostrophes,
    Step::HyphensToSpaces,
    Step::LettersOnly,
    Step::CollapseSpaces,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::LowerCase => "lower-case",
            Self::CurlyApostrophes => "curly-apostrophes",
            Self::HyphensToSpaces => "hyphens-to-spaces",
            Self::LettersOnly => "letters-only",
            Self::CollapseSpaces => "collapse-spaces",
        }
    }

    fn apply(self, text: &str) -> String {
        match self {
            Self::LowerCase => text.to_lowercase(),
            Self::CurlyApostrophes => text.replace(['’', '‘', 'ʼ', '´', '`'], "'"),
            Self::HyphensToSpaces => text.replace(['-', '‐', '‑', '–', '—'], " "),
            Self::LettersOnly => text
                .chars()
                .map(|c| {
                    if c.is_ascii_lowercase() || c == '\'' {
                        c
                    } else {
                        ' '
                    }
                })
                .collect(),
            Self::CollapseSpaces => {
                let mut collapsed = String::with_capacity(text.len());
                for word in text.split_whitespace() {
                    if !collapsed.is_empty() {
                        collapsed.push(' ');
                    }
                    collapsed.push_str(word);
                }
                collapsed
            }
        }
    }
}

/// The steps' names, for error messages.
pub(super) fn step_names() -> String {
    STEPS.map(|step| format!("`{}`", step.name())).join(", ")
}

/// A normalisation: steps applied in order. A config lists them:
/// `normalise = ["lower-case", "letters-only", "collapse-spaces"]`; on the command line they are
/// separated by commas, and `english` and `none` stand for all and for no steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Normalisation(Vec<Step>);

impl Normalisation {
    /// These steps, in this order.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// All steps: what is left is words of a–z and `'` with single spaces between them.
    pub fn english() -> Self {
        Self(STEPS.to_vec())
    }

    /// No step: texts stay as they are.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The normalised text.
    pub fn apply(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, step| step.apply(&text))
    }
}

impl Default for Normalisation {
    fn default() -> Self {
        Self::english()
    }
}

impl FromStr for Normalisation {
    type Err = Error;

    fn from_str(names: &str) -> Result<Self, Error> {
        match names {
            "english" => Ok(Self::english()),
            "none" => Ok(Self::none()),
            _ => names
                .split(',')
                .map(|name| {
                    let name = name.trim();
                    let step = STEPS.into_iter().find(|step| step.name() == name);
                    step.ok_or_else(|| Error::UnknownStep(name.into()))
                })
                .collect::<Result<_, _>>()
                .map(Self),
        }
    }
}

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        f.write_str(
            &self
                .0
                .iter()
                .map(|step| step.name())
                .collect::<Vec<_>>()
                .join(","),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn english_leaves_words_of_letters_and_apostrophes() {
        let english = Normalisation::default();
        assert_eq!(
            english.apply("  Don’t—stop:  well-known, É 42! "),
            "don't stop well known"
        );
        assert_eq!(english.apply("\u{feff}\u{a0}A\tB"), "a b");
        assert_eq!(english.apply("…"), "");
    }

    #[test]
    fn steps_apply_in_the_order_declared() {
        let steps: Normalisation = "letters-only,lower-case".parse().unwrap();
        assert_eq!(steps.apply("Ab"), " b");
        assert_eq!(Normalisation::none().apply(" A-b "), " A-b ");
    }

    #[test]
    fn names_on_the_command_line_and_in_configs_are_the_same() {
        for step in STEPS {
            let json = serde_json::to_string(&step).unwrap();
            assert_eq!(json, format!("\"{}\"", step.name()));
        }
        let all = Normalisation::english();
        assert_eq!(all.to_string().parse::<Normalisation>().unwrap(), all);
        assert_eq!("none".parse::<Normalisation>().unwrap().to_string(), "none");
    }

    #[test]
    fn an_unknown_step_is_named_with_the_known_ones() {
        let error = "lowercase"
            .parse::<Normalisation>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`lowercase`") && error.contains("`lower-case`"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn english_is_idempotent_and_encodable(text in any::<String>()) {
            let once = Normalisation::english().apply(&text);
            prop_assert_eq!(&Normalisation::english().apply(&once), &once);
            prop_assert!(crate::text::Tokens::characters().encode_text(&once).is_ok());
        }
    }
}
