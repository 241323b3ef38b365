//! The element-wise half of a cell, forward and backward, for one instruction set.

use super::super::gemm::kernel::Kernel;
use super::Cell;

/// The non-linearities that follow a kernel's products.
pub(super) trait Cells: Kernel {
    /// For `lanes ≤ HALF` cells of `rows` utterances: pre-activations to activations in place,
    /// `c` and `h` one frame on (Graves & Jaitly 2014, equations 2–6, without peepholes).
    ///
    /// `gates` starts at the first cell's input gate of the first row: gate `g` of row `r` is
    /// `gates[(4·r + g)·h + lane]`. `cell` and `hidden` start at the first cell, rows `h` apart.
    fn lstm_forward(
        &self,
        gates: &mut [f32],
        cell: &mut [f32],
        hidden: &mut [f32],
        h: usize,
        rows: usize,
        lanes: usize,
    );

    /// For one utterance's frame: activations in `gates` `[4·H]` to gradients of the
    /// pre-activations in place, `d_cell` one frame back; the gradients are added to `d_bias`.
    fn lstm_backward(
        &self,
        gates: &mut [f32],
        frame: LstmFrame,
        d_cell: &mut [f32],
        d_bias: &mut [f32],
    );

    /// For one utterance's frame: pre-activations to `s` in place, and into `hidden`.
    fn rnn_forward(&self, cell: Cell, gates: &mut [f32], hidden: &mut [f32]);

    /// For one utterance's frame: `s` to the gradient of the pre-activation in place, which is
    /// added to `d_bias`. The gradient of `s` is `d_hidden + d_output`.
    fn rnn_backward(
        &self,
        cell: Cell,
        gates: &mut [f32],
        d_hidden: &[f32],
        d_output: &[f32],
        d_bias: &mut [f32],
    );
}

/// What the backward pass of an LSTM reads, each `[H]`.
#[derive(Clone, Copy)]
pub(super) struct LstmFrame<'a> {
    /// `c` of this frame.
    pub cell: &'a [f32],
    /// `c` of the frame before.
    pub before: &'a [f32],
    /// The gradient of `h` from the frames after.
    pub d_hidden: &'a [f32],
    /// The gradient of `h` from the layer above.
    pub d_output: &'a [f32],
}

/// Writes [`Cells`] for kernels, in terms of the vector operations that stand where the macro is
/// used: `V`, `M` (a mask), `LANES`, `mask`, `splat`, `load`, `store`, `add`, `sub`, `mul`, `fma`
/// (`a·b + c`), `fnma` (`c - a·b`), `div`, `min`, `max`, `round`, `scale` (`a·2^n`), `positive`
/// (`a` where `b > 0`, else 0). `min` and `max` give their second operand when one is not a number.
macro_rules! cells {
    ($features:literal, $($kernel:ty),*) => {
        /// `1 / (1 + e^-x)`, within 1.2·10⁻⁷ of it for every x, and 0 and 1 at the ends.
        #[target_feature(enable = $features)]
        #[inline]
        fn sigmoid(x: V) -> V {
            // e^-x = 2^n · 2^r with r in [-1/2, 1/2]; 2^r is a minimax polynomial of degree 5,
            // relative error 2·10⁻⁷. Beyond ±126 powers of two leave the normal numbers.
            let t = mul(x, splat(-std::f32::consts::LOG2_E));
            let t = max(splat(-126.0), min(splat(126.0), t));
            let n = round(t);
            let r = sub(t, n);
            let mut p = splat(0.001_326_472_7);
            for c in [0.009_671_513, 0.055_507_336, 0.240_222_42, std::f32::consts::LN_2] {
                p = fma(p, r, splat(c));
            }
            p = fma(p, r, splat(1.0));
            div(splat(1.0), add(splat(1.0), scale(p, n)))
        }

        /// `tanh x`, relative error at most 4·10⁻⁷ for every x, and never outside [-1, 1].
        #[target_feature(enable = $features)]
        #[inline]
        fn tanh(x: V) -> V {
            // x · P(x²) / Q(x²), both of degree 4: the minimax fit of tanh x / x on [0, 9.02],
            // relative error 2.1·10⁻⁸; beyond, tanh is 1 to the last bit.
            let x = max(splat(-LARGEST), min(splat(LARGEST), x));
            let z = mul(x, x);
            let mut p = splat(1.331_896_4e-8);
            for c in [2.058_340_2e-5, 0.003_494_029_7, 0.133_797_14, 1.0] {
                p = fma(p, z, splat(c));
            }
            let mut q = splat(7.761_974_4e-7);
            for c in [0.000_328_308_5, 0.025_871_055, 0.467_130_3, 1.0] {
                q = fma(q, z, splat(c));
            }
            max(splat(-1.0), min(splat(1.0), div(mul(x, p), q)))
        }

        const LARGEST: f32 = 9.02;

        /// # Safety
        /// The features; the slices reach as [`Cells::lstm_forward`] says for `rows` rows of
        /// `LANES` cells, or of as many as `m` has lanes.
        #[target_feature(enable = $features)]
        unsafe fn lstm_forward<const WHOLE: bool>(
            gates: *mut f32,
            cell: *mut f32,
            hidden: *mut f32,
            h: usize,
            rows: usize,
            m: M,
        ) {
            for r in 0..rows {
                // SAFETY: four gates of row `r`, and its `c` and `h`: the caller vouches.
                unsafe {
                    let gate = |g: usize| gates.add((4 * r + g) * h);
                    let (c, hidden) = (cell.add(r * h), hidden.add(r * h));
                    let i = sigmoid(load::<WHOLE>(gate(0), m));
                    let f = sigmoid(load::<WHOLE>(gate(1), m));
                    let g = tanh(load::<WHOLE>(gate(2), m));
                    let o = sigmoid(load::<WHOLE>(gate(3), m));
                    let next = fma(f, load::<WHOLE>(c, m), mul(i, g));
                    store::<WHOLE>(gate(0), m, i);
                    store::<WHOLE>(gate(1), m, f);
                    store::<WHOLE>(gate(2), m, g);
                    store::<WHOLE>(gate(3), m, o);
                    store::<WHOLE>(c, m, next);
                    store::<WHOLE>(hidden, m, mul(o, tanh(next)));
                }
            }
        }

        /// # Safety
        /// The features; `gates` and `d_bias` reach `4·h` floats, the others `h`, and `j` with
        /// the lanes of `m` stays below `h`.
        #[target_feature(enable = $features)]
        #[inline]
        unsafe fn lstm_backward<const WHOLE: bool>(
            gates: *mut f32,
            frame: &LstmFrame,
            d_cell: *mut f32,
            d_bias: *mut f32,
            h: usize,
            j: usize,
            m: M,
        ) {
            // SAFETY: cells `j` on of every slice: the caller vouches.
            unsafe {
                let gate = |g: usize| gates.add(g * h + j);
                let of = |values: &[f32]| load::<WHOLE>(values.as_ptr().add(j), m);
                let i = load::<WHOLE>(gate(0), m);
                let f = load::<WHOLE>(gate(1), m);
                let g = load::<WHOLE>(gate(2), m);
                let o = load::<WHOLE>(gate(3), m);
                let one = splat(1.0);
                let dh = add(of(frame.d_hidden), of(frame.d_output));
                let squashed = tanh(of(frame.cell));
                let dho = mul(dh, o);
                let d_cell = d_cell.add(j);
                let dc = fma(dho, fnma(squashed, squashed, one), load::<WHOLE>(d_cell, m));
                let dci = mul(dc, i);
                let dcf = mul(dc, f);
                let d = [
                    mul(mul(dci, g), sub(one, i)),
                    mul(mul(dcf, of(frame.before)), sub(one, f)),
                    mul(dci, fnma(g, g, one)),
                    mul(mul(dho, squashed), sub(one, o)),
                ];
                store::<WHOLE>(d_cell, m, dcf);
                for (g, d) in d.into_iter().enumerate() {
                    store::<WHOLE>(gate(g), m, d);
                    let sum = d_bias.add(g * h + j);
                    store::<WHOLE>(sum, m, add(load::<WHOLE>(sum, m), d));
                }
            }
        }

        /// # Safety
        /// The features.
        #[target_feature(enable = $features)]
        #[inline]
        fn rnn_activation<const CELL: u8>(x: V) -> V {
            match CELL {
                SIGMOID => sigmoid(x),
                TANH => tanh(x),
                _ => max(splat(0.0), x),
            }
        }

        /// # Safety
        /// The features.
        #[target_feature(enable = $features)]
        unsafe fn rnn_forward<const CELL: u8>(gates: &mut [f32], hidden: &mut [f32]) {
            for (gates, hidden) in gates.chunks_mut(LANES).zip(hidden.chunks_mut(LANES)) {
                let m = mask(gates.len());
                // SAFETY: the mask has as many lanes as the shorter of two equal chunks.
                unsafe {
                    let s = rnn_activation::<CELL>(load::<false>(gates.as_ptr(), m));
                    store::<false>(gates.as_mut_ptr(), m, s);
                    store::<false>(hidden.as_mut_ptr(), m, s);
                }
            }
        }

        /// # Safety
        /// The features; all slices as long as `gates`.
        #[target_feature(enable = $features)]
        unsafe fn rnn_backward<const CELL: u8>(
            gates: &mut [f32],
            d_hidden: &[f32],
            d_output: &[f32],
            d_bias: &mut [f32],
        ) {
            for j in (0..gates.len()).step_by(LANES) {
                let m = mask(gates.len() - j);
                // SAFETY: the mask ends where the slices do.
                unsafe {
                    let gate = gates.as_mut_ptr().add(j);
                    let s = load::<false>(gate, m);
                    let d = add(
                        load::<false>(d_hidden.as_ptr().add(j), m),
                        load::<false>(d_output.as_ptr().add(j), m),
                    );
                    let d = match CELL {
                        SIGMOID => mul(d, mul(s, sub(splat(1.0), s))),
                        TANH => mul(d, fnma(s, s, splat(1.0))),
                        _ => positive(d, s),
                    };
                    store::<false>(gate, m, d);
                    let sum = d_bias.as_mut_ptr().add(j);
                    store::<false>(sum, m, add(load::<false>(sum, m), d));
                }
            }
        }

        const SIGMOID: u8 = 0;
        const TANH: u8 = 1;
        const RELU: u8 = 2;

        $(impl Cells for $kernel {
            fn lstm_forward(
                &self,
                gates: &mut [f32],
                cell: &mut [f32],
                hidden: &mut [f32],
                h: usize,
                rows: usize,
                lanes: usize,
            ) {
                assert!((1..=LANES).contains(&lanes) && lanes <= h && rows > 0);
                assert!(gates.len() >= (4 * rows - 1) * h + lanes);
                assert!(cell.len().min(hidden.len()) >= (rows - 1) * h + lanes);
                let m = mask(lanes);
                let (gates, cell) = (gates.as_mut_ptr(), cell.as_mut_ptr());
                let hidden = hidden.as_mut_ptr();
                // SAFETY: the kernel exists only where its features do; the slices were just
                // measured.
                unsafe {
                    match lanes == LANES {
                        true => lstm_forward::<true>(gates, cell, hidden, h, rows, m),
                        false => lstm_forward::<false>(gates, cell, hidden, h, rows, m),
                    }
                }
            }

            fn lstm_backward(
                &self,
                gates: &mut [f32],
                frame: LstmFrame,
                d_cell: &mut [f32],
                d_bias: &mut [f32],
            ) {
                let h = d_cell.len();
                assert!(gates.len() == 4 * h && d_bias.len() == 4 * h);
                for values in [frame.cell, frame.before, frame.d_hidden, frame.d_output] {
                    assert!(values.len() == h);
                }
                /// # Safety
                /// The features; slices as long as was just checked.
                #[target_feature(enable = $features)]
                unsafe fn all(
                    gates: *mut f32,
                    frame: &LstmFrame,
                    d_cell: *mut f32,
                    d_bias: *mut f32,
                    h: usize,
                ) {
                    let whole = h - h % LANES;
                    let m = mask(LANES);
                    // SAFETY: cells below `h`.
                    unsafe {
                        for j in (0..whole).step_by(LANES) {
                            lstm_backward::<true>(gates, frame, d_cell, d_bias, h, j, m);
                        }
                        if whole < h {
                            let m = mask(h - whole);
                            lstm_backward::<false>(gates, frame, d_cell, d_bias, h, whole, m);
                        }
                    }
                }
                let (gates, d_cell) = (gates.as_mut_ptr(), d_cell.as_mut_ptr());
                // SAFETY: the kernel exists only where its features do; the slices were just
                // measured.
                unsafe { all(gates, &frame, d_cell, d_bias.as_mut_ptr(), h) }
            }

            fn rnn_forward(&self, cell: Cell, gates: &mut [f32], hidden: &mut [f32]) {
                assert_eq!(gates.len(), hidden.len());
                // SAFETY: the kernel exists only where its features do.
                unsafe {
                    match cell {
                        Cell::RnnSigmoid => rnn_forward::<SIGMOID>(gates, hidden),
                        Cell::RnnTanh => rnn_forward::<TANH>(gates, hidden),
                        Cell::RnnRelu | Cell::Lstm => rnn_forward::<RELU>(gates, hidden),
                    }
                }
            }

            fn rnn_backward(
                &self,
                cell: Cell,
                gates: &mut [f32],
                d_hidden: &[f32],
                d_output: &[f32],
                d_bias: &mut [f32],
            ) {
                for values in [d_hidden, d_output, d_bias] {
                    assert_eq!(gates.len(), values.len());
                }
                // SAFETY: the kernel exists only where its features do; lengths are equal.
                unsafe {
                    match cell {
                        Cell::RnnSigmoid => {
                            rnn_backward::<SIGMOID>(gates, d_hidden, d_output, d_bias)
                        }
                        Cell::RnnTanh => rnn_backward::<TANH>(gates, d_hidden, d_output, d_bias),
                        Cell::RnnRelu | Cell::Lstm => {
                            rnn_backward::<RELU>(gates, d_hidden, d_output, d_bias)
                        }
                    }
                }
            }
        })*

        #[cfg(test)]
        pub(super) mod activations {
            use super::*;

            /// Both functions of each value, for the tests of their bounds.
            pub(in super::super) fn of(values: &[f32]) -> Vec<(f32, f32)> {
                #[target_feature(enable = $features)]
                unsafe fn both(x: &[f32], out: &mut Vec<(f32, f32)>) {
                    let m = mask(x.len());
                    let (mut s, mut t) = ([0.0; LANES], [0.0; LANES]);
                    // SAFETY: the mask has as many lanes as `x`, the arrays all of them.
                    unsafe {
                        let x = load::<false>(x.as_ptr(), m);
                        store::<true>(s.as_mut_ptr(), m, sigmoid(x));
                        store::<true>(t.as_mut_ptr(), m, tanh(x));
                    }
                    out.extend(s.into_iter().zip(t).take(x.len()));
                }
                let mut out = Vec::new();
                for x in values.chunks(LANES) {
                    // SAFETY: called where the features were detected.
                    unsafe { both(x, &mut out) };
                }
                out
            }
        }
    };
}
pub(super) use cells;
