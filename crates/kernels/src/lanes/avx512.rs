//! One register of AVX-512.

use std::arch::x86_64::{__m256, __m512};

use pulp::{cast, x86::V4};

use super::{LANES, Lanes};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(pub(crate) V4);

impl Lanes for Avx512 {
    type V = __m512;
    const WIDE: bool = true;
    const GROUP: usize = 4;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        self.0.vectorize(work)
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        self.0.avx512f._mm512_set1_ps(value)
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> __m512 {
        cast(*values)
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES], v: __m512) {
        *values = cast(v);
    }
    #[inline(always)]
    fn load_bf16(self, bits: &[u16; LANES]) -> __m512 {
        let wide = self.0.avx512f._mm512_cvtepu16_epi32(cast(*bits));
        cast(self.0.avx512f._mm512_slli_epi32::<16>(wide))
    }
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> __m512 {
        self.0.avx512f._mm512_cvtph_ps(cast(*bits))
    }
    #[inline(always)]
    fn load_i8(self, values: &[i8; LANES]) -> __m512 {
        self.0.avx512f._mm512_cvtepi32_ps(self.0.avx512f._mm512_cvtepi8_epi32(cast(*values)))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_add_ps(a, b)
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_sub_ps(a, b)
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_mul_ps(a, b)
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_div_ps(a, b)
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.0.avx512f._mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_max_ps(a, b)
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        self.0.avx512f._mm512_min_ps(a, b)
    }
    #[inline(always)]
    fn round(self, v: __m512) -> __m512 {
        self.0.avx512f._mm512_roundscale_ps::<0>(v)
    }
    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        let f = self.0.avx512f;
        let biased = f._mm512_add_epi32(f._mm512_cvtps_epi32(n), f._mm512_set1_epi32(127));
        cast(f._mm512_slli_epi32::<23>(biased))
    }
    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        let [low, high]: [__m256; 2] = cast(v);
        super::avx2::sum(*self.0, self.0.avx._mm256_add_ps(low, high))
    }
    #[inline(always)]
    fn sums(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        let f = self.0.avx512f;
        // Halves of two, then quarters of four side by side; what is left lies within each quarter.
        let ab = f._mm512_add_ps(f._mm512_shuffle_f32x4::<0x44>(a, b), f._mm512_shuffle_f32x4::<0xee>(a, b));
        let cd = f._mm512_add_ps(f._mm512_shuffle_f32x4::<0x44>(c, d), f._mm512_shuffle_f32x4::<0xee>(c, d));
        let fours =
            f._mm512_add_ps(f._mm512_shuffle_f32x4::<0x88>(ab, cd), f._mm512_shuffle_f32x4::<0xdd>(ab, cd));
        let twos = f._mm512_add_ps(fours, f._mm512_permute_ps::<0x4e>(fours));
        let ones: [f32; LANES] = cast(f._mm512_add_ps(twos, f._mm512_permute_ps::<0xb1>(twos)));
        [ones[0], ones[4], ones[8], ones[12]]
    }
    #[inline(always)]
    fn largest(self, v: __m512) -> f32 {
        self.0.avx512f._mm512_reduce_max_ps(v)
    }
}
