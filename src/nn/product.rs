//! Matrix products on views, cut into row blocks whose size does not depend on the threads.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, NdFloat};
use rayon::prelude::*;

use super::Path;

/// Rows of the result that one task computes.
const BLOCK: usize = 128;
/// Multiply–adds below which splitting costs more than it gains.
const SMALL: usize = 1 << 18;

/// What happens to the numbers that the result holds before a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// They are overwritten.
    Set,
    /// The product is added to them.
    Add,
}

/// `c = a·b` or `c += a·b`, for `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]` with any strides.
///
/// On a bf16 path both operands are rounded to bf16 first, as the kernels of that path have it.
///
/// Each element is one sum in an order that depends on `k` alone: the result is the same on any
/// number of threads, and a row's does not depend on the rows beside it.
pub fn product<F: NdFloat>(
    path: Path,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut c: ArrayViewMut2<'_, F>,
    into: Into,
) {
    if path.is_bf16() {
        let (a, b) = (a.mapv(to_bf16), b.mapv(to_bf16));
        return product(Path::Portable, a.view(), b.view(), c, into);
    }
    let (m, k, n) = (a.nrows(), a.ncols(), b.ncols());
    if m <= BLOCK || m * k * n <= SMALL {
        return block(path, a, b, c, into);
    }
    let blocks: Vec<_> = c
        .axis_chunks_iter_mut(Axis(0), BLOCK)
        .zip(a.axis_chunks_iter(Axis(0), BLOCK))
        .collect();
    blocks
        .into_par_iter()
        .for_each(|(c, a)| block(path, a, b, c, into));
}

/// The nearest bf16, to even between two.
fn to_bf16<F: NdFloat>(x: F) -> F {
    let rounded = x.to_f32().map(|x| half::bf16::from_f32(x).to_f32());
    rounded.and_then(F::from).unwrap_or(x)
}

fn block<F: NdFloat>(
    path: Path,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut c: ArrayViewMut2<'_, F>,
    into: Into,
) {
    if path == Path::Portable {
        if into == Into::Set {
            c.fill(F::zero());
        }
        return plain(a, b, c);
    }
    let keep = match into {
        Into::Set => F::zero(),
        Into::Add => F::one(),
    };
    general_mat_mul(F::one(), &a, &b, keep, &mut c);
}

/// The slow twin: one row of the result at a time, the rows of `b` added in order.
fn plain<F: NdFloat>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>, mut c: ArrayViewMut2<'_, F>) {
    for (a, mut c) in a.outer_iter().zip(c.outer_iter_mut()) {
        for (&a, b) in a.iter().zip(b.outer_iter()) {
            for (c, &b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn filled(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| {
            ((i * 31 + j * 17 + seed * 7) % 23) as f32 / 11.0 - 1.0
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_path_agrees_with_the_definition(
            m in 1usize..150, k in 1usize..70, n in 1usize..40,
            transposed in any::<bool>(),
        ) {
            let a = filled(m, k, 1);
            let b = if transposed { filled(n, k, 2).reversed_axes() } else { filled(k, n, 2) };
            for path in Path::ALL {
                let mut c = filled(m, n, 3);
                product(path, a.view(), b.view(), c.view_mut(), Into::Add);
                for ((i, j), &c) in c.indexed_iter() {
                    let sum: f64 = (0..k).map(|l| f64::from(a[[i, l]]) * f64::from(b[[l, j]])).sum();
                    let expected = sum + f64::from(filled(m, n, 3)[[i, j]]);
                    let tolerance = if path.is_bf16() { 2e-2 * k as f64 } else { 1e-5 * k as f64 };
                    prop_assert!((f64::from(c) - expected).abs() < tolerance);
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        let (a, b) = (filled(300, 333, 1), filled(333, 65, 2));
        for path in [Path::Portable, Path::Avx2] {
            let mut all = Array2::zeros((300, 65));
            product(path, a.view(), b.view(), all.view_mut(), Into::Set);
            for row in [0, 127, 128, 299] {
                let mut alone = Array2::zeros((1, 65));
                let one = a.slice(ndarray::s![row..row + 1, ..]);
                product(path, one, b.view(), alone.view_mut(), Into::Set);
                assert_eq!(alone.row(0), all.row(row));
            }
        }
    }
}
