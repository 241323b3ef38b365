//! The norm of the gradients and a step of AdamW over the 6.1 million weights of three bidirectional layers of
//! 320 LSTM cells. `benches/peers/kernels.py` times PyTorch beside it; `RAYON_NUM_THREADS` sets the threads.

use candle_core::Tensor;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hearken::nn::{Cell, Parameters, Precision, Recurrent, RecurrentConfig, Runtime};
use hearken::train::{Optimiser, OptimiserConfig, global_norm};

fn optimiser(criterion: &mut Criterion) {
    let config = RecurrentConfig {
        cell: Cell::Lstm,
        input: 120,
        cells: 320,
        layers: 3,
        bidirectional: true,
        dropout: 0.0,
        forget_bias: None,
        recompute: false,
    };
    let mut parameters = Parameters::new(1);
    let runtime = Runtime::new(Precision::F32);
    Recurrent::new(&mut parameters, "recurrent", &config, runtime).unwrap();
    let gradients: Vec<Option<Tensor>> = parameters
        .iter()
        .map(|(_, value, _)| Some(value.affine(0.01, 0.001).unwrap()))
        .collect();
    let mut optimiser = Optimiser::new(OptimiserConfig::default(), &parameters);
    let mut group = criterion.benchmark_group("optimiser");
    group.throughput(Throughput::Elements(parameters.count() as u64));
    group.bench_function("norm", |bencher| {
        bencher.iter(|| global_norm(&gradients).unwrap());
    });
    group.bench_function("clipped AdamW", |bencher| {
        bencher.iter(|| {
            let scale = 1.0f64.min(1.0 / global_norm(&gradients).unwrap());
            optimiser.step(&parameters, &gradients, scale, 1.0).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, optimiser);
criterion_main!(benches);
