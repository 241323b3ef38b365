use std::arch::x86_64::*;

use ndarray::ArrayView2;

use super::kernel::{Addend, Kernel, Place};
use super::pack::with_unit_stride;

/// AVX-512: 14 × 32, twenty-eight accumulators of thirty-two registers.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Avx512(());

pub(super) const ROWS: usize = 14;
pub(super) const HALF: usize = 16;
pub(super) const COLUMNS: usize = 2 * HALF;
/// Packing stores whole registers of sixteen lanes where a row panel has fourteen.
pub(super) const SLACK: usize = 16 - ROWS;

impl Kernel for Avx512 {
    type Word = f32;
    const ROWS: usize = ROWS;
    const HALF: usize = HALF;
    const DEPTH: usize = 1;
    const SLACK: usize = SLACK;

    fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }

    fn pack_rows(&self, lanes: ArrayView2<f32>, out: &mut [f32]) {
        assert!(lanes.nrows() <= ROWS && out.len() >= lanes.ncols() * ROWS + SLACK);
        // SAFETY: `self` exists only where AVX-512F was detected; `out` was just measured.
        unsafe { pack::<ROWS>(lanes, out.as_mut_ptr()) }
    }

    fn pack_half(&self, lanes: ArrayView2<f32>, half: usize, out: &mut [f32]) {
        assert!(lanes.nrows() <= HALF && half < 2 && out.len() >= lanes.ncols() * COLUMNS);
        // SAFETY: `self` exists only where AVX-512F was detected; `out` was just measured, and
        // from half a row into it there is room for half a row more.
        unsafe { pack::<COLUMNS>(lanes, out.as_mut_ptr().add(half * HALF)) }
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
        assert!(a.len() >= words * ROWS && b.len() >= words * COLUMNS);
        let out = Out::new(addend, c, place, ROWS);
        macro_rules! by_rows {
            ($($n:literal)*) => {
                match place.rows {
                    // SAFETY: `self` exists only where AVX-512F was detected; the panels were
                    // just measured, and `Out::new` measured the tile.
                    $($n => unsafe { tile::<$n>(words, a.as_ptr(), b.as_ptr(), out) },)*
                    _ => unreachable!("Out::new checks the rows"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Where a tile goes, checked.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub(super) c: *mut f32,
    pub(super) stride: usize,
    pub(super) gap: usize,
    /// Null where there is none.
    pub(super) addend: *const f32,
    pub(super) addend_stride: usize,
    masks: [__mmask16; 2],
    /// Whether the tile has all its columns.
    pub(super) whole: bool,
}

impl Out {
    /// Checks that the tile lies within `c` and has no more than `rows` rows, and that the addend's
    /// row lies within its own.
    pub(super) fn new(addend: Addend, c: &mut [f32], place: Place, rows: usize) -> Self {
        assert!(place.fits(c.len(), rows, HALF));
        let c = c.as_mut_ptr();
        let (addend, addend_stride) = match addend {
            Addend::Zero => (std::ptr::null(), 0),
            Addend::Existing => (c.cast_const(), place.stride),
            Addend::Row(row) => {
                assert!(row.len() >= place.width());
                (row.as_ptr(), 0)
            }
        };
        Self {
            c,
            stride: place.stride,
            gap: place.gap,
            addend,
            addend_stride,
            masks: place.halves.map(lane_mask),
            whole: place.halves == [HALF; 2],
        }
    }

    /// Asks for the lines of row `r`, to be written some hundreds of cycles from now.
    #[inline]
    pub(super) fn prefetch(&self, r: usize) {
        let c = self.c.wrapping_add(r * self.stride);
        // SAFETY: a prefetch reads nothing and never faults, whatever the address.
        unsafe {
            _mm_prefetch::<_MM_HINT_ET0>(c.cast());
            _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(self.gap).cast());
        }
    }

    /// Writes row `r`, added to what it is to be added to.
    ///
    /// # Safety
    /// AVX-512F; `r` is below the rows that [`Out::new`] checked, whose borrow still holds.
    #[target_feature(enable = "avx512f")]
    #[inline]
    pub(super) unsafe fn store(&self, r: usize, mut sums: [__m512; 2]) {
        // SAFETY: the lanes of the masks are the tile's columns, which `new` found within `c`
        // (and the addend's row); masked lanes are not touched.
        unsafe {
            let c = self.c.add(r * self.stride);
            if !self.addend.is_null() {
                let addend = self.addend.add(r * self.addend_stride);
                for (half, sum) in sums.iter_mut().enumerate() {
                    let addend = addend.wrapping_add(half * self.gap);
                    let start = if self.whole {
                        _mm512_loadu_ps(addend)
                    } else {
                        _mm512_maskz_loadu_ps(self.masks[half], addend)
                    };
                    *sum = _mm512_add_ps(*sum, start);
                }
            }
            for (half, &sum) in sums.iter().enumerate() {
                let c = c.wrapping_add(half * self.gap);
                if self.whole {
                    _mm512_storeu_ps(c, sum);
                } else {
                    _mm512_mask_storeu_ps(c, self.masks[half], sum);
                }
            }
        }
    }
}

/// Asks for the word of a panel of `B` that is six from this one, in the next panel where this one
/// ends: products are an eighth faster where the core's other thread is busy, and no slower
/// where it is not.
#[inline]
pub(super) fn ask_ahead<T>(b: *const T) {
    const { assert!(size_of::<T>() == 4) }
    let b = b.wrapping_add(6 * COLUMNS);
    // SAFETY: a prefetch reads nothing and never faults, whatever the address.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(b.cast());
        _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add(HALF).cast());
    }
}

/// # Safety
/// AVX-512F; `a` holds `words · ROWS` floats and `b` `words · COLUMNS`; `out` was checked for at
/// least `R` rows.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize>(words: usize, mut a: *const f32, mut b: *const f32, out: Out) {
    // SAFETY: `a` and `b` advance by one word of each panel `words` times and are read within it.
    unsafe {
        let mut acc = [[_mm512_setzero_ps(); 2]; R];
        (0..R).for_each(|r| out.prefetch(r));
        for _ in 0..words {
            let low = _mm512_loadu_ps(b);
            let high = _mm512_loadu_ps(b.add(16));
            ask_ahead(b);
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*a.add(r));
                acc[0] = _mm512_fmadd_ps(x, low, acc[0]);
                acc[1] = _mm512_fmadd_ps(x, high, acc[1]);
            }
            a = a.add(ROWS);
            b = b.add(COLUMNS);
        }
        for (r, acc) in acc.iter().enumerate() {
            out.store(r, *acc);
        }
    }
}

/// `lanes [≤ 16, k]` → sixteen lanes at the start of each row of `out [k, WIDTH]`.
///
/// # Safety
/// AVX-512F; `out` has room for `WIDTH · (k - 1) + 16` floats.
#[target_feature(enable = "avx512f")]
unsafe fn pack<const WIDTH: usize>(lanes: ArrayView2<f32>, out: *mut f32) {
    let lanes = with_unit_stride(lanes);
    let (data, depth) = (lanes.as_ptr(), lanes.ncols());
    let [row_stride, column_stride] = [lanes.strides()[0], lanes.strides()[1]];
    let mask = lane_mask(lanes.nrows());
    // SAFETY: reads are of elements of the matrix only (rows below its rows, columns below `depth`,
    // others masked), one of whose axes is contiguous; stores are of sixteen lanes at `k · WIDTH`.
    unsafe {
        if row_stride == 1 || lanes.nrows() <= 1 {
            for k in 0..depth {
                let x =
                    _mm512_maskz_loadu_ps(mask, data.wrapping_offset(k as isize * column_stride));
                _mm512_storeu_ps(out.add(k * WIDTH), x);
            }
            return;
        }
        for k in (0..depth).step_by(16) {
            let some = (depth - k).min(16);
            let mut block = [_mm512_setzero_ps(); 16];
            for (r, block) in block.iter_mut().enumerate().take(lanes.nrows()) {
                let row = data.offset(r as isize * row_stride).add(k);
                *block = _mm512_maskz_loadu_ps(lane_mask(some), row);
            }
            for (i, x) in transpose(block).into_iter().enumerate().take(some) {
                _mm512_storeu_ps(out.add((k + i) * WIDTH), x);
            }
        }
    }
}

/// The lowest `count` of sixteen lanes.
pub(super) fn lane_mask(count: usize) -> __mmask16 {
    if count >= 16 {
        u16::MAX
    } else {
        (1 << count) - 1
    }
}

/// The transpose of a 16 × 16 block.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn transpose(x: [__m512; 16]) -> [__m512; 16] {
    let mut t = x;
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    let mut u = t;
    for i in 0..4 {
        let pd = |j: usize| _mm512_castps_pd(t[4 * i + j]);
        u[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(0), pd(2)));
        u[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(0), pd(2)));
        u[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(1), pd(3)));
        u[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(1), pd(3)));
    }
    // Each register now holds a column of 4 × 4 blocks: exchange the 128-bit quarters.
    let mut v = u;
    for i in 0..4 {
        v[i] = _mm512_shuffle_f32x4::<0x88>(u[i], u[4 + i]);
        v[4 + i] = _mm512_shuffle_f32x4::<0xdd>(u[i], u[4 + i]);
        v[8 + i] = _mm512_shuffle_f32x4::<0x88>(u[8 + i], u[12 + i]);
        v[12 + i] = _mm512_shuffle_f32x4::<0xdd>(u[8 + i], u[12 + i]);
    }
    let mut out = v;
    for i in 0..4 {
        out[i] = _mm512_shuffle_f32x4::<0x88>(v[i], v[8 + i]);
        out[8 + i] = _mm512_shuffle_f32x4::<0xdd>(v[i], v[8 + i]);
        out[4 + i] = _mm512_shuffle_f32x4::<0x88>(v[4 + i], v[12 + i]);
        out[12 + i] = _mm512_shuffle_f32x4::<0xdd>(v[4 + i], v[12 + i]);
    }
    out
}
