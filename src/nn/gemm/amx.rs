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
/// over 32 values of `k`. Operands are rounded as [`super::bf16`] rounds them. The sum of
/// each element depends on nothing but its own row and column, and on whether its panel has all 32
/// columns: a whole tile begins with the addend (a subnormal one counts as zero), another adds it
/// last.
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
    /// A panel of `A` has 40 KiB and stays in a first level of 48.
    const BLOCK: usize = 20;
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

/// Tiles with all their columns begin with what they are added to and end in `C`; others pass
/// through a block of their own. Which of the two depends on the columns alone.
///
/// # Safety
/// AMX-BF16 and AVX-512F; `words > 0`; `a` holds `words · ROWS` rows and `b` `words · COLUMNS`;
/// `out` was checked for `rows`, for which [`configure`] was called on this thread.
#[target_feature(enable = "avx512f")]
unsafe fn tile(words: usize, a: *const TileRow, b: *const TileRow, rows: usize, out: Out) {
    (0..rows).for_each(|r| out.prefetch(r));
    // SAFETY: the caller's for the panels. `Out::new` found the tile's columns, here all of them,
    // of `rows` rows within `C`, and within the addend. Of the block, only rows that were stored
    // are read.
    unsafe {
        if out.whole {
            let begin = Begin {
                at: out.addend,
                gap: 4 * out.gap,
                stride: 4 * out.addend_stride,
            };
            return sums(
                words,
                a,
                b,
                rows,
                begin,
                out.c,
                [4 * out.gap, 4 * out.stride],
            );
        }
        let mut block = MaybeUninit::<[TileRow; ROWS * COLUMNS / TILE]>::uninit();
        let block = block.as_mut_ptr().cast::<f32>();
        let begin = Begin {
            at: std::ptr::null(),
            gap: 0,
            stride: 0,
        };
        sums(words, a, b, rows, begin, block, [4 * HALF, 4 * COLUMNS]);
        for r in 0..rows {
            let row = block.add(r * COLUMNS);
            out.store(r, [_mm512_load_ps(row), _mm512_load_ps(row.add(HALF))]);
        }
    }
}

/// What sums begin with: nothing where `at` is null. Bytes from its left to its right half, and
/// from row to row (0: the same row for all).
struct Begin {
    at: *const f32,
    gap: usize,
    stride: usize,
}

/// Asks for eight lines of a panel's next word while this one is multiplied: tiles alone are a third
/// faster where the core's other thread is busy, and up to a tenth slower where it is not.
macro_rules! next {
    ($panel:literal, $from:literal) => {
        next!($panel, $from, "0" "64" "128" "192" "256" "320" "384" "448")
    };
    ($panel:literal, $from:literal, $($line:literal)*) => {
        concat!($("prefetcht0 [{", $panel, "} + ", $from, " + ", $line, "]\n"),*)
    };
}

/// `[≤ 32, 32]` sums to `to`, whose right half is `gap` bytes from the left one, and whose rows are
/// `stride` bytes apart.
///
/// # Safety
/// AMX-BF16; panels as in [`tile`]; `begin` (if any) and `to` reach `rows` rows of both halves, for
/// which [`configure`] was called on this thread.
unsafe fn sums(
    words: usize,
    a: *const TileRow,
    b: *const TileRow,
    rows: usize,
    begin: Begin,
    to: *mut f32,
    [gap, stride]: [usize; 2],
) {
    macro_rules! run {
        ($($instruction:expr),* $(,)?) => {
            // SAFETY: `a` and `b` advance by one word of each panel `words` times and are read within
            // it (what is prefetched is not read); accumulators are loaded and stored as the caller
            // has it.
            unsafe {
                asm!(
                    $($instruction,)*
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    words = inout(reg) words => _,
                    row = in(reg) 64usize,
                    begin = inout(reg) begin.at => _,
                    begin_right = inout(reg) begin.at.wrapping_byte_add(begin.gap) => _,
                    begin_stride = in(reg) begin.stride,
                    to = inout(reg) to => _,
                    to_right = inout(reg) to.wrapping_byte_add(gap) => _,
                    stride = in(reg) stride,
                    below = out(reg) _,
                    options(nostack),
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                )
            }
        };
    }
    if rows > TILE {
        run!(
            "test {begin}, {begin}",
            "jz 3f",
            "tileloadd tmm0, [{begin} + {begin_stride}]",
            "tileloadd tmm1, [{begin_right} + {begin_stride}]",
            "mov {below}, {begin_stride}",
            "shl {below}, 4",
            "add {begin}, {below}",
            "add {begin_right}, {below}",
            "tileloadd tmm2, [{begin} + {begin_stride}]",
            "tileloadd tmm3, [{begin_right} + {begin_stride}]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm6, [{b} + {row}]",
            "tileloadd tmm4, [{a} + {row}]",
            next!("b", "2048"),
            next!("a", "2048"),
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {row} + 1024]",
            next!("b", "2560"),
            next!("a", "2560"),
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a} + {row} + 1024]",
            next!("b", "3072"),
            next!("a", "3072"),
            "tdpbf16ps tmm2, tmm5, tmm6",
            next!("b", "3584"),
            next!("a", "3584"),
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 2048",
            "add {b}, 2048",
            "dec {words}",
            "jnz 2b",
            "tilestored [{to} + {stride}], tmm0",
            "tilestored [{to_right} + {stride}], tmm1",
            "mov {below}, {stride}",
            "shl {below}, 4",
            "add {to}, {below}",
            "add {to_right}, {below}",
            "tilestored [{to} + {stride}], tmm2",
            "tilestored [{to_right} + {stride}], tmm3",
        );
    } else {
        run!(
            "test {begin}, {begin}",
            "jz 3f",
            "tileloadd tmm0, [{begin} + {begin_stride}]",
            "tileloadd tmm1, [{begin_right} + {begin_stride}]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "2:",
            "tileloadd tmm4, [{a} + {row}]",
            "tileloadd tmm6, [{b} + {row}]",
            next!("b", "2048"),
            next!("b", "2560"),
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {row} + 1024]",
            next!("b", "3072"),
            next!("b", "3584"),
            "tdpbf16ps tmm1, tmm4, tmm7",
            "add {a}, 2048",
            "add {b}, 2048",
            "dec {words}",
            "jnz 2b",
            "tilestored [{to} + {stride}], tmm0",
            "tilestored [{to_right} + {stride}], tmm1",
            "/* {below} is for more than sixteen rows */",
        );
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
