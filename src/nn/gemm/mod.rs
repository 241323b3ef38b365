//! Matrix products, the work under every layer: `C = start + A·B` in f32, or with operands
//! rounded to bf16 and an f32 sum.
//!
//! The construction is that of Goto & van de Geijn 2008 ("Anatomy of high-performance matrix
//! multiplication") in the form of BLIS: `B` is packed once into panels of as many
//! columns as the tile has ([`PackedB`], kept for as long as the weights do not change), a block of rows of `A` is
//! packed into the second-level cache, and a register tile of `ROWS × COLUMNS` runs over both: a panel of `A`
//! stays in the first level while some panels of `B` pass from the second, so that `C` is written along its rows.
//!
//! Tasks own blocks of rows of `C`. The inner dimension is cut at the same places whatever the blocks, so the
//! same bytes come out on any number of threads and with any size of cache.
//!
//! | [`Path`] | tile | operands | sum |
//! |---|---|---|---|
//! | `Portable` | 4 × 8, safe code | f32 | f32, multiply then add |
//! | `Avx2` | 6 × 16 | f32 | f32, fused |
//! | `Avx512` | 14 × 32 | f32 | f32, fused |
//! | `Bf16Avx512` | 14 × 32 | bf16, to nearest even | f32, pairs of `k` |
//! | `Bf16Amx` | 32 × 32 | bf16, to nearest even | f32, 32 of `k` at a time |

#[cfg(target_arch = "x86_64")]
pub(super) mod amx;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(super) mod bf16;
pub(super) mod buffer;
mod cache;
pub(super) mod kernel;
mod pack;
pub(super) mod panels;
mod portable;

use kernel::Kernel;
use panels::Packed;

use ndarray::ArrayView2;

use super::Path;

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing: `C = A·B`.
    Zero,
    /// What `C` holds: `C += A·B`.
    Accumulate,
    /// One row added to every row: `C = 1·rowᵀ + A·B` (a bias).
    Row(&'a [f32]),
}

impl Start<'_> {
    /// What a product over nothing leaves.
    fn write<'c>(self, rows: impl Iterator<Item = &'c mut [f32]>, columns: usize) {
        for c in rows {
            match self {
                Start::Zero => c[..columns].fill(0.0),
                Start::Accumulate => {}
                Start::Row(row) => c[..columns].copy_from_slice(row),
            }
        }
    }
}

/// The right operand `B [k, n]`, packed for one instruction path.
pub struct PackedB {
    inner: usize,
    columns: usize,
    panels: Panels,
}

enum Panels {
    Portable(Packed<portable::Portable>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Packed<avx2::Avx2>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Packed<avx512::Avx512>),
    #[cfg(target_arch = "x86_64")]
    Bf16(Packed<bf16::Bf16>),
    #[cfg(target_arch = "x86_64")]
    Amx(Packed<amx::Amx>),
}

impl PackedB {
    /// Packs `b [k, n]` for `path`. A path that this processor lacks packs for the portable one.
    pub fn new(path: Path, b: ArrayView2<f32>) -> Self {
        Self::beside(path, &[b])
    }

    /// Packs matrices `[k, ·]` side by side: one product with all of them packs `A` once.
    ///
    /// # Panics
    /// If there is none, or their rows differ: a programming error.
    pub fn beside(path: Path, b: &[ArrayView2<f32>]) -> Self {
        let inner = b[0].nrows();
        assert!(b.iter().all(|b| b.nrows() == inner), "rows side by side");
        let panels = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Kernel::detect().map(|kernel| Panels::Avx2(Packed::new(kernel, b))),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Kernel::detect().map(|kernel| Panels::Avx512(Packed::new(kernel, b))),
            #[cfg(target_arch = "x86_64")]
            Path::Bf16Avx512 => Kernel::detect().map(|kernel| Panels::Bf16(Packed::new(kernel, b))),
            #[cfg(target_arch = "x86_64")]
            Path::Bf16Amx => Kernel::detect().map(|kernel| Panels::Amx(Packed::new(kernel, b))),
            _ => None,
        };
        Self {
            inner,
            columns: b.iter().map(ArrayView2::ncols).sum(),
            panels: panels.unwrap_or_else(|| Panels::Portable(Packed::new(portable::Portable, b))),
        }
    }

    /// The inner dimension `k`.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The columns `n`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `C [m, n] = start + A [m, k]·B [k, n]`, `C` row-major from the start of `c` with `stride`
    /// floats from row to row. Columns of `c` beyond `n` are left alone.
    ///
    /// # Panics
    /// If the shapes disagree: a programming error.
    pub fn product(&self, a: ArrayView2<f32>, start: Start, c: &mut [f32], stride: usize) {
        assert_eq!(a.ncols(), self.inner, "inner dimensions of a product");
        assert!(stride >= self.columns, "rows of a product overlap");
        if a.nrows() == 0 || self.columns == 0 {
            return;
        }
        assert!(
            c.len() >= (a.nrows() - 1) * stride + self.columns,
            "room for a product"
        );
        if let Start::Row(row) = start {
            assert_eq!(row.len(), self.columns, "a row to start from");
        }
        if self.inner == 0 {
            return start.write(c.chunks_mut(stride).take(a.nrows()), self.columns);
        }
        match &self.panels {
            Panels::Portable(b) => b.product(a, start, c, stride),
            #[cfg(target_arch = "x86_64")]
            Panels::Avx2(b) => b.product(a, start, c, stride),
            #[cfg(target_arch = "x86_64")]
            Panels::Avx512(b) => b.product(a, start, c, stride),
            #[cfg(target_arch = "x86_64")]
            Panels::Bf16(b) => b.product(a, start, c, stride),
            #[cfg(target_arch = "x86_64")]
            Panels::Amx(b) => b.product(a, start, c, stride),
        }
    }
}

/// `C = start + A·B` where `B` is used once: packs it and multiplies. See [`PackedB::product`].
pub fn product(
    path: Path,
    a: ArrayView2<f32>,
    b: ArrayView2<f32>,
    start: Start,
    c: &mut [f32],
    stride: usize,
) {
    PackedB::new(path, b).product(a, start, c, stride);
}

#[cfg(test)]
mod tests;
