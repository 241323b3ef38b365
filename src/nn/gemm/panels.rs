use ndarray::{ArrayView2, s};
use rayon::prelude::*;

use super::Start;
use super::buffer::Buffer;
use super::kernel::{Addend, Kernel, Place};

/// `B [k, n]` in panels of `COLUMNS` columns, each `[words of k, COLUMNS]`, one after the other.
pub(in crate::nn) struct Packed<K: Kernel> {
    kernel: K,
    inner: usize,
    columns: usize,
    words: Buffer<K::Word>,
}

impl<K: Kernel> Packed<K> {
    pub(in crate::nn) fn new(kernel: K, b: ArrayView2<f32>) -> Self {
        let panels = b.ncols().div_ceil(K::COLUMNS);
        let (inner, columns) = (b.nrows(), b.ncols());
        Self::from_halves(kernel, inner, columns, panels, |panel, half| {
            let first = columns.min(panel * K::COLUMNS + half * K::HALF);
            let last = columns.min(first + K::HALF);
            b.slice_move(s![.., first..last])
        })
    }

    /// Panels whose two halves hold the columns that `half` gives: views `[k, ≤ HALF]`.
    pub(in crate::nn) fn from_halves<'v>(
        kernel: K,
        inner: usize,
        columns: usize,
        panels: usize,
        half: impl Fn(usize, usize) -> ArrayView2<'v, f32> + Sync,
    ) -> Self {
        let panel = inner.div_ceil(K::DEPTH) * K::COLUMNS;
        let mut words = Buffer::new(panel * panels);
        if panel > 0 {
            let out = words.as_mut_slice().par_chunks_exact_mut(panel);
            out.enumerate().for_each(|(index, out)| {
                for h in 0..2 {
                    kernel.pack_half(half(index, h).reversed_axes(), h, out);
                }
            });
        }
        Self {
            kernel,
            inner,
            columns,
            words,
        }
    }

    /// The kernel that it is packed for.
    pub(in crate::nn) fn kernel(&self) -> K {
        self.kernel
    }

    /// The words of one panel.
    pub(in crate::nn) fn panel(&self, index: usize) -> &[K::Word] {
        let panel = self.inner.div_ceil(K::DEPTH) * K::COLUMNS;
        &self.words.as_slice()[index * panel..][..panel]
    }

    /// `C = start + A·B`, blocks of rows in parallel. Shapes are the caller's to check.
    pub(super) fn product(&self, a: ArrayView2<f32>, start: Start, c: &mut [f32], stride: usize) {
        // Enough blocks for any thread count we meet, few enough that packing is shared.
        let panels = a.nrows().div_ceil(K::ROWS);
        let block = panels.div_ceil(8).clamp(1, 10) * K::ROWS;
        c.par_chunks_mut(block * stride)
            .take(a.nrows().div_ceil(block))
            .enumerate()
            .for_each_init(Buffer::default, |packed_a, (index, c)| {
                let first = index * block;
                let last = a.nrows().min(first + block);
                self.rows(a.slice(s![first..last, ..]), start, c, stride, packed_a);
            });
    }

    /// One task: a block of rows of `A` with all of `B`.
    pub(in crate::nn) fn rows(
        &self,
        a: ArrayView2<f32>,
        start: Start,
        c: &mut [f32],
        stride: usize,
        packed_a: &mut Buffer<K::Word>,
    ) {
        let blocks = RowPanels::of::<K>(a.nrows());
        let mut k = 0;
        while k < self.inner {
            let depth = (K::BLOCK * K::DEPTH).min(self.inner - k);
            let words = depth.div_ceil(K::DEPTH);
            blocks.pack(self.kernel, a.slice(s![.., k..k + depth]), packed_a);
            let start = if k == 0 { start } else { Start::Accumulate };
            for j in (0..self.columns).step_by(K::COLUMNS) {
                let b = &self.panel(j / K::COLUMNS)[k / K::DEPTH * K::COLUMNS..];
                let b = &b[..words * K::COLUMNS];
                let width = K::COLUMNS.min(self.columns - j);
                let addend = match start {
                    Start::Zero => Addend::Zero,
                    Start::Accumulate => Addend::Existing,
                    Start::Row(row) => Addend::Row(&row[j..j + width]),
                };
                for (p, (i, rows)) in blocks.iter().enumerate() {
                    let place = Place {
                        rows,
                        stride,
                        halves: [width.min(K::HALF), width.saturating_sub(K::HALF)],
                        gap: K::HALF,
                    };
                    let a = blocks.panel::<K>(packed_a, p, words);
                    let c = &mut c[i * stride + j..];
                    self.kernel.tile(words, a, b, addend, c, place);
                }
            }
            k += depth;
        }
    }
}

/// How the rows of a block of `A` are dealt to panels: as evenly as it goes.
#[derive(Clone, Copy)]
pub(in crate::nn) struct RowPanels {
    rows: usize,
    each: usize,
}

impl RowPanels {
    pub(in crate::nn) fn of<K: Kernel>(rows: usize) -> Self {
        let panels = rows.div_ceil(K::ROWS).max(1);
        Self {
            rows,
            each: rows.div_ceil(panels).max(1),
        }
    }

    /// First row and number of rows of each panel.
    pub(in crate::nn) fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows)
            .step_by(self.each)
            .map(move |first| (first, self.each.min(self.rows - first)))
    }

    /// Packs `a`'s rows, panel after panel.
    pub(in crate::nn) fn pack<K: Kernel>(
        self,
        kernel: K,
        a: ArrayView2<f32>,
        out: &mut Buffer<K::Word>,
    ) {
        let panel = a.ncols().div_ceil(K::DEPTH) * K::ROWS;
        out.resize(self.iter().count() * panel + K::SLACK);
        for (p, (first, rows)) in self.iter().enumerate() {
            let out = &mut out.as_mut_slice()[p * panel..][..panel + K::SLACK];
            kernel.pack_rows(a.slice(s![first..first + rows, ..]), out);
        }
    }

    /// The `p`-th panel of what [`RowPanels::pack`] packed.
    pub(in crate::nn) fn panel<K: Kernel>(
        self,
        packed: &Buffer<K::Word>,
        p: usize,
        words: usize,
    ) -> &[K::Word] {
        &packed.as_slice()[p * words * K::ROWS..][..words * K::ROWS]
    }
}
