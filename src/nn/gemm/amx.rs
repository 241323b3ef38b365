use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use ndarray::{ArrayView2, s};

use super::avx512::{COLUMNS, HALF, Out, lane_mask};
use super::bf16::{interleaved, pack, rounded, transposed};
use super::kernel::{Addend, Kernel, Place};
use super::pack::with_unit_stride;

/// AMX tiles: 32 × 32, four accumulators of 16 × 16, each instruction (`tdpbf16ps`) a product
/// over 32 values of `k`. Operands are rounded as [`super::bf16`] rounds them; the sum of each
/// element depends on nothing but its own row and column.
///
/// Intel, *Architecture Instruction Set Extensions Programming Reference*, chapter 3.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Amx(());

/// A row of a tile: 32 bf16 of one row of `A`, or 16 pairs of neighbouring `k`, one for each
/// column of `B`.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub(in crate::nn) struct TileRow([u32; 16]);

/// Rows of a tile.
const TILE: usize = 16;
const ROWS: usize = 2 * TILE;

impl Kernel for Amx {
    type Word = TileRow;
    const ROWS: usize = ROWS;
    const HALF: usize = HALF;
    const DEPTH: usize = 32;
    const BLOCK: usize = 40;
    const SLACK: usize = 0;

    /// The first call asks the kernel to let this process use the tiles.
    fn detect() -> Option<Self> {
        static PERMITTED: OnceLock<bool> = OnceLock::new();
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        (has && *PERMITTED.get_or_init(permitted)).then_some(Self(()))
    }

    fn pack_rows(&self, lanes: ArrayView2<f32>, out: &mut [TileRow]) {
        assert!(lanes.nrows() <= ROWS && out.len() >= lanes.ncols().div_ceil(32) * ROWS);
        // SAFETY: `self` exists only where the features were detected; `out` was just measured.
        unsafe { pack_rows(lanes, out) }
    }

    fn pack_half(&self, lanes: ArrayView2<f32>, half: usize, out: &mut [TileRow]) {
        assert!(lanes.nrows() <= HALF && half < 2);
        let words = out.chunks_exact_mut(COLUMNS);
        for (word, out) in words.enumerate().take(lanes.ncols().div_ceil(32)) {
            let last = lanes.ncols().min(32 * (word + 1));
            let out = &mut out[half * HALF..][..HALF];
            out[(last - 32 * word).div_ceil(2)..].fill(TileRow::default());
            let lanes = lanes.slice(s![.., 32 * word..last]);
            // SAFETY: `self` exists only where the features were detected; `out` has sixteen rows
            // of sixteen pairs, and `lanes` at most 32 columns.
            unsafe { pack::<16>(lanes, out.as_mut_ptr().cast()) }
        }
    }

    fn tile(
        &self,
        words: usize,
        a: &[TileRow],
        b: &[TileRow],
        addend: Addend,
        c: &mut [f32],
        place: Place,
    ) {
        assert!(words > 0 && a.len() >= words * ROWS && b.len() >= words * COLUMNS);
        let out = Out::new(addend, c, place, ROWS);
        configure(place.rows);
        // SAFETY: `self` exists only where the features were detected; the panels were just
        // measured, `Out::new` measured the tile, and the tiles have its rows.
        unsafe { tile(words, a.as_ptr(), b.as_ptr(), place.rows, out) }
    }
}

/// Whether the processor has bf16 tiles and the operating system lets us use them.
fn permitted() -> bool {
    const LEAF: u32 = 7;
    const TILES_AND_BF16: u32 = 1 << 24 | 1 << 22;
    if __cpuid(0).eax < LEAF || __cpuid_count(LEAF, 0).edx & TILES_AND_BF16 != TILES_AND_BF16 {
        return false;
    }
    #[cfg(target_os = "linux")]
    {
        const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_ulong = 18;
        // SAFETY: the call reads no memory of ours; what it grants only enlarges what the kernel
        // saves of a thread.
        let granted = unsafe {
            libc::syscall(
                libc::SYS_arch_prctl,
                ARCH_REQ_XCOMP_PERM,
                XFEATURE_XTILEDATA,
            )
        };
        granted == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_of_a_row: [u16; 16],
    rows: [u8; 16],
}

/// Gives this thread's tiles the shapes of a product of `rows` rows, unless they have them:
/// accumulators 0 and 1 above 2 and 3, `A` in 4 above 5, `B` in 6 beside 7.
fn configure(rows: usize) {
    thread_local! {
        static CONFIGURED: Cell<usize> = const { Cell::new(0) };
    }
    CONFIGURED.with(|configured| {
        if configured.replace(rows) == rows {
            return;
        }
        let (above, below) = (rows.min(TILE) as u8, rows.saturating_sub(TILE) as u8);
        let mut config = TileConfig {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            bytes_of_a_row: [0; 16],
            rows: [0; 16],
        };
        let shapes = [above, above, below, below, above, below, 16, 16];
        for (tile, rows) in shapes.into_iter().enumerate().filter(|&(_, rows)| rows > 0) {
            config.rows[tile] = rows;
            config.bytes_of_a_row[tile] = 64;
        }
        // SAFETY: an `Amx` exists, so the process may use tiles, and this is a valid palette. No
        // tile holds a value between two products.
        unsafe {
            asm!(
                "ldtilecfg [{config}]",
                config = in(reg) &config,
                options(nostack, preserves_flags, readonly),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            );
        }
    });
}

/// # Safety
/// AMX-BF16 and AVX-512F; `words > 0`; `a` holds `words · ROWS` rows and `b` `words · COLUMNS`;
/// `out` was checked for `rows`, for which [`configure`] was called on this thread.
#[target_feature(enable = "avx512f")]
unsafe fn tile(words: usize, a: *const TileRow, b: *const TileRow, rows: usize, out: Out) {
    let mut sums = MaybeUninit::<[TileRow; 4 * TILE]>::uninit();
    (0..rows).for_each(|r| out.prefetch(r));
    // SAFETY: `a` and `b` advance by one word of each panel `words` times and are read within it;
    // each store is of at most sixteen rows of `sums`, of which only rows that were stored are read.
    unsafe {
        macro_rules! products {
            ($($instruction:literal)*) => {
                asm!(
                    $($instruction,)*
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    words = inout(reg) words => _,
                    row = in(reg) 64usize,
                    sums = in(reg) sums.as_mut_ptr(),
                    options(nostack),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                )
            };
        }
        if rows > TILE {
            products!(
                "tilezero tmm0"
                "tilezero tmm1"
                "tilezero tmm2"
                "tilezero tmm3"
                "2:"
                "tileloadd tmm6, [{b} + {row}]"
                "tileloadd tmm4, [{a} + {row}]"
                "tdpbf16ps tmm0, tmm4, tmm6"
                "tileloadd tmm7, [{b} + {row} + 1024]"
                "tdpbf16ps tmm1, tmm4, tmm7"
                "tileloadd tmm5, [{a} + {row} + 1024]"
                "tdpbf16ps tmm2, tmm5, tmm6"
                "tdpbf16ps tmm3, tmm5, tmm7"
                "add {a}, 2048"
                "add {b}, 2048"
                "dec {words}"
                "jnz 2b"
                "tilestored [{sums} + {row}], tmm0"
                "tilestored [{sums} + {row} + 1024], tmm1"
                "tilestored [{sums} + {row} + 2048], tmm2"
                "tilestored [{sums} + {row} + 3072], tmm3"
            );
        } else {
            products!(
                "tilezero tmm0"
                "tilezero tmm1"
                "2:"
                "tileloadd tmm4, [{a} + {row}]"
                "tileloadd tmm6, [{b} + {row}]"
                "tdpbf16ps tmm0, tmm4, tmm6"
                "tileloadd tmm7, [{b} + {row} + 1024]"
                "tdpbf16ps tmm1, tmm4, tmm7"
                "add {a}, 2048"
                "add {b}, 2048"
                "dec {words}"
                "jnz 2b"
                "tilestored [{sums} + {row}], tmm0"
                "tilestored [{sums} + {row} + 1024], tmm1"
            );
        }
        for r in 0..rows {
            let left = sums
                .as_ptr()
                .cast::<TileRow>()
                .add(r / TILE * 2 * TILE + r % TILE);
            let half = [left, left.add(TILE)].map(|row| row.cast::<f32>());
            out.store(r, [_mm512_load_ps(half[0]), _mm512_load_ps(half[1])]);
        }
    }
}

/// `lanes [≤ ROWS, k]` → each lane a row of its tile, word after word of 32 values. The last word
/// ends in zeros; rows without a lane are left alone, as no tile is configured to read them.
///
/// # Safety
/// AVX-512F, BW and BF16; `out` has room for `ROWS` rows for every 32 columns or part of them.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_rows(lanes: ArrayView2<f32>, out: &mut [TileRow]) {
    let lanes = with_unit_stride(lanes);
    let (count, depth) = lanes.dim();
    let data = lanes.as_ptr();
    let [row_stride, column_stride] = [lanes.strides()[0], lanes.strides()[1]];
    let out: *mut TileRow = out.as_mut_ptr();
    for k in (0..depth).step_by(32) {
        let some = (depth - k).min(32);
        // SAFETY: reads are of elements of the matrix only (rows below `count`, columns below
        // `depth`, others masked), one of whose axes is contiguous; stores are of whole rows of
        // word `k / 32`, below `count` rounded up to a tile's rows.
        unsafe {
            let out = out.add(k / 32 * ROWS);
            if column_stride == 1 || depth <= 1 {
                let low = lane_mask(some);
                let high = lane_mask(some.saturating_sub(16));
                for r in 0..count {
                    let row = data.offset(r as isize * row_stride).add(k);
                    let low = _mm512_maskz_loadu_ps(low, row);
                    let high = _mm512_maskz_loadu_ps(high, row.wrapping_add(16));
                    _mm512_store_si512(out.add(r).cast(), rounded(low, high));
                }
                continue;
            }
            for first in (0..count).step_by(TILE) {
                let mask = lane_mask(count - first);
                let mut block = [_mm512_setzero_si512(); TILE];
                for (i, block) in block.iter_mut().enumerate().take(some.div_ceil(2)) {
                    let k = k + 2 * i;
                    let even = data.wrapping_offset(k as isize * column_stride + first as isize);
                    let odd = if k + 1 < depth { mask } else { 0 };
                    let odd = _mm512_maskz_loadu_ps(odd, even.wrapping_offset(column_stride));
                    *block = interleaved(_mm512_maskz_loadu_ps(mask, even), odd);
                }
                for (r, row) in transposed(block).into_iter().enumerate() {
                    _mm512_store_si512(out.add(first + r).cast(), row);
                }
            }
        }
    }
}
