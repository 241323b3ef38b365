use ndarray::ArrayView2;

/// What a tile is added to.
#[derive(Clone, Copy)]
pub(in crate::nn) enum Addend<'a> {
    Zero,
    /// What the tile of `C` holds.
    Existing,
    /// The same values in every row, laid out as a row of the tile.
    Row(&'a [f32]),
}

/// Which part of `C` a tile writes: `rows` rows, `stride` floats apart. The two halves of its
/// columns start `gap` floats apart and are as wide as `halves` says, so that one tile can hold
/// two gates of the same cells.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Place {
    pub rows: usize,
    pub stride: usize,
    pub halves: [usize; 2],
    pub gap: usize,
}

impl Place {
    /// Floats from the tile's first to just past its last within one row.
    pub fn width(&self) -> usize {
        match self.halves {
            [first, 0] => first,
            [first, second] => first.max(self.gap + second),
        }
    }

    /// Whether the tile lies within `len` floats, and is no larger than `rows × 2·half`.
    pub fn fits(&self, len: usize, rows: usize, half: usize) -> bool {
        (1..=rows).contains(&self.rows)
            && self.halves.iter().all(|&columns| columns <= half)
            && len >= (self.rows - 1) * self.stride + self.width()
    }
}

/// A register tile of one instruction set. A value of the type is the proof that the processor
/// has the instructions.
pub(in crate::nn) trait Kernel: Copy + Send + Sync {
    /// What one lane of an operand holds: an f32, a pair of bf16 of neighbouring `k`, or
    /// a row of a tile.
    type Word: Copy + Default + Send + Sync;
    /// Rows of a full tile.
    const ROWS: usize;
    /// Half the columns of a full tile.
    const HALF: usize;
    /// Columns of a full tile.
    const COLUMNS: usize = 2 * Self::HALF;
    /// Values of `k` in one word.
    const DEPTH: usize;
    /// Depth of a block of the inner dimension, in words: such a block of a panel of `A` stays in the
    /// first level of cache while panels of `B` pass.
    const BLOCK: usize = 256;
    /// Words past a panel of rows that [`Kernel::pack_rows`] may overwrite.
    const SLACK: usize;

    /// The kernel, where the processor has its instructions.
    fn detect() -> Option<Self>;

    /// Packs the lanes (rows) of `lanes [≤ ROWS, k]` into `out [words of k, ROWS]`. Missing lanes
    /// and the odd part of a last word are zero.
    fn pack_rows(&self, lanes: ArrayView2<f32>, out: &mut [Self::Word]);

    /// Packs `lanes [≤ HALF, k]` into one half of the columns of `out [words of k, COLUMNS]`.
    fn pack_half(&self, lanes: ArrayView2<f32>, half: usize, out: &mut [Self::Word]);

    /// `C = addend + Σ_w a[w, ·]ᵀ·b[w, ·]` from panels `a [words, ROWS]` and `b [words, COLUMNS]`
    /// at `place`, counted from the start of `c`.
    fn tile(
        &self,
        words: usize,
        a: &[Self::Word],
        b: &[Self::Word],
        addend: Addend,
        c: &mut [f32],
        place: Place,
    );
}

/// Adds a tile of `sums [ROWS, 2·HALF]` to its addend and writes it, in safe code.
pub(super) fn write_tile<const HALF: usize>(
    sums: &[[[f32; HALF]; 2]],
    addend: Addend,
    c: &mut [f32],
    place: Place,
) {
    for (i, sums) in sums.iter().enumerate().take(place.rows) {
        for (half, sums) in sums.iter().enumerate() {
            let columns = place.halves[half];
            if columns == 0 {
                continue;
            }
            let c = &mut c[i * place.stride + half * place.gap..][..columns];
            match addend {
                Addend::Zero => c.copy_from_slice(&sums[..columns]),
                Addend::Existing => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
                Addend::Row(row) => {
                    let row = &row[half * place.gap..][..columns];
                    for ((c, sum), start) in c.iter_mut().zip(sums).zip(row) {
                        *c = start + sum;
                    }
                }
            }
        }
    }
}
