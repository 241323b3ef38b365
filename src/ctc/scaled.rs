//! Numbers `m · 2^e` whose exponent has 32 bits of its own.
//!
//! A path probability of a minute of speech is e^−5000: it has no place in a float. The textbook
//! keeps its logarithm, but an f32 logarithm of −5000 has steps of 5·10⁻⁴, and every sum of two
//! costs an exponential and a logarithm. Here the integer part of the base-2 logarithm is kept as
//! the exponent and the rest as a mantissa in `[1, 2)`: the range of log space (2^±500,000,000
//! within a frame), a relative error of 2⁻²⁴ for each operation whatever the magnitude, and sums
//! that are additions. A sum of positive numbers cancels nothing, so after T frames the relative
//! error is at most about 4T·2⁻²⁴ and grows like √T in practice.
//!
//! There is no zero: what is impossible has the exponent [`FLOOR`], and no float ever becomes
//! zero, infinite or NaN.

use super::lanes::{LANES, Lanes};

/// Exponent of what is impossible. Nothing sinks below it, and a float scaled by it vanishes.
pub(super) const FLOOR: i32 = -(1 << 29);

/// Sixteen numbers `m · 2^e`, `m` in `[1, 2)` once [`rounded`](Scaled::rounded).
#[derive(Clone, Copy)]
pub(super) struct Scaled<L: Lanes> {
    pub mantissa: L::F,
    pub exponent: L::I,
}

impl<L: Lanes> Scaled<L> {
    /// Sixteen numbers from their halves.
    #[inline(always)]
    pub fn load(l: L, mantissa: &[f32; LANES], exponent: &[i32; LANES]) -> Self {
        Self {
            mantissa: l.load(mantissa),
            exponent: l.load_i(exponent),
        }
    }

    /// Splits sixteen numbers into their halves.
    #[inline(always)]
    pub fn store(self, l: L, mantissa: &mut [f32; LANES], exponent: &mut [i32; LANES]) {
        l.store(self.mantissa, mantissa);
        l.store_i(self.exponent, exponent);
    }

    /// Mantissas of this number at the exponents `at`, none of them below its own.
    #[inline(always)]
    pub fn at(self, l: L, at: L::I) -> L::F {
        l.mul(self.mantissa, power_of_two(l, l.sub_i(self.exponent, at)))
    }

    /// The sum; its mantissa lies in `[1, 4)`.
    #[inline(always)]
    pub fn plus(self, l: L, other: Self) -> Self {
        let exponent = l.max_i(self.exponent, other.exponent);
        Self {
            mantissa: l.add(self.at(l, exponent), other.at(l, exponent)),
            exponent,
        }
    }

    /// The product; mantissas multiply, exponents add.
    #[inline(always)]
    pub fn times(self, l: L, other: Self) -> Self {
        Self {
            mantissa: l.mul(self.mantissa, other.mantissa),
            exponent: l.add_i(self.exponent, other.exponent),
        }
    }

    /// The same number, less `shift` in its exponent, with the mantissa in `[1, 2)` again.
    #[inline(always)]
    pub fn rounded(self, l: L, shift: L::I) -> Self {
        let bits = l.bits(self.mantissa);
        let carry = l.sub_i(l.shift_down(bits), l.splat_i(127));
        let fraction = l.and_i(bits, l.splat_i(0x007f_ffff));
        let exponent = l.sub_i(l.add_i(self.exponent, carry), shift);
        Self {
            mantissa: l.float(l.or_i(fraction, l.splat_i(0x3f80_0000))),
            exponent: l.max_i(exponent, l.splat_i(FLOOR)),
        }
    }
}

/// `2^k` for `k ≤ 0`; 0 below 2⁻¹²⁶, where a float of the other summand feels nothing.
#[inline(always)]
pub(super) fn power_of_two<L: Lanes>(l: L, k: L::I) -> L::F {
    let k = l.max_i(k, l.splat_i(-127));
    l.float(l.shift_up(l.add_i(k, l.splat_i(127))))
}

/// A logit this far below its frame's largest (nats) is taken to be just so far.
pub(super) const DEEPEST: f32 = -65536.0;

/// `exp(x)` for `x ≤ 0`, the mantissa in `[0.70, 1.42]`. `x` below [`DEEPEST`] counts as that.
///
/// Cody and Waite's reduction `x = n ln 2 + r`, |r| ≤ ln 2 / 2, and the polynomial of Cephes'
/// `expf`. Relative error below 2·10⁻⁷ for `x ≥ −20000`; deeper, 10⁻⁴ at most.
#[inline(always)]
pub(super) fn exp<L: Lanes>(l: L, x: L::F) -> Scaled<L> {
    /// Adding and subtracting 1.5 · 2²³ rounds to an integer, which the low bits show.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has nine bits, so that its product with `n` is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ];
    let x = l.max(x, l.splat(DEEPEST));
    let round = l.splat(ROUND);
    let shifted = l.add(l.mul(x, l.splat(std::f32::consts::LOG2_E)), round);
    let exponent = l.sub_i(l.bits(shifted), l.bits(round));
    let n = l.sub(shifted, round);
    let r = l.sub(x, l.mul(n, l.splat(LN_2_HIGH)));
    let r = l.sub(r, l.mul(n, l.splat(LN_2_LOW)));
    let mut p = l.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        p = l.add(l.mul(p, r), l.splat(*coefficient));
    }
    let mantissa = l.add(l.add(l.mul(p, l.mul(r, r)), r), l.splat(1.0));
    Scaled { mantissa, exponent }
}
