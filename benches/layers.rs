//! A bidirectional layer forward and backward, every cell, on the best path of each precision: 320 cells,
//! 640 inputs, 16 utterances of 400 frames. `RAYON_NUM_THREADS` sets the threads.

use std::hint::black_box;
use std::sync::Arc;

use candle_core::{Device, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hearken::nn::{
    Cell, LayerConfig, Mode, Packing, Parameters, Precision, RecurrentLayer, Runtime,
};

fn layers(criterion: &mut Criterion) {
    hearken::nn::keep_freed_memory();
    let packing = Arc::new(Packing::new(vec![400; 16]).unwrap());
    let values: Vec<f32> = (0..packing.frames() * 640)
        .map(|i| (i % 97) as f32 / 48.5 - 1.0)
        .collect();
    let x = Var::from_vec(values, (packing.frames(), 640), &Device::Cpu).unwrap();
    let cells = [Cell::Lstm, Cell::RnnTanh, Cell::RnnSigmoid, Cell::RnnRelu];
    for precision in [Precision::F32, Precision::Bf16] {
        let runtime = Runtime::new(precision);
        let mut group = criterion.benchmark_group(format!("layers/{}", runtime.path));
        group.throughput(Throughput::Elements(packing.frames() as u64));
        group.sample_size(10);
        for cell in cells {
            let config = LayerConfig {
                cell,
                input: 640,
                cells: 320,
                bidirectional: true,
                forget_bias: None,
                recompute: false,
            };
            let mut parameters = Parameters::new(1);
            let layer = RecurrentLayer::new(&mut parameters, "layer", config, runtime).unwrap();
            let run = |mode| layer.forward(&x, &packing, None, mode).unwrap().0;
            group.bench_function(format!("{cell:?}/forward"), |bencher| {
                bencher.iter(|| black_box(run(Mode::Infer)));
            });
            group.bench_function(format!("{cell:?}/forward+backward"), |bencher| {
                let step = || {
                    let loss = run(Mode::Train { seed: 1 }).sum_all()?;
                    loss.backward()
                };
                bencher.iter(|| black_box(step().unwrap()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
