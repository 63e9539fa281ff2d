//! Scores beside sums in f64, and their bits in any company.

use half::f16;
use proptest::prelude::*;

use super::*;

/// Numbers of −1 … 1, the same for the same seed.
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// The rows as all forms hold them, each with what it stands for.
struct Forms {
    f32s: Vec<f32>,
    bits: Vec<u16>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl Forms {
    fn new(seed: u64, rows: usize, dim: usize) -> Self {
        let f32s = numbers(seed, rows * dim);
        let bits = f32s.iter().map(|value| f16::from_f32(*value).to_bits()).collect();
        let codes = f32s.iter().map(|value| (value * 127.0) as i8).collect();
        Self { f32s, bits, codes, scales: numbers(seed + 1, rows) }
    }

    fn all(&self, dim: usize) -> [(Stored<'_>, Vec<f64>); 3] {
        let scaled = |(n, code): (usize, &i8)| f64::from(*code) * f64::from(self.scales[n / dim]);
        [
            (Stored::F32(&self.f32s), self.f32s.iter().map(|value| f64::from(*value)).collect()),
            (Stored::F16(&self.bits), self.bits.iter().map(|bits| f16::from_bits(*bits).to_f64()).collect()),
            (
                Stored::Int8 { codes: &self.codes, scales: &self.scales },
                self.codes.iter().enumerate().map(scaled).collect(),
            ),
        ]
    }
}

fn check(seed: u64, n_rows: usize, dim: usize, n_queries: usize) {
    let forms = Forms::new(seed, n_rows, dim);
    let queries: Vec<Query> =
        (0..n_queries).map(|q| Query::new(&numbers(seed + 2 + q as u64, dim)).unwrap()).collect();
    let queries: Vec<&Query> = queries.iter().collect();
    for machine in Machine::all() {
        for (rows, values) in forms.all(dim) {
            let mut out = vec![f32::NAN; n_queries * n_rows];
            dots(machine, rows, &queries, &mut out);
            let picks: Vec<u32> = (0..n_rows as u32).rev().filter(|row| row % 3 != 1).collect();
            for (q, query) in queries.iter().enumerate() {
                let out = &out[q * n_rows..][..n_rows];
                for (row, score) in values.chunks_exact(dim).zip(out) {
                    let of = |(a, b): (&f64, &f32)| a * f64::from(*b);
                    let expected: f64 = row.iter().zip(query.values()).map(of).sum();
                    let size: f64 = row.iter().zip(query.values()).map(|pair| of(pair).abs()).sum();
                    let off = (f64::from(*score) - expected).abs();
                    assert!(
                        off <= 1e-6 * size + 1e-12,
                        "{} {rows:.0?}: {score}, not {expected}",
                        machine.name()
                    );
                }
                let mut alone = vec![f32::NAN; n_rows];
                dots(machine, rows, &[query], &mut alone);
                assert_eq!(bits(&alone), bits(out), "alone");
                let mut some = vec![f32::NAN; picks.len()];
                dots_of(machine, rows, &picks, query, &mut some);
                let expected: Vec<f32> = picks.iter().map(|row| out[*row as usize]).collect();
                assert_eq!(bits(&some), bits(&expected), "picked");
            }
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn scores_are_those_of_f64_in_any_company(
        seed in 0u64..1 << 40, rows in 0usize..40, dim in 1usize..300, queries in 1usize..=17,
    ) {
        check(seed, rows, dim, queries);
    }
}

#[test]
fn every_rest_of_rows_lengths_and_queries_is_taken() {
    for rows in 0..18 {
        check(rows as u64, rows, 1 + rows * 2, 1 + rows % 7);
    }
    for dim in [1, 2, 15, 16, 17, 31, 32, 33, 48, 255, 256, 257] {
        check(dim as u64, 9, dim, 5);
    }
}

#[test]
fn no_query_is_no_score() {
    for machine in Machine::all() {
        dots(machine, Stored::F32(&[1.0]), &[], &mut []);
        dots_of(machine, Stored::F32(&[1.0]), &[], &Query::new(&[1.0]).unwrap(), &mut []);
    }
}

/// Two machines with a fused multiply-add give the same bits.
#[test]
fn machines_agree() {
    let (rows, dim) = (13, 77);
    let forms = Forms::new(5, rows, dim);
    let query = Query::new(&numbers(6, dim)).unwrap();
    for (stored, _) in forms.all(dim) {
        let scores =
            Machine::all().into_iter().filter(|machine| machine.name() != "portable").map(|machine| {
                let mut out = vec![0.0; rows];
                dots(machine, stored, &[&query], &mut out);
                bits(&out)
            });
        let scores: Vec<_> = scores.collect();
        assert!(scores.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
