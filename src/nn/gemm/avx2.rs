use std::arch::x86_64::*;

use ndarray::ArrayView2;

use super::kernel::{Addend, Kernel, Place, write_tile};
use super::pack;

/// AVX2 with fused multiply-add: 6 × 16, twelve accumulators of sixteen registers.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Avx2(());

const ROWS: usize = 6;
const HALF: usize = 8;

impl Kernel for Avx2 {
    type Word = f32;
    const ROWS: usize = ROWS;
    const HALF: usize = HALF;
    const DEPTH: usize = 1;
    const SLACK: usize = 0;

    fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }

    fn pack_rows(&self, lanes: ArrayView2<f32>, out: &mut [f32]) {
        pack::f32_lanes(lanes, 0..ROWS, ROWS, out);
    }

    fn pack_half(&self, lanes: ArrayView2<f32>, half: usize, out: &mut [f32]) {
        pack::f32_lanes(lanes, half * HALF..(half + 1) * HALF, 2 * HALF, out);
    }

    fn tile(
        &self,
        words: usize,
        a: &[f32],
        b: &[f32],
        addend: Addend,
        c: &mut [f32],
        place: Place,
    ) {
        assert!(a.len() >= words * ROWS && b.len() >= words * 2 * HALF);
        let mut sums = [[[0f32; HALF]; 2]; ROWS];
        // SAFETY: `self` exists only where AVX2 and FMA were detected; the panels were just
        // measured, and `sums` is a whole tile.
        unsafe { tile(words, a.as_ptr(), b.as_ptr(), &mut sums) };
        write_tile(&sums, addend, c, place);
    }
}

/// `sums = Σ_w a[w, ·]ᵀ·b[w, ·]`.
///
/// # Safety
/// AVX2 and FMA; `a` holds `words · ROWS` floats, `b` `words · 2 · HALF`.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile(
    words: usize,
    mut a: *const f32,
    mut b: *const f32,
    sums: &mut [[[f32; HALF]; 2]; ROWS],
) {
    let mut acc = [[_mm256_setzero_ps(); 2]; ROWS];
    for _ in 0..words {
        // SAFETY: `a` and `b` advance by one word of each panel `words` times, and are read
        // within it.
        unsafe {
            let low = _mm256_loadu_ps(b);
            let high = _mm256_loadu_ps(b.add(HALF));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_broadcast_ss(&*a.add(r));
                acc[0] = _mm256_fmadd_ps(x, low, acc[0]);
                acc[1] = _mm256_fmadd_ps(x, high, acc[1]);
            }
            a = a.add(ROWS);
            b = b.add(2 * HALF);
        }
    }
    for (sum, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
        // SAFETY: a half is eight floats.
        unsafe { _mm256_storeu_ps(sum.as_mut_ptr(), *acc) };
    }
}
