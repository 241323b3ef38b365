use half::bf16;
use ndarray::s;
use proptest::prelude::*;

use super::*;

fn available() -> impl Iterator<Item = Path> {
    Path::ALL.into_iter().filter(|path| path.is_available())
}

/// The definition, in f64, with operands as the path rounds them.
fn expected(
    path: Path,
    a: ArrayView2<f32>,
    b: ArrayView2<f32>,
    start: impl Fn(usize, usize) -> f32,
) -> Vec<(f64, f64)> {
    let rounded = |x: f32| match path.is_bf16() {
        true => f64::from(bf16::from_f32(x)),
        false => f64::from(x),
    };
    let mut out = Vec::with_capacity(a.nrows() * b.ncols());
    for i in 0..a.nrows() {
        for j in 0..b.ncols() {
            let mut sum = f64::from(start(i, j));
            let mut size = sum.abs();
            for k in 0..a.ncols() {
                let term = rounded(a[[i, k]]) * rounded(b[[k, j]]);
                sum += term;
                size += term.abs();
            }
            out.push((sum, size));
        }
    }
    out
}

fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn matrix(data: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), data).unwrap()
}

/// `A·B` in a pool of so many threads.
fn on_threads(threads: usize, path: Path, a: ArrayView2<f32>, b: ArrayView2<f32>) -> Vec<f32> {
    let mut c = vec![0.0; a.nrows() * b.ncols()];
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| product(path, a, b, Start::Zero, &mut c, b.ncols()));
    c
}

fn view(data: &[f32], rows: usize, columns: usize, transposed: bool) -> ArrayView2<'_, f32> {
    match transposed {
        false => matrix(data, rows, columns),
        true => matrix(data, columns, rows).reversed_axes(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Each element is within 3·10⁻⁷ of the sum of its terms' magnitudes for every eight terms:
    /// f32 sums of `k` terms, however they are ordered and fused.
    #[test]
    fn every_path_agrees_with_the_definition_in_f64(
        m in 1usize..70, n in 1usize..90, k in 0usize..60,
        a_transposed in any::<bool>(), b_transposed in any::<bool>(),
        start in 0..3, beyond in 0usize..5, seed in any::<u32>(),
    ) {
        let (a, b) = (values(m * k, seed), values(k * n, seed ^ 1));
        let (a, b) = (view(&a, m, k, a_transposed), view(&b, k, n, b_transposed));
        let (row, before) = (values(n, seed ^ 2), values(m * (n + beyond), seed ^ 3));
        for path in available() {
            let mut c = before.clone();
            let (start, from): (Start, Box<dyn Fn(usize, usize) -> f32>) = match start {
                0 => (Start::Zero, Box::new(|_, _| 0.0)),
                1 => (Start::Accumulate, Box::new(|i, j| before[i * (n + beyond) + j])),
                _ => (Start::Row(&row), Box::new(|_, j| row[j])),
            };
            product(path, a, b, start, &mut c, n + beyond);
            let expected = expected(path, a, b, from);
            for i in 0..m {
                for j in 0..n {
                    let (sum, size) = expected[i * n + j];
                    let found = f64::from(c[i * (n + beyond) + j]);
                    prop_assert!(
                        (found - sum).abs() <= 3e-7 * (1.0 + k as f64 / 8.0) * (size + 1e-30),
                        "{path} {i},{j}: {found} for {sum}"
                    );
                }
                let untouched = i * (n + beyond) + n..(i + 1) * (n + beyond);
                prop_assert_eq!(&c[untouched.clone()], &before[untouched]);
            }
        }
    }
}

#[test]
fn products_of_several_blocks_are_summed_whole_on_any_number_of_threads() {
    // Of the inner dimension; and of it, the rows and the columns.
    for (m, n, k) in [(33, 50, 1601), (129, 1500, 700)] {
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let (a, b) = (view(&a, m, k, true), view(&b, k, n, false));
        for path in available() {
            let run = |threads| on_threads(threads, path, a, b);
            let c = run(1);
            for threads in [2, 8] {
                assert_eq!(c, run(threads), "{path}");
            }
            for (found, (sum, size)) in c.iter().zip(expected(path, a, b, |_, _| 0.0)) {
                assert!(
                    (f64::from(*found) - sum).abs() < 1e-6 * size,
                    "{path}: {found} for {sum}"
                );
            }
        }
    }
}

#[test]
fn matrices_side_by_side_give_what_each_gives_alone() {
    let (m, k, widths) = (37, 45, [0, 40, 7, 32]);
    let a = values(m * k, 1);
    let b: Vec<_> = widths
        .iter()
        .map(|n| values(k * n, 2 + *n as u32))
        .collect();
    let b: Vec<_> = b.iter().zip(widths).map(|(b, n)| matrix(b, k, n)).collect();
    let all: usize = widths.iter().sum();
    for path in available() {
        let mut c = vec![0.0; m * all];
        PackedB::beside(path, &b).product(matrix(&a, m, k), Start::Zero, &mut c, all);
        let mut first = 0;
        for b in &b {
            let n = b.ncols();
            let mut alone = vec![0.0; m * n];
            product(path, matrix(&a, m, k), *b, Start::Zero, &mut alone, n);
            let found = matrix(&c, m, all);
            assert_eq!(
                found.slice(s![.., first..first + n]),
                matrix(&alone, m, n),
                "{path}"
            );
            first += n;
        }
    }
}

#[test]
fn the_same_bytes_on_any_number_of_threads_and_beside_any_rows() {
    let (m, n, k) = (301, 77, 130);
    let (a, b) = (values(m * k, 5), values(k * n, 6));
    let (a, b) = (matrix(&a, m, k), matrix(&b, k, n));
    for path in available() {
        let run = |threads| on_threads(threads, path, a, b);
        let one = run(1);
        assert_eq!(one, run(3), "{path}");
        for row in [0, 14, 150, 300] {
            let mut alone = vec![0.0; n];
            product(
                path,
                a.slice(s![row..row + 1, ..]),
                b,
                Start::Zero,
                &mut alone,
                n,
            );
            assert_eq!(alone, one[row * n..(row + 1) * n], "{path} row {row}");
        }
    }
}

#[test]
fn bf16_operands_are_rounded_to_nearest_even() {
    for path in [Path::Bf16Avx512, Path::Bf16Amx] {
        if !path.is_available() {
            eprintln!("unverified here: this processor lacks {path}");
            continue;
        }
        // Halfway between two bf16: the even one, below and above.
        for (x, rounded) in [
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
        ] {
            for m in [1, 2] {
                let (a, mut c) = (vec![x; m], vec![0.0; m]);
                let one = matrix(&[1.0], 1, 1);
                product(path, matrix(&a, m, 1), one, Start::Zero, &mut c, 1);
                assert_eq!(c, vec![rounded; m], "{path}");
            }
        }
    }
}
