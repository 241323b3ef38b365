//! The pipes of `wav.scp` that only decode a file: they are read natively, without a shell.

/// What the last column of a line of `wav.scp` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file that is read as it is.
    File(String),
    /// A command that would have to be run.
    Command(String),
}

/// Parses a value of `wav.scp`. `flac -c -d -s FILE |`, `sox FILE -t wav - |` and `cat FILE |` are files.
pub(super) fn parse(value: &str) -> Entry {
    let Some(command) = value.strip_suffix('|') else {
        return Entry::File(value.to_owned());
    };
    let command = command.trim();
    match split_words(command).as_deref().and_then(native_file) {
        Some(file) => Entry::File(file.to_owned()),
        None => Entry::Command(command.to_owned()),
    }
}

/// The file that a command decodes, if that is all it does.
fn native_file(words: &[String]) -> Option<&str> {
    let (program, arguments) = words.split_first()?;
    let program = program.rsplit('/').next()?;
    let file = match (program, arguments) {
        ("cat", [file]) => file,
        ("sox", [file, t, wav, dash])
            if (t.as_str(), wav.as_str(), dash.as_str()) == ("-t", "wav", "-") =>
        {
            file
        }
        ("flac", arguments) => {
            let (options, files): (Vec<_>, Vec<_>) = arguments
                .iter()
                .partition(|argument| argument.starts_with('-'));
            let mut decode = false;
            let mut stdout = false;
            for option in options {
                match option.as_str() {
                    "--decode" => decode = true,
                    "--stdout" => stdout = true,
                    "--silent" | "--totally-silent" => {}
                    letters if !letters.starts_with("--") => {
                        for letter in letters[1..].chars() {
                            match letter {
                                'd' => decode = true,
                                'c' => stdout = true,
                                's' => {}
                                _ => return None,
                            }
                        }
                    }
                    _ => return None,
                }
            }
            match files.as_slice() {
                [file] if decode && stdout => *file,
                _ => return None,
            }
        }
        _ => return None,
    };
    (!file.starts_with('-')).then_some(file)
}

/// Splits as a shell does, with quotes and backslashes; none if anything else of a shell's grammar occurs.
fn split_words(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        end if end == character => break,
                        '\\' | '$' | '`' if character == '"' => return None,
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | '#' | '~'
            | '{' => {
                return None;
            }
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_that_only_decode_a_file_are_files() {
        for value in [
            "a b.flac",
            "flac -c -d -s 'a b.flac' |",
            "flac -cds \"a b.flac\"|",
            "/usr/bin/flac --stdout --decode --silent a\\ b.flac |",
            "sox  'a b.flac' -t wav - |",
            "cat a\\ b.flac |",
        ] {
            assert_eq!(parse(value), Entry::File("a b.flac".into()), "{value}");
        }
    }

    #[test]
    fn everything_else_is_a_command() {
        for value in [
            "flac -c -s a.flac",
            "flac -d -s a.flac",
            "flac -c -d -s a.flac b.flac",
            "flac -c -d --skip=100 a.flac",
            "sox a.wav -r 16000 -t wav -",
            "sox -t wav - a.wav",
            "sox -t wav -",
            "cat a b",
            "cat",
            "cat -",
            "cat a; rm -rf b",
            "cat $(evil)",
            "cat `evil`",
            "cat \"$evil\"",
            "cat a > b",
            "cat 'a",
            "cat *.wav",
            "cat a | sox - -t wav -",
            "sph2pipe -f wav a.sph",
            "",
        ] {
            let piped = format!("{value} |");
            assert_eq!(parse(&piped), Entry::Command(value.into()), "{value}");
        }
    }
}
