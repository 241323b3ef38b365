//! Sixteen numbers at a time.
//!
//! The kernels of this room are written once, over [`Lanes`], and run on AVX-512, on AVX2, or on
//! any processor in [`Portable`] form, which is the safe twin. Every operation is one rounded IEEE
//! operation for each lane (no fused multiply-add) and every reduction has one fixed order, so all
//! forms give the same bytes; the tests compare them so.

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
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    fn store_i(self, x: Self::I, to: &mut [i32; LANES]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
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
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, LANES, Lanes};
    use std::arch::x86_64::*;

    /// One 512-bit register. Only [`Avx512::detect`] makes one.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512(());

    /// A pair of 256-bit registers. Only [`Avx2::detect`] makes one.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    impl Avx512 {
        /// Proof that the processor has AVX-512F, or nothing.
        pub fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx512f").then_some(Self(()))
        }

        /// Runs a kernel compiled with AVX-512.
        pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx512f")]
            fn compiled<K: Kernel>(kernel: K, lanes: Avx512) -> K::Output {
                kernel.run(lanes)
            }
            // SAFETY: `self` exists, so `detect` found AVX-512F on this processor.
            unsafe { compiled(kernel, self) }
        }
    }

    impl Avx2 {
        /// Proof that the processor has AVX2, or nothing.
        pub fn detect() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Self(()))
        }

        /// Runs a kernel compiled with AVX2.
        pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx2")]
            fn compiled<K: Kernel>(kernel: K, lanes: Avx2) -> K::Output {
                kernel.run(lanes)
            }
            // SAFETY: `self` exists, so `detect` found AVX2 on this processor.
            unsafe { compiled(kernel, self) }
        }
    }

    // SAFETY of every block below: `self` exists, so `detect` found AVX-512F; pointers come from
    // references to arrays of exactly the sixteen elements that are read or written, and the
    // unaligned forms of load and store are used.
    impl Lanes for Avx512 {
        type F = __m512;
        type I = __m512i;

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        fn splat_i(self, x: i32) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_set1_epi32(x) }
        }
        #[inline(always)]
        fn load(self, x: &[f32; LANES]) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_loadu_ps(x.as_ptr()) }
        }
        #[inline(always)]
        fn load_i(self, x: &[i32; LANES]) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_loadu_epi32(x.as_ptr()) }
        }
        #[inline(always)]
        fn store(self, x: __m512, to: &mut [f32; LANES]) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
        }
        #[inline(always)]
        fn store_i(self, x: __m512i, to: &mut [i32; LANES]) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_epi32(to.as_mut_ptr(), x) }
        }
        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        fn max(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        fn bits(self, x: __m512) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_castps_si512(x) }
        }
        #[inline(always)]
        fn float(self, x: __m512i) -> __m512 {
            // SAFETY: as above.
            unsafe { _mm512_castsi512_ps(x) }
        }
        #[inline(always)]
        fn add_i(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_add_epi32(a, b) }
        }
        #[inline(always)]
        fn sub_i(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_sub_epi32(a, b) }
        }
        #[inline(always)]
        fn max_i(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_max_epi32(a, b) }
        }
        #[inline(always)]
        fn and_i(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_and_si512(a, b) }
        }
        #[inline(always)]
        fn or_i(self, a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_or_si512(a, b) }
        }
        #[inline(always)]
        fn shift_up(self, x: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_slli_epi32::<23>(x) }
        }
        #[inline(always)]
        fn shift_down(self, x: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_srli_epi32::<23>(x) }
        }
    }

    /// `f` on both registers of a pair.
    macro_rules! both {
        ($f:ident, $a:expr) => {
            [$f($a[0]), $f($a[1])]
        };
        ($f:ident, $a:expr, $b:expr) => {
            [$f($a[0], $b[0]), $f($a[1], $b[1])]
        };
    }

    // SAFETY of every block below: `self` exists, so `detect` found AVX2; pointers come from
    // references to arrays of exactly the sixteen elements that are read or written, eight from
    // element 0 and eight from element 8, and the unaligned forms of load and store are used.
    impl Lanes for Avx2 {
        type F = [__m256; 2];
        type I = [__m256i; 2];

        #[inline(always)]
        fn splat(self, x: f32) -> Self::F {
            // SAFETY: as above.
            unsafe { [_mm256_set1_ps(x); 2] }
        }
        #[inline(always)]
        fn splat_i(self, x: i32) -> Self::I {
            // SAFETY: as above.
            unsafe { [_mm256_set1_epi32(x); 2] }
        }
        #[inline(always)]
        fn load(self, x: &[f32; LANES]) -> Self::F {
            let p = x.as_ptr();
            // SAFETY: as above.
            unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))] }
        }
        #[inline(always)]
        fn load_i(self, x: &[i32; LANES]) -> Self::I {
            let p = x.as_ptr().cast::<__m256i>();
            // SAFETY: as above.
            unsafe { [_mm256_loadu_si256(p), _mm256_loadu_si256(p.add(1))] }
        }
        #[inline(always)]
        fn store(self, x: Self::F, to: &mut [f32; LANES]) {
            let p = to.as_mut_ptr();
            // SAFETY: as above.
            unsafe {
                _mm256_storeu_ps(p, x[0]);
                _mm256_storeu_ps(p.add(8), x[1]);
            }
        }
        #[inline(always)]
        fn store_i(self, x: Self::I, to: &mut [i32; LANES]) {
            let p = to.as_mut_ptr().cast::<__m256i>();
            // SAFETY: as above.
            unsafe {
                _mm256_storeu_si256(p, x[0]);
                _mm256_storeu_si256(p.add(1), x[1]);
            }
        }
        #[inline(always)]
        fn add(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: as above.
            unsafe { both!(_mm256_add_ps, a, b) }
        }
        #[inline(always)]
        fn sub(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: as above.
            unsafe { both!(_mm256_sub_ps, a, b) }
        }
        #[inline(always)]
        fn mul(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: as above.
            unsafe { both!(_mm256_mul_ps, a, b) }
        }
        #[inline(always)]
        fn max(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: as above.
            unsafe { both!(_mm256_max_ps, a, b) }
        }
        #[inline(always)]
        fn bits(self, x: Self::F) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_castps_si256, x) }
        }
        #[inline(always)]
        fn float(self, x: Self::I) -> Self::F {
            // SAFETY: as above.
            unsafe { both!(_mm256_castsi256_ps, x) }
        }
        #[inline(always)]
        fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_add_epi32, a, b) }
        }
        #[inline(always)]
        fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_sub_epi32, a, b) }
        }
        #[inline(always)]
        fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_max_epi32, a, b) }
        }
        #[inline(always)]
        fn and_i(self, a: Self::I, b: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_and_si256, a, b) }
        }
        #[inline(always)]
        fn or_i(self, a: Self::I, b: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { both!(_mm256_or_si256, a, b) }
        }
        #[inline(always)]
        fn shift_up(self, x: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { [_mm256_slli_epi32::<23>(x[0]), _mm256_slli_epi32::<23>(x[1])] }
        }
        #[inline(always)]
        fn shift_down(self, x: Self::I) -> Self::I {
            // SAFETY: as above.
            unsafe { [_mm256_srli_epi32::<23>(x[0]), _mm256_srli_epi32::<23>(x[1])] }
        }
    }
}
