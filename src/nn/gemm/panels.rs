use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;

use super::Start;
use super::buffer::Buffer;
use super::cache::second_level;
use super::kernel::{Addend, Kernel, Place};

/// Panels that are packed together, and values of `k` at a time, where these are the rows of a matrix in
/// memory: they are read from end to end, as few at once as the processor can fetch ahead.
const TOGETHER: usize = 32;
const CHUNK: usize = 32;

/// `B [k, n]` in panels of at most `COLUMNS` columns, each `[words of k, COLUMNS]`, one after the
/// other.
pub(in crate::nn) struct Packed<K: Kernel> {
    kernel: K,
    inner: usize,
    /// The columns of each panel begin at its place here and end at the next.
    edges: Vec<usize>,
    words: Buffer<K::Word>,
}

impl<K: Kernel> Packed<K> {
    /// Matrices `[k, ·]` side by side, none of which shares a panel with the next.
    pub(in crate::nn) fn new(kernel: K, matrices: &[ArrayView2<f32>]) -> Self {
        let (mut edges, mut of) = (vec![0], Vec::new());
        for b in matrices {
            let begin = edges[edges.len() - 1];
            for first in (0..b.ncols()).step_by(K::COLUMNS) {
                let last = b.ncols().min(first + K::COLUMNS);
                edges.push(begin + last);
                of.push(b.slice(s![.., first..last]));
            }
        }
        let inner = matrices[0].nrows();
        let mut packed = Self::from_halves(kernel, inner, of.len(), |panel, half| {
            let (left, right) = of[panel].split_at(Axis(1), of[panel].ncols().min(K::HALF));
            if half == 0 { left } else { right }
        });
        packed.edges = edges;
        packed
    }

    /// Panels whose two halves hold the columns that `half` gives: views `[k, ≤ HALF]`. They are for
    /// [`Packed::panel`] alone: where their columns are, a product would not know.
    pub(in crate::nn) fn from_halves<'v>(
        kernel: K,
        inner: usize,
        panels: usize,
        half: impl Fn(usize, usize) -> ArrayView2<'v, f32> + Sync,
    ) -> Self {
        const { assert!(CHUNK.is_multiple_of(K::DEPTH)) }
        let panel = inner.div_ceil(K::DEPTH) * K::COLUMNS;
        let mut words = Buffer::new(panel * panels);
        if panel > 0 {
            let out = words.as_mut_slice().par_chunks_mut(TOGETHER * panel);
            out.enumerate().for_each(|(group, out)| {
                for k in (0..inner).step_by(CHUNK) {
                    let chunk = s![k..inner.min(k + CHUNK), ..];
                    for (i, out) in out.chunks_exact_mut(panel).enumerate() {
                        let out = &mut out[k / K::DEPTH * K::COLUMNS..];
                        for h in 0..2 {
                            let lanes = half(group * TOGETHER + i, h).slice_move(chunk);
                            kernel.pack_half(lanes.reversed_axes(), h, out);
                        }
                    }
                }
            });
        }
        Self {
            kernel,
            inner,
            edges: Vec::new(),
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
        // How rows are dealt changes no sum. Some blocks for each thread, so that all end together.
        let panels = a.nrows().div_ceil(K::ROWS);
        let tasks = match rayon::current_num_threads() {
            1 => 1,
            threads => 4 * threads,
        };
        let words = self.inner.div_ceil(K::DEPTH).min(K::BLOCK);
        // A block of `A` has two fifths of the second level of cache.
        let most = second_level() * 2 / 5 / (words * K::ROWS * size_of::<K::Word>());
        let block = panels.div_ceil(tasks).clamp(1, most.max(1)) * K::ROWS;
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
        let panels = self.edges.len() - 1;
        let mut k = 0;
        while k < self.inner {
            let depth = (K::BLOCK * K::DEPTH).min(self.inner - k);
            let words = depth.div_ceil(K::DEPTH);
            blocks.pack(self.kernel, a.slice(s![.., k..k + depth]), packed_a);
            let start = if k == 0 { start } else { Start::Accumulate };
            // The panels of `B` that the rows of the block meet one after the other have a fifth of the
            // second level of cache, and `C` is written row by row. Few rows meet them one by one,
            // while they are in the first.
            let group = match blocks.iter().count() {
                0..=3 => 1,
                _ => second_level() / 5 / (words * K::COLUMNS * size_of::<K::Word>()),
            };
            let group = group.max(1);
            for first in (0..panels).step_by(group) {
                for (p, (i, rows)) in blocks.iter().enumerate() {
                    let a = blocks.panel::<K>(packed_a, p, words);
                    for panel in first..panels.min(first + group) {
                        let columns = self.edges[panel]..self.edges[panel + 1];
                        let b = &self.panel(panel)[k / K::DEPTH * K::COLUMNS..];
                        let addend = match start {
                            Start::Zero => Addend::Zero,
                            Start::Accumulate => Addend::Existing,
                            Start::Row(row) => Addend::Row(&row[columns.clone()]),
                        };
                        let width = columns.len();
                        let place = Place {
                            rows,
                            stride,
                            halves: [width.min(K::HALF), width.saturating_sub(K::HALF)],
                            gap: K::HALF,
                        };
                        let c = &mut c[i * stride + columns.start..];
                        let b = &b[..words * K::COLUMNS];
                        self.kernel.tile(words, a, b, addend, c, place);
                    }
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
        const { assert!(CHUNK.is_multiple_of(K::DEPTH)) }
        let panel = a.ncols().div_ceil(K::DEPTH) * K::ROWS + K::SLACK;
        out.resize(self.iter().count() * panel);
        // Rows of `A` that stand in memory as rows are read from end to end panel by panel.
        let chunk = match a.strides()[1] {
            1 => a.ncols(),
            _ => CHUNK,
        };
        for k in (0..a.ncols()).step_by(chunk.max(1)) {
            let a = a.slice(s![.., k..a.ncols().min(k + chunk)]);
            let panels = out.as_mut_slice().chunks_exact_mut(panel);
            for (rows, out) in a.axis_chunks_iter(Axis(0), self.each).zip(panels) {
                kernel.pack_rows(rows, &mut out[k / K::DEPTH * K::ROWS..]);
            }
        }
    }

    /// The `p`-th panel of what [`RowPanels::pack`] packed.
    pub(in crate::nn) fn panel<K: Kernel>(
        self,
        packed: &Buffer<K::Word>,
        p: usize,
        words: usize,
    ) -> &[K::Word] {
        &packed.as_slice()[p * (words * K::ROWS + K::SLACK)..][..words * K::ROWS]
    }
}
