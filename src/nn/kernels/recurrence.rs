use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, s};

use super::super::gemm::Start;
use super::super::gemm::buffer::Buffer;
use super::super::gemm::kernel::{Addend, Kernel, Place};
use super::super::gemm::panels::{Packed, RowPanels};
use super::super::packing::Stretch;
use super::super::recurrence::{Carry, Direction, matrix};
use super::Cell;
use super::cells::{Cells, LstmFrame};

/// `W_hh^T [H, 4·H]` in panels that hold two gates of the same `HALF` cells: input and forget
/// gate, then candidate and output gate, for every block of cells.
fn pack_gates<K: Kernel>(kernel: K, recurrent: ArrayView2<f32>) -> Packed<K> {
    let h = recurrent.ncols();
    let panels = 2 * h.div_ceil(K::HALF);
    Packed::from_halves(kernel, h, panels, |panel, half| {
        let gate = 2 * (panel % 2) + half;
        let first = panel / 2 * K::HALF;
        let last = h.min(first + K::HALF);
        recurrent
            .slice_move(s![gate * h + first..gate * h + last, ..])
            .reversed_axes()
    })
}

/// `W_hh^T` as [`forward`] reads it.
pub(super) fn pack<K: Kernel>(kernel: K, direction: &Direction<'_, f32>) -> Packed<K> {
    match direction.cell {
        Cell::Lstm => pack_gates(kernel, direction.recurrent),
        _ => Packed::new(kernel, &[direction.recurrent.reversed_axes()]),
    }
}

pub(super) fn forward<K: Cells>(
    weights: &Packed<K>,
    direction: &Direction<'_, f32>,
    stretch: &Stretch,
    gates: &mut [f32],
    mut output: ArrayViewMut2<'_, f32>,
    mut cells: Option<&mut [f32]>,
    carry: Carry<'_, f32>,
) {
    let kernel = weights.kernel();
    let (width, h) = direction.recurrent.dim();
    let mut packed = Buffer::default();
    let steps = stretch.steps.clone();
    let walk = direction
        .packing
        .walk_over(direction.reversed, steps.clone());
    for (step, number) in walk.zip(steps) {
        let n = step.batch;
        let first = step.row - stretch.rows.start;
        let gates = &mut gates[first * width..(first + n) * width];
        let hidden = &mut carry.hidden[..n * h];
        match direction.cell {
            Cell::Lstm => {
                let rows = RowPanels::of::<K>(n);
                rows.pack(kernel, matrix(hidden, h), &mut packed);
                let words = h.div_ceil(K::DEPTH);
                let blocks = h.div_ceil(K::HALF);
                for block in 0..blocks {
                    // Back and forth: a step begins with the weights that the last one used last.
                    let block = if number % 2 == 0 {
                        block
                    } else {
                        blocks - 1 - block
                    };
                    let j = block * K::HALF;
                    let lanes = K::HALF.min(h - j);
                    for pair in 0..2 {
                        let b = weights.panel(2 * block + pair);
                        for (p, (first, rows_here)) in rows.iter().enumerate() {
                            let place = Place {
                                rows: rows_here,
                                stride: width,
                                halves: [lanes; 2],
                                gap: h,
                            };
                            let a = rows.panel::<K>(&packed, p, words);
                            let c = &mut gates[first * width + 2 * pair * h + j..];
                            kernel.tile(words, a, b, Addend::Existing, c, place);
                        }
                    }
                    let cell = &mut carry.cell[j..];
                    kernel.lstm_forward(&mut gates[j..], cell, &mut hidden[j..], h, n, lanes);
                }
            }
            cell => {
                let state = matrix(hidden, h);
                weights.rows(state, Start::Accumulate, gates, width, &mut packed);
                let rows = gates.chunks_exact_mut(h).zip(hidden.chunks_exact_mut(h));
                rows.for_each(|(gates, hidden)| kernel.rnn_forward(cell, gates, hidden));
            }
        }
        for (b, hidden) in hidden.chunks_exact(h).enumerate() {
            output
                .row_mut(step.row + b)
                .assign(&ArrayView1::from(hidden));
        }
        if let Some(cells) = &mut cells {
            cells[step.row * h..(step.row + n) * h].copy_from_slice(&carry.cell[..n * h]);
        }
    }
}

pub(super) fn backward<K: Cells>(
    kernel: K,
    direction: &Direction<'_, f32>,
    gates: &mut [f32],
    cells: &[f32],
    start: &[f32],
    d_output: ArrayView2<'_, f32>,
    d_bias: &mut [f32],
) {
    let (width, h) = direction.recurrent.dim();
    let batch = direction.packing.batch();
    let weights = Packed::new(kernel, &[direction.recurrent]);
    let mut packed = Buffer::default();
    let mut d_hidden = vec![0.0; batch * h];
    let mut d_cell = vec![0.0; batch * h];
    d_bias.fill(0.0);
    for step in direction.packing.walk(direction.reversed).rev() {
        let n = step.batch;
        let gates = &mut gates[step.row * width..(step.row + n) * width];
        for (b, gates) in gates.chunks_exact_mut(width).enumerate() {
            let row = step.row + b;
            let carried = b * h..(b + 1) * h;
            let d_output = d_output.row(row).to_slice().expect("rows are contiguous");
            let d_hidden = &d_hidden[carried.clone()];
            match direction.cell {
                Cell::Lstm => {
                    let before = match b < step.joined {
                        true => &cells[(step.previous + b) * h..][..h],
                        false => &start[carried.clone()],
                    };
                    let cell = &cells[row * h..(row + 1) * h];
                    let frame = LstmFrame {
                        cell,
                        before,
                        d_hidden,
                        d_output,
                    };
                    kernel.lstm_backward(gates, frame, &mut d_cell[carried], d_bias);
                }
                cell => kernel.rnn_backward(cell, gates, d_hidden, d_output, d_bias),
            }
        }
        // Utterances that began here hand nothing on.
        let joined = matrix(&gates[..step.joined * width], width);
        weights.rows(joined, Start::Zero, &mut d_hidden, h, &mut packed);
    }
}
