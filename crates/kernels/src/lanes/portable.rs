//! An array of sixteen, for machines without AVX2. The compiler makes of it what the target always has (NEON on aarch64, SSE2
//! on x86-64).

use half::f16;

use super::{LANES, Lanes};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Portable {
    #[inline(always)]
    fn each(self, a: [f32; LANES], b: [f32; LANES], each: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
        std::array::from_fn(
            #[inline(always)]
            |n| each(a[n], b[n]),
        )
    }
}

impl Lanes for Portable {
    type V = [f32; LANES];
    const WIDE: bool = false;
    const GROUP: usize = 3;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::V {
        *values
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES], v: Self::V) {
        *values = v;
    }
    #[inline(always)]
    fn load_bf16(self, bits: &[u16; LANES]) -> Self::V {
        bits.map(
            #[inline(always)]
            |bits| f32::from_bits(u32::from(bits) << 16),
        )
    }
    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Self::V {
        bits.map(
            #[inline(always)]
            |bits| f16::from_bits(bits).to_f32(),
        )
    }
    #[inline(always)]
    fn load_i8(self, values: &[i8; LANES]) -> Self::V {
        values.map(f32::from)
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(
            #[inline(always)]
            |n| {
                // Where the machine has no such instruction, a library call would take its place.
                if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                    a[n].mul_add(b[n], c[n])
                } else {
                    a[n] * b[n] + c[n]
                }
            },
        )
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn round(self, v: Self::V) -> Self::V {
        v.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn pow2(self, n: Self::V) -> Self::V {
        n.map(
            #[inline(always)]
            |n| f32::from_bits(((n as i32 + 127) as u32) << 23),
        )
    }
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        let mut v = v;
        for half in [8, 4, 2, 1] {
            for n in 0..half {
                v[n] += v[n + half];
            }
        }
        v[0]
    }
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
