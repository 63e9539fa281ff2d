//! Numbers drawn from a seed, and what tests say of numbers.

use fondue_kernels::{Machine, Team};

/// A stream of numbers (SplitMix64).
pub(crate) struct Drawn(u64);

impl Drawn {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From −1 to 1.
    pub(crate) fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }

    pub(crate) fn rows(&mut self, rows: usize, columns: usize) -> Vec<Vec<f32>> {
        (0..rows).map(|_| self.values(columns)).collect()
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for n in (1..all.len()).rev() {
            all.swap(n, self.bits() as usize % (n + 1));
        }
    }
}

/// A team of so many threads on this kind of machine.
pub(crate) fn team(machine: Machine, threads: usize) -> Team {
    Team::new(threads, machine).unwrap()
}

/// Whether two kinds of machine promise the same bits.
pub(crate) fn fused(machine: Machine) -> bool {
    machine.name() != "portable"
}

/// Bits, which tell −0 from 0 and are equal where there is no number.
pub(crate) fn bits(rows: &[Vec<f32>]) -> Vec<Vec<u32>> {
    rows.iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect()
}
