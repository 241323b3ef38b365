//! Vectors of eight floats.

use std::arch::x86_64::*;

use super::super::gemm::avx2::Avx2;
use super::Cell;
use super::cells::{Cells, LstmFrame, cells};

type V = __m256;
/// The first so many lanes.
type M = usize;
const LANES: usize = 8;

fn mask(count: usize) -> M {
    count.min(LANES)
}

/// All bits of the first `m` lanes.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn bits(m: M) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(m as i32), lanes)
}

/// # Safety
/// AVX2; `from` reaches the lanes of `m`, all eight if `WHOLE`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn load<const WHOLE: bool>(from: *const f32, m: M) -> V {
    // SAFETY: the caller's.
    unsafe {
        match WHOLE {
            true => _mm256_loadu_ps(from),
            false => _mm256_maskload_ps(from, bits(m)),
        }
    }
}

/// # Safety
/// AVX2; `to` reaches the lanes of `m`, all eight if `WHOLE`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn store<const WHOLE: bool>(to: *mut f32, m: M, x: V) {
    // SAFETY: the caller's.
    unsafe {
        match WHOLE {
            true => _mm256_storeu_ps(to, x),
            false => _mm256_maskstore_ps(to, bits(m), x),
        }
    }
}

macro_rules! operations {
    ($($name:ident($($argument:ident),*) = $body:expr;)*) => {
        $(#[target_feature(enable = "avx2,fma")]
        #[inline]
        fn $name($($argument: V),*) -> V {
            $body
        })*
    };
}

operations! {
    add(a, b) = _mm256_add_ps(a, b);
    sub(a, b) = _mm256_sub_ps(a, b);
    mul(a, b) = _mm256_mul_ps(a, b);
    div(a, b) = _mm256_div_ps(a, b);
    min(a, b) = _mm256_min_ps(a, b);
    max(a, b) = _mm256_max_ps(a, b);
    fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
    fnma(a, b, c) = _mm256_fnmadd_ps(a, b, c);
    round(a) = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
    // `n` is whole and within ±126, so that the exponent stays that of a normal number.
    scale(a, n) = {
        let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        mul(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
    };
    positive(a, b) = _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(b, _mm256_setzero_ps()));
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn splat(x: f32) -> V {
    _mm256_set1_ps(x)
}

cells!("avx2,fma", Avx2);
