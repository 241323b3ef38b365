//! `products M K N THREADS [transposed]`: the median seconds of a product in f32 by the `gemm` crate, for `kernels.py`.

use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments[i].parse::<usize>().expect("M K N THREADS");
    let (m, k, n) = (number(0), number(1), number(2));
    let parallelism = match number(3) {
        1 => gemm::Parallelism::None,
        threads => gemm::Parallelism::Rayon(threads),
    };
    let (row, column) = match arguments.get(4) {
        Some(_) => (1, m as isize),
        None => (k as isize, 1),
    };
    let values =
        |count: usize| -> Vec<f32> { (0..count).map(|i| (i % 97) as f32 / 48.5 - 1.0).collect() };
    let (a, b, mut c) = (values(m * k), values(k * n), vec![0.0f32; m * n]);
    let mut times = Vec::new();
    while times.iter().sum::<f64>() < 0.5 || times.len() < 5 {
        let start = Instant::now();
        // SAFETY: the strides are those of `a [m, k]`, `b [k, n]` and `c [m, n]`, each as long as that.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                column,
                row,
                b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!("{}", times[times.len() / 2]);
}
