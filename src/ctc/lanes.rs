//! Sixteen numbers at a time.
//!
//! The kernels of this room are written once, over [`Lanes`], and run on AVX-512, on AVX2, or on
//! any processor in [`Portable`] form, which is the safe twin. Every operation is one rounded IEEE
//! operation for each lane and every reduction has one fixed order, so all forms give the same
//! bytes; the tests compare them so.

#[cfg(target_arch = "x86_64")]
mod x86;

/// Lanes of every form.
pub(super) const LANES: usize = 16;

/// The smallest multiple of [`LANES`] that holds `n`.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// Sixteen `f32` (`F`) or `i32` (`I`) and what the kernels do with them. A value of the
/// implementing type is the proof that the processor has the instructions.
pub(super) trait Lanes: Copy {
    type F: Copy;
    type I: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn splat_i(self, x: i32) -> Self::I;
    fn load(self, x: &[f32; LANES]) -> Self::F;
    fn load_i(self, x: &[i32; LANES]) -> Self::I;
    /// Asks for what is not there to be brought near; changes nothing.
    fn prefetch(self, x: &[f32; LANES]);
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    fn store_i(self, x: Self::I, to: &mut [i32; LANES]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger one; `b` where they are equal or one is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The bits of the floats.
    fn bits(self, x: Self::F) -> Self::I;
    /// Floats from their bits.
    fn float(self, x: Self::I) -> Self::F;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn and_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn or_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// `x · 2^23`: an integer into the exponent field of a float.
    fn shift_up(self, x: Self::I) -> Self::I;
    /// `⌊x / 2^23⌋`: the exponent field of a float whose sign bit is clear.
    fn shift_down(self, x: Self::I) -> Self::I;

    /// The sum of the lanes, halves added to each other until one is left.
    #[inline(always)]
    fn total(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    }

    /// The largest lane.
    #[inline(always)]
    fn peak(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        lanes
            .into_iter()
            .fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
    }

    /// The largest lane.
    #[inline(always)]
    fn peak_i(self, x: Self::I) -> i32 {
        let mut lanes = [0; LANES];
        self.store_i(x, &mut lanes);
        lanes.into_iter().fold(i32::MIN, i32::max)
    }
}

/// The sixteen elements of a slice from `at` on.
#[inline(always)]
pub(super) fn lanes<T>(x: &[T], at: usize) -> &[T; LANES] {
    x[at..].first_chunk().expect("padded to whole lanes")
}

/// The sixteen elements of a slice from `at` on.
#[inline(always)]
pub(super) fn lanes_mut<T>(x: &mut [T], at: usize) -> &mut [T; LANES] {
    x[at..].first_chunk_mut().expect("padded to whole lanes")
}

/// Work that is written over [`Lanes`]. Implementations mark `run` `#[inline(always)]`, so that
/// it is compiled with the instructions of the form that runs it.
pub(super) trait Kernel {
    type Output;
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// A form of the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Portable,
    Avx2,
    Avx512,
}

impl Form {
    /// The widest form that this processor has.
    pub fn best() -> Self {
        *Self::available().last().unwrap_or(&Self::Portable)
    }

    /// The forms that this processor has, narrowest first.
    pub fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        if x86::Avx512::detect().is_some() && x86::Avx2::detect().is_some() {
            return &[Self::Portable, Self::Avx2, Self::Avx512];
        } else if x86::Avx2::detect().is_some() {
            return &[Self::Portable, Self::Avx2];
        }
        &[Self::Portable]
    }

    /// Runs a kernel in this form, or in portable form where the processor lacks it.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                if let Some(avx512) = x86::Avx512::detect() {
                    return avx512.run(kernel);
                }
            }
            Self::Avx2 => {
                if let Some(avx2) = x86::Avx2::detect() {
                    return avx2.run(kernel);
                }
            }
            Self::Portable => {}
        }
        kernel.run(Portable)
    }
}

/// Arrays, for any processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn zip<T: Copy>(a: [T; LANES], b: [T; LANES], f: impl Fn(T, T) -> T) -> [T; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Self::F {
        *x
    }
    #[inline(always)]
    fn prefetch(self, _: &[f32; LANES]) {}
    #[inline(always)]
    fn load_i(self, x: &[i32; LANES]) -> Self::I {
        *x
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }
    #[inline(always)]
    fn store_i(self, x: Self::I, to: &mut [i32; LANES]) {
        *to = x;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn bits(self, x: Self::F) -> Self::I {
        x.map(|x| x.to_bits() as i32)
    }
    #[inline(always)]
    fn float(self, x: Self::I) -> Self::F {
        x.map(|x| f32::from_bits(x as u32))
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::max)
    }
    #[inline(always)]
    fn and_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn shift_up(self, x: Self::I) -> Self::I {
        x.map(|x| x << 23)
    }
    #[inline(always)]
    fn shift_down(self, x: Self::I) -> Self::I {
        x.map(|x| ((x as u32) >> 23) as i32)
    }
}
