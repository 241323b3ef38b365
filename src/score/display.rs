//! An alignment as text, in the manner of sclite's `pralign`.

use std::fmt;

use super::{Operation, Utterance};

impl fmt::Display for Utterance {
    /// Four lines: the ID with its counts, then reference, hypothesis and the kinds of error one
    /// above the other. Words that are wrong stand in capitals, stars where a word is missing.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let counts = self.words;
        writeln!(
            f,
            "{} ({} correct, {} sub, {} del, {} ins)",
            self.id, counts.correct, counts.substitutions, counts.deletions, counts.insertions
        )?;
        let (mut top, mut middle, mut bottom) = (
            String::from("REF:"),
            String::from("HYP:"),
            String::from("ERR:"),
        );
        for (operation, reference, hypothesis) in
            self.alignment.pairs(&self.reference, &self.hypothesis)
        {
            let shown = |word: Option<&String>| match (word, operation) {
                (Some(word), Operation::Correct) => word.clone(),
                (Some(word), _) => word.to_uppercase(),
                (None, _) => String::new(),
            };
            let (reference, hypothesis) = (shown(reference), shown(hypothesis));
            let width = |word: &str| word.chars().count();
            let column = width(&reference).max(width(&hypothesis));
            let mark = match operation {
                Operation::Correct => "",
                Operation::Substitution => "S",
                Operation::Deletion => "D",
                Operation::Insertion => "I",
            };
            for (line, word) in [(&mut top, &reference), (&mut middle, &hypothesis)] {
                line.push(' ');
                line.push_str(word);
                let filler = if word.is_empty() { "*" } else { " " };
                line.push_str(&filler.repeat(column - width(word)));
            }
            bottom.push(' ');
            bottom.push_str(mark);
            bottom.push_str(&" ".repeat(column.saturating_sub(mark.len())));
        }
        writeln!(
            f,
            "{}\n{}\n{}",
            top.trim_end(),
            middle.trim_end(),
            bottom.trim_end()
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::score::{Costs, Evaluation, Pair};
    use crate::text::Normalisation;

    #[test]
    fn words_stand_one_above_the_other() {
        let pair = Pair {
            id: "u1".into(),
            reference: "the cat sat on the mat".into(),
            hypothesis: "the hats sat the mat now".into(),
        };
        let evaluation = Evaluation::new(&[pair], &Normalisation::none(), Costs::Levenshtein);
        assert_eq!(
            evaluation.utterances[0].to_string(),
            "u1 (4 correct, 1 sub, 1 del, 1 ins)\n\
             REF: the CAT  sat ON the mat ***\n\
             HYP: the HATS sat ** the mat NOW\n\
             ERR:     S        D          I\n"
        );
    }
}
