//! `hearken bench`.

use std::io::Write;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::Failure;
use crate::experiment::bench::{Kind, Measured, Request, measure};
use crate::nn::{Cell, Path, Precision, RecurrentConfig};

/// Seconds a training or inference step takes for an architecture on this machine.
///
/// A step of training is the forward pass, the CTC loss and the gradients of every weight; one of
/// inference ends with log-probabilities. Weights and inputs are random, targets have a label for
/// every eight frames. What is asked before an architecture is chosen: median seconds a step,
/// frames a second, the share of the machine's own matrix-product rate, and the peak memory.
#[derive(clap::Args)]
pub struct Args {
    /// What a step does.
    #[arg(value_enum, value_name = "train|infer")]
    kind: Kind,
    /// The recurrent cell.
    #[arg(long, value_enum, default_value_t)]
    cell: Cell,
    /// Recurrent layers.
    #[arg(long, value_name = "N", default_value_t = 3)]
    layers: usize,
    /// Cells in each direction of a layer.
    #[arg(long, value_name = "N", default_value_t = 320)]
    cells: usize,
    /// One direction only.
    #[arg(long)]
    unidirectional: bool,
    /// Dimension of the features.
    #[arg(long, value_name = "N", default_value_t = 120)]
    input: usize,
    /// Tokens, the blank among them.
    #[arg(long, value_name = "N", default_value_t = 30)]
    outputs: usize,
    /// Utterances of a batch, unless `--lengths` lists them.
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch: usize,
    /// Frames of each utterance.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 400,
        conflicts_with = "lengths"
    )]
    frames: usize,
    /// Frames of the utterances: LOW-HIGH draws them, a list separated by commas names them.
    #[arg(long, value_name = "LOW-HIGH|LIST")]
    lengths: Option<Lengths>,
    /// Of weights, inputs and operands: f32, bf16 with f32 sums, or the fastest here.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// These instructions instead of the best for the precision.
    #[arg(long, value_enum)]
    path: Option<Path>,
    /// Compute activations again in the backward pass instead of keeping them.
    #[arg(long)]
    recompute: bool,
    /// Measured steps.
    #[arg(long, value_name = "N", default_value_t = 7)]
    steps: usize,
    /// Seed of weights, inputs, targets and lengths.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How long the utterances are.
#[derive(Clone)]
enum Lengths {
    Between(RangeInclusive<usize>),
    List(Vec<usize>),
}

impl FromStr for Lengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let frames = |text: &str| match text.trim().parse::<usize>() {
            Ok(frames) if frames > 0 => Ok(frames),
            _ => Err(format!(
                "`{text}` is not a number of frames; write 200-400 or 400,383,348"
            )),
        };
        match text.split_once('-') {
            Some((low, high)) => match (frames(low)?, frames(high)?) {
                (low, high) if low <= high => Ok(Self::Between(low..=high)),
                (low, high) => Err(format!("{low} is more than {high}")),
            },
            None => text
                .split(',')
                .map(frames)
                .collect::<Result<_, _>>()
                .map(Self::List),
        }
    }
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    let lengths = match args.lengths {
        None => vec![args.frames; args.batch],
        Some(Lengths::List(lengths)) => lengths,
        Some(Lengths::Between(range)) => {
            let mut generator = Pcg64::seed_from_u64(args.seed);
            (0..args.batch)
                .map(|_| generator.random_range(range.clone()))
                .collect()
        }
    };
    let path = match args.path {
        Some(path) => path.require()?,
        None => Path::resolve(args.precision),
    };
    if args.path.is_none() && args.precision == Precision::Bf16 && !path.is_bf16() {
        eprintln!("hearken: this processor has no bf16 products; measuring {path} instead");
    }
    let network = RecurrentConfig {
        cell: args.cell,
        input: args.input,
        cells: args.cells,
        layers: args.layers,
        bidirectional: !args.unidirectional,
        dropout: 0.0,
        forget_bias: None,
        recompute: args.recompute,
    };
    let measured = measure(&Request {
        kind: args.kind,
        network,
        outputs: args.outputs,
        lengths,
        path,
        seed: args.seed,
        steps: args.steps,
    })?;
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string(&measured)?)?,
        Format::Text => write(&mut out, &measured)?,
    }
    Ok(())
}

fn write(out: &mut impl Write, m: &Measured) -> std::io::Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    writeln!(
        out,
        "instructions     {}, {} thread{}",
        m.path,
        m.threads,
        plural(m.threads)
    )?;
    writeln!(out, "parameters       {}", m.parameters)?;
    writeln!(
        out,
        "seconds a step   {:.4} median, {:.4} fastest of {}; {:.4} of processor time",
        m.seconds_per_step, m.fastest_step, m.steps, m.cpu_seconds_per_step
    )?;
    writeln!(
        out,
        "frames           {} a step, {:.0} a second",
        m.frames_per_step, m.frames_per_second
    )?;
    writeln!(
        out,
        "products         {:.1} GFLOP a step, {:.0} GFLOP/s: {:.0}% of the {:.0} that a large one reaches here",
        m.gflop_per_step,
        m.gflop_per_step / m.seconds_per_step,
        100.0 * m.peak_share,
        m.peak_gflops
    )?;
    writeln!(
        out,
        "peak memory      {:.0} MiB, {:.0} of them before the first step",
        mib(m.peak_memory),
        mib(m.memory_before)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_a_range_or_a_list() {
        assert!(matches!("200-400".parse(), Ok(Lengths::Between(r)) if r == (200..=400)));
        assert!(matches!("3, 1,2".parse(), Ok(Lengths::List(l)) if l == [3, 1, 2]));
        for wrong in ["", "0", "5-4", "a-b", "1,,2", "-"] {
            assert!(wrong.parse::<Lengths>().is_err(), "{wrong}");
        }
    }
}
