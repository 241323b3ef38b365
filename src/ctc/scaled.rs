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
pub(super) const DEEPEST: f32 = -16384.0;

/// `exp(x)` for `x ≤ 0`, the mantissa in `[0.70, 1.42]`. `x` below [`DEEPEST`] counts as that.
///
/// Cody and Waite's reduction `x = n ln 2 + r`, |r| ≤ ln 2 / 2, and the polynomial of Cephes'
/// `expf`. Relative error below 10⁻⁷ down to −87, below 4·10⁻⁷ everywhere.
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
    let shifted = l.mul_add(x, l.splat(std::f32::consts::LOG2_E), round);
    let exponent = l.sub_i(l.bits(shifted), l.bits(round));
    let n = l.sub(shifted, round);
    let r = l.mul_add(n, l.splat(-LN_2_HIGH), x);
    let r = l.mul_add(n, l.splat(-LN_2_LOW), r);
    let mut p = l.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        p = l.mul_add(p, r, l.splat(*coefficient));
    }
    let mantissa = l.add(l.mul_add(p, l.mul(r, r), r), l.splat(1.0));
    Scaled { mantissa, exponent }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{LANES, Portable};
    use super::*;

    #[test]
    fn exponentials_are_right_to_the_stated_error() {
        let l = Portable;
        let mut worst = [0.0f64; 2];
        for i in 0..1_000_000 {
            let x = -(i as f32) * if i % 2 == 0 { 0.000_087 } else { 0.016_384 };
            let y = exp(l, [x; LANES]);
            assert!((0.70..1.42).contains(&y.mantissa[0]), "{x}");
            let exact = (f64::from(x) - f64::from(y.exponent[0]) * std::f64::consts::LN_2).exp();
            let error = (f64::from(y.mantissa[0]) / exact - 1.0).abs();
            let which = usize::from(x < -87.0);
            worst[which] = worst[which].max(error);
        }
        assert!(worst[0] < 1e-7 && worst[1] < 4e-7, "{worst:?}");
    }

    #[test]
    fn what_is_deeper_than_the_deepest_counts_as_that() {
        let deepest = exp(Portable, [DEEPEST; LANES]);
        for x in [f32::MIN, f32::NEG_INFINITY, -1e6] {
            let y = exp(Portable, [x; LANES]);
            assert_eq!(y.exponent, deepest.exponent);
            assert_eq!(y.mantissa, deepest.mantissa);
        }
    }

    #[test]
    fn sums_and_products_keep_their_magnitude_far_outside_floats() {
        let l = Portable;
        let number = |mantissa, exponent| Scaled::<Portable> {
            mantissa: [mantissa; LANES],
            exponent: [exponent; LANES],
        };
        let sum = number(1.5, -100_000).plus(l, number(1.0, -100_001));
        let sum = sum
            .times(l, number(1.25, -1000))
            .rounded(l, [-1_000_000; LANES]);
        assert_eq!((sum.mantissa[0], sum.exponent[0]), (1.25, 899_001));
        let nothing = number(1.0, 0).plus(l, number(1.9, FLOOR));
        assert_eq!((nothing.mantissa[0], nothing.exponent[0]), (1.0, 0));
        let impossible = number(1.0, FLOOR).times(l, number(1.0, FLOOR));
        assert_eq!(impossible.rounded(l, [7; LANES]).exponent[0], FLOOR);
    }
}
