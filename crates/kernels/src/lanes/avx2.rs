//! Two registers of AVX2.

use std::arch::x86_64::{__m128, __m128i, __m256, __m256i};

use pulp::{cast, x86::V3};

use super::{LANES, Lanes};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(crate) V3);

impl Avx2 {
    #[inline(always)]
    fn both(self, a: [__m256; 2], b: [__m256; 2], each: impl Fn(__m256, __m256) -> __m256) -> [__m256; 2] {
        [each(a[0], b[0]), each(a[1], b[1])]
    }

    #[inline(always)]
    fn bits_to_f32(self, bits: [__m128i; 2], each: impl Fn(__m256i) -> __m256) -> [__m256; 2] {
        // Not `map`, whose loop is not always inlined; what is not has not the machine's instructions.
        let avx2 = self.0.avx2;
        [each(avx2._mm256_cvtepu16_epi32(bits[0])), each(avx2._mm256_cvtepu16_epi32(bits[1]))]
    }
}

impl Lanes for Avx2 {
    type V = [__m256; 2];
    const WIDE: bool = false;
    const GROUP: usize = 3;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        self.0.vectorize(work)
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [self.0.avx._mm256_set1_ps(value); 2]
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::V {
        cast(*values)
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES], v: Self::V) {
        *values = cast(v);
    }
    #[inline(always)]
    fn load_bf16(self, bits: &[u16; LANES]) -> Self::V {
        self.bits_to_f32(
            cast(*bits),
            #[inline(always)]
            |wide| cast(self.0.avx2._mm256_slli_epi32::<16>(wide)),
        )
    }
    /// By whole numbers, since not every machine with AVX2 says that it has F16C: the exponent is corrected by a product,
    /// which is exact, subnormal halves included.
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Self::V {
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        self.bits_to_f32(
            cast(*bits),
            #[inline(always)]
            |wide| {
                let value = avx2._mm256_and_si256(wide, avx._mm256_set1_epi32(0x7fff));
                let value: __m256 = cast(avx2._mm256_slli_epi32::<13>(value));
                let value = avx._mm256_mul_ps(value, avx._mm256_set1_ps(f32::from_bits((254 - 15) << 23)));
                let sign = avx2._mm256_and_si256(wide, avx._mm256_set1_epi32(0x8000));
                avx._mm256_or_ps(value, cast(avx2._mm256_slli_epi32::<16>(sign)))
            },
        )
    }
    #[inline(always)]
    fn load_i8(self, values: &[i8; LANES]) -> Self::V {
        let [low, high]: [u64; 2] = cast(*values);
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        let (low, high) =
            (avx2._mm256_cvtepi8_epi32(cast([low, 0])), avx2._mm256_cvtepi8_epi32(cast([high, 0])));
        [avx._mm256_cvtepi32_ps(low), avx._mm256_cvtepi32_ps(high)]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_add_ps(a, b),
        )
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_sub_ps(a, b),
        )
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_mul_ps(a, b),
        )
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_div_ps(a, b),
        )
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.0.fma._mm256_fmadd_ps(a[0], b[0], c[0]), self.0.fma._mm256_fmadd_ps(a[1], b[1], c[1])]
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_max_ps(a, b),
        )
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.both(
            a,
            b,
            #[inline(always)]
            |a, b| self.0.avx._mm256_min_ps(a, b),
        )
    }
    #[inline(always)]
    fn round(self, v: Self::V) -> Self::V {
        v.map(
            #[inline(always)]
            |half| self.0.avx._mm256_round_ps::<0>(half),
        )
    }
    #[inline(always)]
    fn pow2(self, n: Self::V) -> Self::V {
        n.map(
            #[inline(always)]
            |half| {
                let n = self.0.avx._mm256_cvtps_epi32(half);
                let biased = self.0.avx2._mm256_add_epi32(n, self.0.avx._mm256_set1_epi32(127));
                cast(self.0.avx2._mm256_slli_epi32::<23>(biased))
            },
        )
    }
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        sum(self.0, self.0.avx._mm256_add_ps(v[0], v[1]))
    }
    #[inline(always)]
    fn sums(self, [a, b, c, d]: [Self::V; 4]) -> [f32; 4] {
        let avx = self.0.avx;
        let (a, b) = (avx._mm256_add_ps(a[0], a[1]), avx._mm256_add_ps(b[0], b[1]));
        let (c, d) = (avx._mm256_add_ps(c[0], c[1]), avx._mm256_add_ps(d[0], d[1]));
        // Halves of two, then quarters of four side by side.
        let ab = avx._mm256_add_ps(
            avx._mm256_permute2f128_ps::<0x20>(a, b),
            avx._mm256_permute2f128_ps::<0x31>(a, b),
        );
        let cd = avx._mm256_add_ps(
            avx._mm256_permute2f128_ps::<0x20>(c, d),
            avx._mm256_permute2f128_ps::<0x31>(c, d),
        );
        let twos =
            avx._mm256_add_ps(avx._mm256_shuffle_ps::<0x44>(ab, cd), avx._mm256_shuffle_ps::<0xee>(ab, cd));
        let ones: [f32; 8] = cast(avx._mm256_add_ps(twos, avx._mm256_permute_ps::<0xb1>(twos)));
        [ones[0], ones[4], ones[2], ones[6]]
    }
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        let lanes: [f32; LANES] = cast(v);
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Sum of eight lanes: halves are added until one is left.
#[inline(always)]
pub(super) fn sum(simd: V3, v: __m256) -> f32 {
    let [low, high]: [__m128; 2] = cast(v);
    let four = simd.sse._mm_add_ps(low, high);
    let two = simd.sse._mm_add_ps(four, simd.sse._mm_movehl_ps(four, four));
    let one = simd.sse._mm_add_ss(two, simd.sse._mm_shuffle_ps::<1>(two, two));
    simd.sse._mm_cvtss_f32(one)
}
