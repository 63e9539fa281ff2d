//! GELU and its quick form against f64.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use fondue_kernels::{Form, Machine, Matrix, Then};

use crate::drawn::{bits, fused, team};
use crate::products::product;

/// 1 − erf(x) for x ≥ 0: by its series where that is short, else by its continued fraction.
fn erfc(x: f64) -> f64 {
    if x < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        1.0 - 2.0 / PI.sqrt() * sum
    } else {
        let fraction = (1..=80).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
        (-x * x).exp() / PI.sqrt() / fraction
    }
}

fn gelu(x: f64) -> f64 {
    let above = 0.5 * erfc(x.abs() * FRAC_1_SQRT_2);
    x * if x < 0.0 { above } else { 1.0 - above }
}

fn quick(x: f64) -> f64 {
    x / (1.0 + (-1.702 * x).exp())
}

/// Each value through a matrix of a single 1.
fn activated(machine: Machine, then: Then, values: &[f32]) -> Vec<f32> {
    let matrix = Matrix::from_rows(1, 1, Form::F32, &[1.0]).unwrap();
    let rows: Vec<Vec<f32>> = values.iter().map(|value| vec![*value]).collect();
    product(&team(machine, 1), &matrix, &rows, then, 5.0).concat()
}

#[test]
fn the_oracle_knows_erf() {
    assert!((erfc(0.5) - 0.479_500_122_186_953_5).abs() < 1e-14);
    assert!((erfc(2.999_999) - erfc(3.0)).abs() < 1e-9);
    assert!((erfc(3.0) - 2.209_049_699_858_544e-5).abs() < 1e-16);
}

#[test]
fn gelus_are_those_of_f64() {
    let mut values: Vec<f32> = (-24_000..=24_000).map(|n| n as f32 / 1600.0).collect();
    values.extend([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 50.0, -50.0, 88.0, -88.0, 1e4, -1e4]);
    for (then, exact) in [(Then::Gelu, gelu as fn(f64) -> f64), (Then::QuickGelu, quick)] {
        let mut first = None;
        for machine in Machine::all() {
            let got = activated(machine, then, &values);
            for (x, got) in values.iter().zip(&got) {
                let off = (f64::from(*got) - exact(f64::from(*x))).abs();
                let allowed = 3e-7 * f64::from(x.abs());
                assert!(off <= allowed, "{} {then:?}({x}): {got}, off by {off}", machine.name());
            }
            let first = first.get_or_insert_with(|| got.clone());
            assert!(!fused(machine) || bits(&[got]) == bits(std::slice::from_ref(first)));
        }
    }
}

#[test]
fn far_out_they_are_the_value_or_nothing() {
    for machine in Machine::all() {
        for then in [Then::Gelu, Then::QuickGelu] {
            let got = activated(machine, then, &[1e4, -1e4, f32::MAX, f32::INFINITY]);
            assert_eq!(got[0], 1e4);
            assert!(got[1].abs() < 1e-30, "{} {then:?}: {}", machine.name(), got[1]);
            assert_eq!(got[2], f32::MAX);
        }
    }
}

#[test]
fn no_number_stays_none() {
    for machine in Machine::all() {
        for then in [Then::Set, Then::Relu, Then::Gelu, Then::QuickGelu, Then::Add] {
            assert!(activated(machine, then, &[f32::NAN])[0].is_nan(), "{} {then:?}", machine.name());
        }
    }
}
