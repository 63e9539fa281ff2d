//! Norms against f64, and what they leave behind a row.

use fondue_kernels::{Buffers, Form, Machine, Matrix, Norm, Op, Then};

use crate::drawn::{Drawn, bits, fused, team};

const EPS: f32 = 1e-5;

fn normed(machine: Machine, threads: usize, norm: &Norm, x: &[Vec<f32>], in_place: bool) -> Vec<Vec<f32>> {
    let mut buffers = Buffers::new(&[norm.width(), norm.width()]);
    buffers.set_rows(x.len()).unwrap();
    x.iter().enumerate().for_each(|(n, x)| buffers.row_mut(0, n).copy_from_slice(x));
    let to = usize::from(!in_place);
    team(machine, threads).pass(&mut buffers, None, &[Op::Norm { from: 0, to, norm }]).unwrap();
    if !in_place {
        (0..x.len()).for_each(|n| assert_eq!(buffers.row(0, n), x[n]));
    }
    (0..x.len()).map(|n| buffers.row(to, n).to_vec()).collect()
}

fn expect_norm(x: &[f32], weight: &[f32], bias: &[f32], got: &[f32], what: &str) {
    let (n, of) = (x.len() as f64, |x: &f32| f64::from(*x));
    let mean = x.iter().map(of).sum::<f64>() / n;
    let variance = x.iter().map(|x| (of(x) - mean).powi(2)).sum::<f64>() / n;
    let deviation = (variance + of(&EPS)).sqrt();
    for c in 0..x.len() {
        let expected = (of(&x[c]) - mean) / deviation * of(&weight[c]) + of(&bias[c]);
        // The mean is as exact as its size lets it be.
        let allowed = 2e-6 * (1.0 + (of(&x[c]) - mean).abs() / deviation) + 6e-7 * mean.abs() / deviation;
        let off = (of(&got[c]) - expected).abs();
        assert!(off <= allowed, "{what} {c}: {} for {expected}, off by {off}", got[c]);
    }
}

#[test]
fn norms_are_those_of_f64_in_place_and_not() {
    let mut drawn = Drawn::new(20);
    for width in [1, 5, 15, 16, 17, 100, 768, 1025] {
        let (weight, bias) = (drawn.values(width), drawn.values(width));
        let norm = Norm::new(&weight, &bias, EPS);
        let mut x = drawn.rows(9, width);
        x[1].fill(3.7); // no variance
        x[2].fill(0.0);
        x[3].iter_mut().for_each(|x| *x *= 1e-6); // less than ε
        x[4].iter_mut().for_each(|x| *x = 1000.0 + *x * 1e-2);
        x[5].iter_mut().for_each(|x| *x *= 1e6);
        let mut first: Option<Vec<Vec<f32>>> = None;
        for machine in Machine::all() {
            let what = format!("{} wide, {}", width, machine.name());
            let all = normed(machine, 1, &norm, &x, false);
            for (x, got) in x.iter().zip(&all) {
                expect_norm(x, &weight, &bias, got, &what);
            }
            for threads in [1, 2, 3] {
                assert_eq!(bits(&normed(machine, threads, &norm, &x, true)), bits(&all), "{what}");
            }
            for n in 0..x.len() {
                let alone = normed(machine, 2, &norm, &x[n..=n], false);
                assert_eq!(bits(&alone), bits(&all[n..=n]), "{what}, row {n}");
            }
            let first = first.get_or_insert_with(|| all.clone());
            assert!(!fused(machine) || bits(first) == bits(&all), "{what}");
        }
    }
}

/// A row without a number must not stay in the lanes behind its last column, where a later row's product would meet it.
#[test]
fn a_row_without_a_number_harms_no_later_row() {
    let mut drawn = Drawn::new(21);
    let (ones, zeros) = (vec![1.0; 21], vec![0.0; 21]);
    let matrix = Matrix::from_rows(8, 21, Form::F32, &drawn.values(8 * 21)).unwrap();
    let good = drawn.values(21);
    // Without ε, a row of one value divides 0 by 0.
    let norm = Norm::new(&ones, &zeros, 0.0);
    for machine in Machine::all() {
        for bad in [vec![f32::NAN; 21], vec![f32::INFINITY; 21], vec![1.0; 21], vec![f32::MAX; 21]] {
            let team = team(machine, 1);
            let mut buffers = Buffers::new(&[21, 21, 8]);
            buffers.set_rows(1).unwrap();
            let product = Op::Product { from: 1, to: 2, matrix: &matrix, then: Then::Set };
            buffers.row_mut(1, 0).copy_from_slice(&good);
            team.pass(&mut buffers, None, std::slice::from_ref(&product)).unwrap();
            let expected = buffers.row(2, 0).to_vec();
            buffers.row_mut(0, 0).copy_from_slice(&bad);
            team.pass(&mut buffers, None, &[Op::Norm { from: 0, to: 1, norm: &norm }]).unwrap();
            buffers.row_mut(1, 0).copy_from_slice(&good);
            team.pass(&mut buffers, None, &[product]).unwrap();
            assert_eq!(buffers.row(2, 0), expected, "{} after {}", machine.name(), bad[0]);
        }
    }
}
