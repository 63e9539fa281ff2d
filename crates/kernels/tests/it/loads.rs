//! Every stored number counts for what it is.

use fondue_kernels::{Form, Machine, Matrix, Then};
use half::{bf16, f16};

use crate::{drawn::team, products::product};

/// Each value alone: one output for each, times 1.
fn alone(machine: Machine, form: Form, values: &[f32]) -> Vec<f32> {
    let matrix = Matrix::from_rows(values.len(), 1, form, values).unwrap();
    product(&team(machine, 1), &matrix, &[vec![1.0]], Then::Set, 0.0).remove(0)
}

/// Sixteen finite values for each output, one to a lane, taken out by unit vectors; then each in another lane.
fn by_lane(machine: Machine, form: Form, values: &[f32]) {
    assert!(values.len().is_multiple_of(16));
    let units: Vec<Vec<f32>> =
        (0..16).map(|lane| (0..16).map(|n| f32::from(u8::from(n == lane))).collect()).collect();
    for turn in [0, 5] {
        let mut turned = values.to_vec();
        turned.rotate_left(turn);
        let matrix = Matrix::from_rows(turned.len() / 16, 16, form, &turned).unwrap();
        let got = product(&team(machine, 1), &matrix, &units, Then::Set, 0.0);
        for (n, value) in turned.iter().enumerate() {
            assert_eq!(got[n % 16][n / 16], *value, "{} {form:?}", machine.name());
        }
    }
}

#[test]
fn every_finite_half_is_exact() {
    let all = (0..=u16::MAX).map(f16::from_bits).filter(|value| value.is_finite());
    let all: Vec<f32> = all.map(f16::to_f32).collect();
    assert_eq!(all.len(), 2 * 31 * 1024);
    for machine in Machine::all() {
        assert_eq!(alone(machine, Form::F16, &all), all, "{}", machine.name());
        by_lane(machine, Form::F16, &all);
    }
}

#[test]
fn every_bfloat_is_exact() {
    let all: Vec<f32> = (0..=u16::MAX).map(|bits| bf16::from_bits(bits).to_f32()).collect();
    let finite: Vec<f32> = all.iter().copied().filter(|value| value.is_finite()).collect();
    for machine in Machine::all() {
        for (got, value) in alone(machine, Form::Bf16, &all).iter().zip(&all) {
            assert!(got == value || got.is_nan() && value.is_nan(), "{}: {got} {value}", machine.name());
        }
        by_lane(machine, Form::Bf16, &finite);
    }
}

#[test]
fn every_int8_is_exact() {
    let all: Vec<f32> = (-127..=127).map(|n| n as f32).collect();
    // In each row a 127, so that the scale is 1.
    let rows: Vec<f32> = all.iter().flat_map(|value| [127.0, *value]).collect();
    let matrix = Matrix::from_rows(all.len(), 2, Form::Int8, &rows).unwrap();
    for machine in Machine::all() {
        let got = product(&team(machine, 1), &matrix, &[vec![0.0, 1.0]], Then::Set, 0.0).remove(0);
        assert_eq!(got, all, "{}", machine.name());
    }
}
