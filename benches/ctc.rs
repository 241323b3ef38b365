//! The CTC loss and its gradient from the logits, `log_softmax` included: T = 400, B = 16, U = 80,
//! as `benches/peers/ctc.py` times PyTorch. `RAYON_NUM_THREADS` sets the threads.

use std::hint::black_box;
use std::sync::Arc;

use candle_core::{Device, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use hearken::{ctc, nn::Packing};

const FRAMES: usize = 400;
const BATCH: usize = 16;
const LABELS: u32 = 80;

fn forward_and_backward(criterion: &mut Criterion) {
    // As training has it.
    hearken::nn::keep_freed_memory();
    let packing = Arc::new(Packing::new(vec![FRAMES; BATCH]).unwrap());
    for vocabulary in [30u32, 1000] {
        let mut state = 1u32;
        let mut draw = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        let values: Vec<f32> = (0..packing.frames() * vocabulary as usize)
            .map(|_| draw() as f32 / (1 << 22) as f32 - 2.0)
            .collect();
        let shape = (packing.frames(), vocabulary as usize);
        let logits = Var::from_vec(values, shape, &Device::Cpu).unwrap();
        let targets: Vec<Vec<u32>> = (0..BATCH)
            .map(|_| (0..LABELS).map(|_| 1 + draw() % (vocabulary - 1)).collect())
            .collect();
        let loss = || ctc::loss(&logits, &packing, &targets).unwrap();
        criterion.bench_function(&format!("ctc/forward/V={vocabulary}"), |bencher| {
            bencher.iter(|| black_box(loss()));
        });
        criterion.bench_function(&format!("ctc/forward+backward/V={vocabulary}"), |bencher| {
            bencher.iter(|| black_box(loss().total.backward().unwrap()));
        });
    }
}

criterion_group!(benches, forward_and_backward);
criterion_main!(benches);
