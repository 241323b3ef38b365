use std::arch::x86_64::*;

use ndarray::ArrayView2;

use super::avx512::{COLUMNS, HALF, Out, ROWS, SLACK, ask_ahead, lane_mask, transpose};
use super::kernel::{Addend, Kernel, Place};
use super::pack::with_unit_stride;

/// AVX-512-BF16: the tile of [`super::avx512`], each lane a pair of bf16 of neighbouring `k`
/// (`vdpbf16ps`). Operands are rounded to nearest even while they are packed; subnormal ones
/// count as zero, as the instructions have it.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Bf16(());

impl Kernel for Bf16 {
    type Word = u32;
    const ROWS: usize = ROWS;
    const HALF: usize = HALF;
    const DEPTH: usize = 2;
    const SLACK: usize = SLACK;

    fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        has.then_some(Self(()))
    }

    fn pack_rows(&self, lanes: ArrayView2<f32>, out: &mut [u32]) {
        let words = lanes.ncols().div_ceil(2);
        assert!(lanes.nrows() <= ROWS && out.len() >= words * ROWS + SLACK);
        // SAFETY: `self` exists only where the features were detected; `out` was just measured.
        unsafe { pack::<ROWS>(lanes, out.as_mut_ptr()) }
    }

    fn pack_half(&self, lanes: ArrayView2<f32>, half: usize, out: &mut [u32]) {
        let words = lanes.ncols().div_ceil(2);
        assert!(lanes.nrows() <= HALF && half < 2 && out.len() >= words * COLUMNS);
        // SAFETY: `self` exists only where the features were detected; `out` was just measured,
        // and from half a row into it there is room for half a row more.
        unsafe { pack::<COLUMNS>(lanes, out.as_mut_ptr().add(half * HALF)) }
    }

    fn tile(
        &self,
        words: usize,
        a: &[u32],
        b: &[u32],
        addend: Addend,
        c: &mut [f32],
        place: Place,
    ) {
        assert!(a.len() >= words * ROWS && b.len() >= words * COLUMNS);
        let out = Out::new(addend, c, place, ROWS);
        macro_rules! by_rows {
            ($($n:literal)*) => {
                match place.rows {
                    // SAFETY: `self` exists only where the features were detected; the panels
                    // were just measured, and `Out::new` measured the tile.
                    $($n => unsafe { tile::<$n>(words, a.as_ptr(), b.as_ptr(), out) },)*
                    _ => unreachable!("Out::new checks the rows"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// # Safety
/// AVX-512F, BW and BF16; `a` holds `words · ROWS` pairs and `b` `words · COLUMNS`; `out` was
/// checked for at least `R` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile<const R: usize>(words: usize, mut a: *const u32, mut b: *const u32, out: Out) {
    // SAFETY: `a` and `b` advance by one word of each panel `words` times and are read within it.
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; R];
        (0..R).for_each(|r| out.prefetch(r));
        for _ in 0..words {
            let low = as_pairs(_mm512_loadu_epi32(b.cast()));
            let high = as_pairs(_mm512_loadu_epi32(b.add(16).cast()));
            ask_ahead(b);
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = as_pairs(_mm512_set1_epi32(*a.add(r) as i32));
                acc[0] = _mm512_dpbf16_ps(acc[0], x, low);
                acc[1] = _mm512_dpbf16_ps(acc[1], x, high);
            }
            a = a.add(ROWS);
            b = b.add(COLUMNS);
        }
        for (r, acc) in acc.iter().enumerate() {
            out.store(r, *acc);
        }
    }
}

/// Thirty-two bf16 in a register of integers.
#[target_feature(enable = "avx512f")]
#[inline]
fn as_pairs(x: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes for which every pattern is valid.
    unsafe { std::mem::transmute(x) }
}

/// The bf16 of `low`, then those of `high`, to nearest even.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
pub(super) fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 64 bytes for which every pattern is valid.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Sixteen pairs of bf16: the first of `even` and the first of `odd`, and so on.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn interleaved(even: __m512, odd: __m512) -> __m512i {
    // SAFETY: the array has as many bytes as the register.
    let order = unsafe { _mm512_loadu_epi16(INTERLEAVE.as_ptr().cast()) };
    _mm512_permutexvar_epi16(order, rounded(even, odd))
}

/// The transpose of a block of 16 × 16 pairs.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn transposed(block: [__m512i; 16]) -> [__m512i; 16] {
    // SAFETY: arrays of as many registers, of which every pattern is valid as either.
    unsafe {
        let block = std::mem::transmute::<[__m512i; 16], [__m512; 16]>(block);
        std::mem::transmute::<[__m512; 16], [__m512i; 16]>(transpose(block))
    }
}

/// `lanes [≤ 16, k]` → sixteen pairs at the start of each row of `out [⌈k / 2⌉, WIDTH]`.
///
/// # Safety
/// AVX-512F, BW and BF16; `out` has room for `WIDTH · (⌈k / 2⌉ - 1) + 16` pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pack<const WIDTH: usize>(lanes: ArrayView2<f32>, out: *mut u32) {
    let lanes = with_unit_stride(lanes);
    let (data, depth) = (lanes.as_ptr(), lanes.ncols());
    let [row_stride, column_stride] = [lanes.strides()[0], lanes.strides()[1]];
    let mask = lane_mask(lanes.nrows());
    // SAFETY: reads are of elements of the matrix only (rows below its rows, columns below `depth`,
    // others masked), one of whose axes is contiguous; stores are of sixteen pairs at `k / 2 · WIDTH`.
    unsafe {
        if row_stride == 1 || lanes.nrows() <= 1 {
            for k in (0..depth).step_by(2) {
                let row = data.wrapping_offset(k as isize * column_stride);
                let even = _mm512_maskz_loadu_ps(mask, row);
                let odd = if k + 1 < depth { mask } else { 0 };
                let odd = _mm512_maskz_loadu_ps(odd, row.wrapping_offset(column_stride));
                let pairs = interleaved(even, odd);
                _mm512_storeu_epi32(out.add(k / 2 * WIDTH).cast(), pairs);
            }
            return;
        }
        for k in (0..depth).step_by(32) {
            let some = (depth - k).min(32);
            let mut block = [_mm512_setzero_si512(); 16];
            for (r, block) in block.iter_mut().enumerate().take(lanes.nrows()) {
                let row = data.offset(r as isize * row_stride).add(k);
                let low = _mm512_maskz_loadu_ps(lane_mask(some), row);
                let high = lane_mask(some.saturating_sub(16));
                let high = _mm512_maskz_loadu_ps(high, row.wrapping_add(16));
                *block = rounded(low, high);
            }
            let pairs = transposed(block).into_iter().take(some.div_ceil(2));
            for (i, pairs) in pairs.enumerate() {
                _mm512_storeu_epi32(out.add((k / 2 + i) * WIDTH).cast(), pairs);
            }
        }
    }
}

/// The order that makes pairs of two rows of sixteen: the first of one and the first of the
/// other, and so on.
const INTERLEAVE: [u16; 32] = {
    let mut order = [0; 32];
    let mut i = 0;
    while i < 32 {
        order[i] = (i / 2 + 16 * (i % 2)) as u16;
        i += 1;
    }
    order
};
