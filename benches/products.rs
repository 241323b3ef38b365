//! The products of a layer of 320 LSTM cells on 16 × 400 frames, on every path that this machine has:
//! `benches/peers/kernels.py` times PyTorch and a crate beside them. `RAYON_NUM_THREADS` sets the threads.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hearken::nn::Path;
use hearken::nn::gemm::{PackedB, Start};
use ndarray::Array2;

/// Name, rows, inner dimension, columns, and whether `B` is packed once for many products.
const SHAPES: [(&str, usize, usize, usize, bool); 4] = [
    ("input", 6400, 640, 1280, true),
    ("recurrent", 16, 320, 1280, true),
    ("weights", 1280, 6400, 960, false),
    ("inputs", 6400, 1280, 640, true),
];

fn values(rows: usize, columns: usize) -> Array2<f32> {
    let mut state = 1u32;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn products(criterion: &mut Criterion) {
    hearken::nn::keep_freed_memory();
    for (name, m, k, n, packed) in SHAPES {
        let mut group = criterion.benchmark_group(format!("products/{name}"));
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        // As in a layer: what the gradient of the weights sums over is its rows.
        let a = match name {
            "weights" => values(k, m).reversed_axes(),
            _ => values(m, k),
        };
        let b = values(k, n);
        let mut c = vec![0.0; m * n];
        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            let once = PackedB::new(path, b.view());
            group.bench_function(path.to_string(), |bencher| {
                bencher.iter(|| {
                    let fresh;
                    let b = match packed {
                        true => &once,
                        false => {
                            fresh = PackedB::new(path, b.view());
                            &fresh
                        }
                    };
                    b.product(a.view(), Start::Zero, &mut c, n);
                    black_box(&mut c);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
