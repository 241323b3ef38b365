//! The lanes on x86-64: one AVX-512 register, or a pair of AVX2 ones.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Lanes};

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
    /// Proof that the processor has AVX2 and FMA, or nothing.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs a kernel compiled with AVX2 and FMA.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel>(kernel: K, lanes: Avx2) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` exists, so `detect` found AVX2 and FMA on this processor.
        unsafe { compiled(kernel, self) }
    }
}

/// The methods of [`Lanes`], each one expression of intrinsics.
macro_rules! operations {
    ($($name:ident($($x:ident: $type:ty),*) $(-> $out:ty)? { $body:expr })*) => {
        $(
            #[inline(always)]
            fn $name(self, $($x: $type),*) $(-> $out)? {
                // SAFETY: `self` exists, so `detect` found the instructions on this processor.
                // Pointers come from references to arrays of the sixteen elements that are read
                // or written, by the unaligned forms of load and store; a pair of registers takes
                // eight from element 0 and eight from element 8.
                unsafe { $body }
            }
        )*
    };
}

type F512 = __m512;
type I512 = __m512i;

impl Lanes for Avx512 {
    type F = F512;
    type I = I512;

    operations! {
        splat(x: f32) -> F512 { _mm512_set1_ps(x) }
        splat_i(x: i32) -> I512 { _mm512_set1_epi32(x) }
        load(x: &[f32; LANES]) -> F512 { _mm512_loadu_ps(x.as_ptr()) }
        load_i(x: &[i32; LANES]) -> I512 { _mm512_loadu_epi32(x.as_ptr()) }
        prefetch(x: &[f32; LANES]) { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().cast()) }
        store(x: F512, to: &mut [f32; LANES]) { _mm512_storeu_ps(to.as_mut_ptr(), x) }
        store_i(x: I512, to: &mut [i32; LANES]) { _mm512_storeu_epi32(to.as_mut_ptr(), x) }
        add(a: F512, b: F512) -> F512 { _mm512_add_ps(a, b) }
        sub(a: F512, b: F512) -> F512 { _mm512_sub_ps(a, b) }
        mul(a: F512, b: F512) -> F512 { _mm512_mul_ps(a, b) }
        mul_add(a: F512, b: F512, c: F512) -> F512 { _mm512_fmadd_ps(a, b, c) }
        max(a: F512, b: F512) -> F512 { _mm512_max_ps(a, b) }
        bits(x: F512) -> I512 { _mm512_castps_si512(x) }
        float(x: I512) -> F512 { _mm512_castsi512_ps(x) }
        add_i(a: I512, b: I512) -> I512 { _mm512_add_epi32(a, b) }
        sub_i(a: I512, b: I512) -> I512 { _mm512_sub_epi32(a, b) }
        max_i(a: I512, b: I512) -> I512 { _mm512_max_epi32(a, b) }
        and_i(a: I512, b: I512) -> I512 { _mm512_and_si512(a, b) }
        or_i(a: I512, b: I512) -> I512 { _mm512_or_si512(a, b) }
        shift_up(x: I512) -> I512 { _mm512_slli_epi32::<23>(x) }
        shift_down(x: I512) -> I512 { _mm512_srli_epi32::<23>(x) }
    }
}

type F256 = [__m256; 2];
type I256 = [__m256i; 2];

impl Lanes for Avx2 {
    type F = F256;
    type I = I256;

    operations! {
        splat(x: f32) -> F256 { [_mm256_set1_ps(x); 2] }
        splat_i(x: i32) -> I256 { [_mm256_set1_epi32(x); 2] }
        load(x: &[f32; LANES]) -> F256 {
            [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))]
        }
        load_i(x: &[i32; LANES]) -> I256 {
            [
                _mm256_loadu_si256(x.as_ptr().cast()),
                _mm256_loadu_si256(x.as_ptr().add(8).cast()),
            ]
        }
        prefetch(x: &[f32; LANES]) { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().cast()) }
        store(x: F256, to: &mut [f32; LANES]) {{
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }}
        store_i(x: I256, to: &mut [i32; LANES]) {{
            _mm256_storeu_si256(to.as_mut_ptr().cast(), x[0]);
            _mm256_storeu_si256(to.as_mut_ptr().add(8).cast(), x[1]);
        }}
        add(a: F256, b: F256) -> F256 { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        sub(a: F256, b: F256) -> F256 { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
        mul(a: F256, b: F256) -> F256 { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
        mul_add(a: F256, b: F256, c: F256) -> F256 {
            [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
        }
        max(a: F256, b: F256) -> F256 { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
        bits(x: F256) -> I256 { [_mm256_castps_si256(x[0]), _mm256_castps_si256(x[1])] }
        float(x: I256) -> F256 { [_mm256_castsi256_ps(x[0]), _mm256_castsi256_ps(x[1])] }
        add_i(a: I256, b: I256) -> I256 {
            [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
        }
        sub_i(a: I256, b: I256) -> I256 {
            [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])]
        }
        max_i(a: I256, b: I256) -> I256 {
            [_mm256_max_epi32(a[0], b[0]), _mm256_max_epi32(a[1], b[1])]
        }
        and_i(a: I256, b: I256) -> I256 {
            [_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])]
        }
        or_i(a: I256, b: I256) -> I256 {
            [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])]
        }
        shift_up(x: I256) -> I256 { [_mm256_slli_epi32::<23>(x[0]), _mm256_slli_epi32::<23>(x[1])] }
        shift_down(x: I256) -> I256 {
            [_mm256_srli_epi32::<23>(x[0]), _mm256_srli_epi32::<23>(x[1])]
        }
    }
}
