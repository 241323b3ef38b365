//! `hearken lexicon`.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Failure;
use crate::lm::ngram::NGram;
use crate::pronounce::{Guesses, LetterToSound, Training, complete, held_out};
use crate::text::{Lexicon, Tokens};

/// Pronunciations: learn letter-to-sound from a lexicon, write the lexicon of a vocabulary.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Train),
    Write(Lookup),
}

/// Learn from a lexicon how words are pronounced (a joint n-gram over letters and phones).
///
/// `--held-out 20` first trains without every twentieth word and reports the errors on those, each
/// against the closest of its pronunciations.
#[derive(clap::Args)]
struct Train {
    /// The lexicon, in the format of the CMU Pronouncing Dictionary.
    #[arg(value_name = "LEXICON")]
    lexicon: PathBuf,
    /// The model to write, NAME.bin.
    #[arg(long, value_name = "L2S.bin")]
    out: PathBuf,
    /// Pairs of letters and phones in the longest n-grams.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=9))]
    order: u8,
    /// n-grams to keep, those that matter most by relative entropy.
    #[arg(long, value_name = "NGRAMS", default_value_t = 140_000)]
    ngrams: usize,
    /// Measure on every Nth word, left out of a first training.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    held_out: Option<u32>,
}

/// Write the lexicon of a vocabulary: the entries of a lexicon, and guesses for words it lacks.
///
/// Guesses carry the comment `# letter-to-sound`. Words that cannot be pronounced are counted on
/// stderr and left out.
#[derive(clap::Args)]
struct Lookup {
    /// Words, separated by white space.
    #[arg(value_name = "WORDS")]
    words: PathBuf,
    /// The lexicon, in the format of the CMU Pronouncing Dictionary.
    #[arg(long)]
    lexicon: PathBuf,
    /// A model of `hearken lexicon train` for the words that the lexicon lacks.
    #[arg(long, value_name = "L2S.bin")]
    letter_to_sound: Option<PathBuf>,
    /// Pronunciations of a guessed word at most.
    #[arg(long, value_name = "N", default_value_t = 1)]
    guesses: usize,
    /// Of several guesses, those at least so probable.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    least: f32,
    /// The lexicon to write.
    #[arg(long)]
    out: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Train(args) => train(&args),
        Command::Write(args) => write(&args),
    }
}

fn train(args: &Train) -> Result<(), Failure> {
    if args
        .out
        .extension()
        .is_none_or(|extension| extension != "bin")
    {
        return Err(format!("{}: end the model's name in .bin", args.out.display()).into());
    }
    let phones = Tokens::phones();
    let lexicon = Lexicon::read(&args.lexicon, &phones)?;
    let training = Training {
        order: args.order.into(),
        ngrams: args.ngrams,
    };
    if let Some(nth) = args.held_out {
        let measured = held_out(&lexicon, &phones, training, nth as usize)?;
        writeln!(
            std::io::stdout(),
            "phone error rate {:.2} %, word error rate {:.2} %; {} words held out, {} phones",
            100.0 * measured.phone_error_rate(),
            100.0 * measured.word_error_rate(),
            measured.words,
            measured.phones
        )?;
    }
    let trie = LetterToSound::train(&lexicon, &phones, training)?;
    Ok(LetterToSound::write(&args.out, &trie)?)
}

fn write(args: &Lookup) -> Result<(), Failure> {
    let phones = Tokens::phones();
    let lexicon = Lexicon::read(&args.lexicon, &phones)?;
    let model = match &args.letter_to_sound {
        Some(path) => Some(LetterToSound::new(NGram::open(path)?, &phones)?),
        None => None,
    };
    let words = std::fs::read_to_string(&args.words)
        .map_err(|error| format!("cannot read {}: {error}", args.words.display()))?;
    let words: Vec<&str> = words.split_whitespace().collect();
    let guesses = Guesses {
        most: args.guesses,
        least: args.least,
    };
    let entries = complete(&words, &lexicon, model.as_ref(), guesses);
    let mut text = String::new();
    for (word, entry) in words.iter().zip(&entries) {
        for (number, pronunciation) in (1..).zip(&entry.pronunciations) {
            text.push_str(word);
            if number > 1 {
                write!(text, "({number})")?;
            }
            write!(text, " {}", phones.decode(pronunciation))?;
            text.push_str(if entry.known {
                "\n"
            } else {
                " # letter-to-sound\n"
            });
        }
    }
    put(&args.out, &text)?;
    let known = entries.iter().filter(|entry| entry.known).count();
    let left_out = entries
        .iter()
        .filter(|entry| entry.pronunciations.is_empty())
        .count();
    writeln!(
        std::io::stderr(),
        "{}: {} words, {known} of the lexicon, {} guessed, {left_out} left out",
        args.out.display(),
        words.len(),
        words.len() - known - left_out
    )?;
    Ok(())
}

/// Writes a whole file, or leaves what stood there.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let done = || -> std::io::Result<()> {
        // The mode of any new file, less the umask.
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    done().map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
