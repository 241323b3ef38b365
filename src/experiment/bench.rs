//! What a training or inference step of an architecture costs on this machine.

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use ndarray::ArrayView2;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

use crate::ctc;
use crate::nn::gemm::{PackedB, Start};
use crate::nn::{
    Linear, Mode, Packing, Parameters, Path, Recurrent, RecurrentConfig, Runtime, with_values,
};

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model or its batch.
    #[error(transparent)]
    Model(#[from] crate::nn::Error),
    /// The loss.
    #[error(transparent)]
    Loss(#[from] ctc::Error),
    /// The tensor library.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Forward pass, CTC loss, gradients of every weight. No optimiser step.
    Train,
    /// Forward pass to log-probabilities; nothing is kept for a backward pass.
    Infer,
}

/// An architecture and a batch.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is measured.
    pub kind: Kind,
    /// The recurrent layers; a linear layer stands above them.
    pub network: RecurrentConfig,
    /// `V`, the blank among them.
    pub outputs: usize,
    /// Frames of each utterance, in any order.
    pub lengths: Vec<usize>,
    /// The instructions.
    pub path: Path,
    /// Decides weights, inputs and targets.
    pub seed: u64,
    /// Measured steps; one before them is not counted.
    pub steps: usize,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What a step did.
    pub kind: Kind,
    /// The instructions that computed it.
    pub path: Path,
    /// Threads of the pool.
    pub threads: usize,
    /// Measured steps.
    pub steps: usize,
    /// Median wall-clock time, seconds.
    pub seconds_per_step: f64,
    /// The fastest step, seconds.
    pub fastest_step: f64,
    /// Median processor time of all threads, seconds: on a machine with other work to do, this
    /// and not the wall-clock time tells what a step costs.
    pub cpu_seconds_per_step: f64,
    /// `N`, frames that are there; nothing is computed for padding.
    pub frames_per_step: usize,
    /// Frames a second of wall-clock time.
    pub frames_per_second: f64,
    /// Multiplications and additions of a step's matrix products, 10⁹.
    pub gflop_per_step: f64,
    /// This machine's own matrix products on the same threads and path, 10⁹ a second.
    pub peak_gflops: f64,
    /// The step's rate over that peak.
    pub peak_share: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// Largest resident memory of the process so far, bytes; 0 where the system does not tell.
    pub peak_memory: u64,
    /// Resident memory before the first step, bytes, its model and batch included.
    pub memory_before: u64,
    /// The loss of the last step (nats a frame), or the mean log-probability of an inference.
    pub checksum: f64,
}

/// Builds the architecture and measures its step in the current thread pool.
///
/// # Errors
/// A configuration that cannot be built.
pub fn measure(request: &Request) -> Result<Measured, Error> {
    let runtime = Runtime { path: request.path };
    let mut parameters = Parameters::new(request.seed);
    let network = Recurrent::new(&mut parameters, "recurrent", &request.network, runtime)?;
    let output = Linear::new(
        &mut parameters,
        "output",
        network.output(),
        request.outputs,
        runtime,
    )?;
    let mut lengths = request.lengths.clone();
    lengths.sort_by_key(|&length| std::cmp::Reverse(length));
    let packing = Arc::new(Packing::new(lengths)?);
    let (frames, input) = (packing.frames(), request.network.input);
    let mut generator = Pcg64::seed_from_u64(request.seed);
    let values: Vec<f32> = (0..frames * input)
        .map(|_| generator.random::<f32>() * 2.0 - 1.0)
        .collect();
    let x = Tensor::from_vec(values, (frames, input), &Device::Cpu)?;
    let targets = targets(packing.lengths(), request.outputs, &mut generator);

    let step = || -> Result<f64, Error> {
        match request.kind {
            Kind::Train => {
                let mode = Mode::Train { seed: request.seed };
                let top = network.forward(&x, &packing, None, mode)?;
                let logits = output.forward(top.top())?;
                let loss = ctc::loss(&logits, &packing, &targets)?;
                drop((top, logits));
                let gradients = loss.total.backward()?;
                drop(gradients);
                Ok(f64::from(loss.total.to_scalar::<f32>()?) / frames as f64)
            }
            Kind::Infer => {
                let top = network.forward(&x, &packing, None, Mode::Infer)?;
                let log_probs = ctc::log_softmax(&output.forward(top.top())?)?;
                let sum = with_values(&log_probs, |values| {
                    values.iter().map(|&v| f64::from(v)).sum::<f64>()
                })?;
                Ok(sum / (frames * request.outputs) as f64)
            }
        }
    };
    let memory_before = resident();
    let mut checksum = step()?;
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..request.steps.max(1) {
        let (start, start_cpu) = (Instant::now(), processor_seconds());
        checksum = step()?;
        wall.push(start.elapsed().as_secs_f64());
        cpu.push(processor_seconds() - start_cpu);
    }
    let peak_memory = largest_resident();
    let peak_gflops = peak(request.path) / 1e9;
    let gflop = products(request, frames) / 1e9;
    let seconds = median(&mut wall);
    Ok(Measured {
        kind: request.kind,
        path: request.path,
        threads: rayon::current_num_threads(),
        steps: wall.len(),
        seconds_per_step: seconds,
        fastest_step: wall[0],
        cpu_seconds_per_step: median(&mut cpu),
        frames_per_step: frames,
        frames_per_second: frames as f64 / seconds,
        gflop_per_step: gflop,
        peak_gflops,
        peak_share: gflop / seconds / peak_gflops,
        parameters: parameters.count(),
        peak_memory,
        memory_before,
        checksum,
    })
}

/// A label for every eight frames, no two alike in a row: what characters of read speech come to.
fn targets(lengths: &[usize], outputs: usize, generator: &mut Pcg64) -> Vec<Vec<u32>> {
    let labels = outputs.saturating_sub(1) as u32;
    let mut target = |length: usize| {
        let mut last = 0;
        (0..length / 8)
            .map(|_| {
                last = match labels {
                    0 | 1 => labels,
                    _ => (last + generator.random_range(0..labels - 1)) % labels + 1,
                };
                last
            })
            .take(if labels < 2 { labels as usize } else { length })
            .collect()
    };
    lengths.iter().map(|&length| target(length)).collect()
}

/// Operations of the matrix products of a step: forward, and in training the gradients of weights
/// and of every layer's input but the first's.
fn products(request: &Request, frames: usize) -> f64 {
    let network = &request.network;
    let mut total = 0.0;
    for i in 0..network.layers {
        let layer = network.layer(i);
        let gates = (layer.directions() * layer.width()) as f64;
        let (input, recurrent) = (gates * layer.input as f64, gates * layer.cells as f64);
        total += match (request.kind, i) {
            (Kind::Infer, _) => input + recurrent,
            (Kind::Train, 0) => 2.0 * input + 3.0 * recurrent,
            (Kind::Train, _) => 3.0 * (input + recurrent),
        };
    }
    let output = network.layer(network.layers.saturating_sub(1)).output() * request.outputs;
    let passes = if request.kind == Kind::Train {
        3.0
    } else {
        1.0
    };
    2.0 * frames as f64 * (total + passes * output as f64)
}

/// The best rate of a large product on the path and the pool's threads, operations a second.
fn peak(path: Path) -> f64 {
    let (m, n, k) = (2240, 1280, 640);
    let (a, b) = (vec![0.5; m * k], vec![0.5; k * n]);
    let shaped = |values, rows, columns| {
        ArrayView2::from_shape((rows, columns), values).expect("as many values as asked for")
    };
    let packed = PackedB::new(path, shaped(&b, k, n));
    let mut c = vec![0.0; m * n];
    let best = (0..8)
        .map(|_| {
            let start = Instant::now();
            packed.product(shaped(&a, m, k), Start::Zero, &mut c, n);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    2.0 * (m * n * k) as f64 / best
}

/// Sorts and gives the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(unix)]
fn usage() -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::zeroed();
    // SAFETY: `getrusage` fills the struct that it is given; all zeros is a valid one should it
    // fail.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    }
}

/// Processor time of all threads so far, seconds; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    #[cfg(unix)]
    {
        let usage = usage();
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
    #[cfg(not(unix))]
    0.0
}

/// Largest resident memory so far, bytes; 0 where the system does not tell.
fn largest_resident() -> u64 {
    #[cfg(unix)]
    {
        // Linux counts in KiB, macOS in bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        usage().ru_maxrss as u64 * unit
    }
    #[cfg(not(unix))]
    0
}

/// Resident memory now, bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: u64| pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Cell;

    fn request(kind: Kind) -> Request {
        Request {
            kind,
            network: RecurrentConfig {
                cell: Cell::Lstm,
                input: 120,
                cells: 320,
                layers: 3,
                bidirectional: true,
                dropout: 0.0,
                forget_bias: None,
                recompute: false,
            },
            outputs: 30,
            lengths: vec![400; 16],
            path: Path::Portable,
            seed: 1,
            steps: 1,
        }
    }

    #[test]
    fn the_operations_of_a_step_are_counted() {
        // Three layers of 320 cells in both directions, 120 inputs, 6,400 frames: 229 · 10⁹.
        let train = products(&request(Kind::Train), 6400);
        assert!((train / 1e9 - 229.0).abs() < 1.0, "{train}");
        let infer = products(&request(Kind::Infer), 6400);
        assert_eq!(
            infer,
            2.0 * 6400.0 * f64::from(2 * 1280 * 440 + 2 * 2 * 1280 * 960 + 640 * 30)
        );
    }

    #[test]
    fn targets_are_feasible_and_within_the_inventory() {
        for outputs in [1, 2, 3, 30] {
            let mut generator = Pcg64::seed_from_u64(1);
            for target in targets(&[1, 8, 400], outputs, &mut generator) {
                assert!(
                    target
                        .iter()
                        .all(|&label| (1..outputs as u32).contains(&label))
                );
                assert!(target.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }

    #[test]
    fn a_small_step_is_measured() {
        for kind in [Kind::Train, Kind::Infer] {
            let mut request = request(kind);
            request.network.cells = 5;
            request.network.input = 7;
            request.lengths = vec![9, 20];
            let measured = measure(&request).unwrap();
            assert_eq!(measured.frames_per_step, 29);
            assert!(measured.seconds_per_step > 0.0 && measured.checksum.is_finite());
        }
    }
}
