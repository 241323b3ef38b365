use ndarray::ArrayView2;

use super::kernel::{Addend, Kernel, Place, write_tile};
use super::pack;

/// Safe code for any processor, and the twin that the other kernels are compared with.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Portable;

const ROWS: usize = 4;
const HALF: usize = 4;

impl Kernel for Portable {
    type Word = f32;
    const ROWS: usize = ROWS;
    const HALF: usize = HALF;
    const DEPTH: usize = 1;
    const SLACK: usize = 0;

    fn detect() -> Option<Self> {
        Some(Self)
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
        let mut sums = [[[0f32; HALF]; 2]; ROWS];
        let (a, _) = a.as_chunks::<ROWS>();
        let (b, _) = b.as_chunks::<HALF>();
        let (b, _) = b.as_chunks::<2>();
        for (a, b) in a.iter().zip(b).take(words) {
            for (sums, &a) in sums.iter_mut().zip(a) {
                for (sum, &b) in sums.as_flattened_mut().iter_mut().zip(b.as_flattened()) {
                    *sum += a * b;
                }
            }
        }
        write_tile(&sums, addend, c, place);
    }
}
