//! Vectors of sixteen floats.

use std::arch::x86_64::*;

use super::super::gemm::{amx::Amx, avx512::Avx512, bf16::Bf16};
use super::Cell;
use super::cells::{Cells, LstmFrame, cells};

type V = __m512;
type M = __mmask16;
const LANES: usize = 16;

fn mask(count: usize) -> M {
    if count >= LANES {
        M::MAX
    } else {
        (1 << count) - 1
    }
}

/// # Safety
/// AVX-512F; `from` reaches the lanes of `m`, all sixteen if `WHOLE`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load<const WHOLE: bool>(from: *const f32, m: M) -> V {
    // SAFETY: the caller's.
    unsafe {
        match WHOLE {
            true => _mm512_loadu_ps(from),
            false => _mm512_maskz_loadu_ps(m, from),
        }
    }
}

/// # Safety
/// AVX-512F; `to` reaches the lanes of `m`, all sixteen if `WHOLE`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store<const WHOLE: bool>(to: *mut f32, m: M, x: V) {
    // SAFETY: the caller's.
    unsafe {
        match WHOLE {
            true => _mm512_storeu_ps(to, x),
            false => _mm512_mask_storeu_ps(to, m, x),
        }
    }
}

macro_rules! operations {
    ($($name:ident($($argument:ident),*) = $body:expr;)*) => {
        $(#[target_feature(enable = "avx512f")]
        #[inline]
        fn $name($($argument: V),*) -> V {
            $body
        })*
    };
}

operations! {
    add(a, b) = _mm512_add_ps(a, b);
    sub(a, b) = _mm512_sub_ps(a, b);
    mul(a, b) = _mm512_mul_ps(a, b);
    div(a, b) = _mm512_div_ps(a, b);
    min(a, b) = _mm512_min_ps(a, b);
    max(a, b) = _mm512_max_ps(a, b);
    fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
    fnma(a, b, c) = _mm512_fnmadd_ps(a, b, c);
    round(a) = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
    scale(a, n) = _mm512_scalef_ps(a, n);
    positive(a, b) = {
        let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(b, _mm512_setzero_ps());
        _mm512_maskz_mov_ps(above, a)
    };
}

#[target_feature(enable = "avx512f")]
#[inline]
fn splat(x: f32) -> V {
    _mm512_set1_ps(x)
}

cells!("avx512f", Avx512, Bf16, Amx);
