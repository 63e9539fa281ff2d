//! Sixteen f32 lanes, the same on every machine: one AVX-512 register, two AVX2 registers, or an array.
//!
//! All kernels are written once over [`Lanes`]. Sums run over the same lanes in the same order everywhere, so that AVX-512
//! and AVX2 give the same bits; only the fallback differs, where it has no fused multiply-add.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

pub(crate) use self::portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use self::{avx2::Avx2, avx512::Avx512};

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// A kind of machine; a value of it proves that this machine is of that kind.
pub(crate) trait Lanes: Copy {
    /// Sixteen f32.
    type V: Copy;
    /// Whether there are 32 registers for vectors, or as good as 8.
    const WIDE: bool;
    /// Rows that share the loads of a product.
    const GROUP: usize;

    /// Runs code with the machine's instructions; all kernels are inlined into such a call.
    fn run<R>(self, work: impl FnOnce() -> R) -> R;

    fn splat(self, value: f32) -> Self::V;
    fn load(self, values: &[f32; LANES]) -> Self::V;
    fn store(self, values: &mut [f32; LANES], v: Self::V);
    /// bfloat16 bits.
    fn load_bf16(self, bits: &[u16; LANES]) -> Self::V;
    /// IEEE half bits of finite numbers.
    fn load_f16(self, bits: &[u16; LANES]) -> Self::V;
    fn load_i8(self, values: &[i8; LANES]) -> Self::V;

    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The second where one is no number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The second where one is no number.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest whole number, ties to even.
    fn round(self, v: Self::V) -> Self::V;
    /// 2ⁿ for whole n from −126 to 127, and 0 for −127.
    fn pow2(self, n: Self::V) -> Self::V;
    /// Halves are added until one number is left.
    fn sum(self, v: Self::V) -> f32;
    /// Four sums at once, with the bits of [`Lanes::sum`].
    #[inline(always)]
    fn sums(self, [a, b, c, d]: [Self::V; 4]) -> [f32; 4] {
        [self.sum(a), self.sum(b), self.sum(c), self.sum(d)]
    }
    fn largest(self, v: Self::V) -> f32;

    fn zero(self) -> Self::V {
        self.splat(0.0)
    }

    /// eˣ for x ≤ 88, 0 below about −87.7; relative error below 2⁻²².
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        // What is below becomes 2⁻¹²⁷ times something, for which `pow2` has 0. What is no number stays that.
        let x = self.max(self.splat(-88.0), x);
        let n = self.round(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, the first of few bits, so that n times it is exact.
        let r = self.fma(n, self.splat(-0.693_359_4), x);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let mut p = self.splat(1.0 / 5040.0);
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = self.fma(p, r, self.splat(c));
        }
        self.mul(p, self.pow2(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Machine, machine::on};

    fn exp(machine: Machine, x: f32) -> f32 {
        let mut row = [x; LANES];
        on!(machine, lanes => {
            let power = lanes.exp(lanes.load(&row));
            lanes.store(&mut row, power);
        });
        row[LANES - 1]
    }

    #[test]
    fn exponentials_are_those_of_f64() {
        for machine in Machine::all() {
            for n in -87_400..=88_000 {
                let x = n as f32 / 1000.0;
                let expected = f64::from(x).exp();
                let relative = (f64::from(exp(machine, x)) - expected).abs() / expected;
                assert!(relative < 2f64.powi(-22), "{}: e^{x} is off by {relative}", machine.name());
            }
            assert_eq!(exp(machine, 0.0), 1.0);
            for x in [-87.8, -88.0, -1e4, f32::MIN, f32::NEG_INFINITY] {
                assert_eq!(exp(machine, x).to_bits(), 0, "{}: e^{x}", machine.name());
            }
            assert!(exp(machine, f32::NAN).is_nan());
        }
    }

    #[test]
    fn sums_and_largest_take_every_lane() {
        for machine in Machine::all() {
            let mut row: [f32; LANES] = std::array::from_fn(|n| (1 << n) as f32);
            on!(machine, lanes => {
                assert_eq!(lanes.sum(lanes.load(&row)), 65_535.0);
                let rows: [[f32; LANES]; 4] =
                    std::array::from_fn(|r| std::array::from_fn(|n| ((r * LANES + n) as f32).sin()));
                let loaded = rows.map(|row| lanes.load(&row));
                assert_eq!(lanes.sums(loaded).map(f32::to_bits), loaded.map(|v| lanes.sum(v).to_bits()));
                for n in 0..LANES {
                    row = [-5.0; LANES];
                    row[n] = -4.0;
                    assert_eq!(lanes.largest(lanes.load(&row)), -4.0);
                }
            });
        }
    }
}
