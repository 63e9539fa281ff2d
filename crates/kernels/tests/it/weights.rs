//! Stored weights: rounding to int8, what reads back, and sizes that no memory has.

use fondue_kernels::{Form, Matrix};

use crate::{
    drawn::Drawn,
    products::{FORMS, matrix},
};

fn read(matrix: &Matrix, output: usize) -> Vec<f32> {
    let mut row = vec![f32::NAN; matrix.inputs()];
    matrix.row(output, &mut row);
    row
}

#[test]
fn int8_is_off_by_half_a_step_at_most() {
    let mut drawn = Drawn::new(10);
    let mut outlier = drawn.values(1030);
    outlier[1025] = -40.0;
    let tiny: Vec<f32> = drawn.values(1030).iter().map(|value| value * 1e-30).collect();
    let rows = [drawn.values(1030), vec![0.0; 1030], outlier, tiny, vec![-3.0; 1030]];
    let matrix = Matrix::from_rows(rows.len(), 1030, Form::Int8, &rows.concat()).unwrap();
    for (n, row) in rows.iter().enumerate() {
        let largest = row.iter().fold(0.0f32, |max, value| max.max(value.abs()));
        for (stored, value) in read(&matrix, n).iter().zip(row) {
            assert!((stored - value).abs() <= largest / 127.0 * 0.5001, "row {n}: {stored} for {value}");
        }
    }
    assert_eq!(read(&matrix, 1), rows[1]);
    assert!((read(&matrix, 2)[1025] + 40.0).abs() < 1e-4);
}

#[test]
fn weights_without_an_int8_scale_are_zero() {
    let rows = [[1e-44, -1e-44, 0.0], [1e-37, -1e-37, 1e-40]];
    let matrix = Matrix::from_rows(2, 3, Form::Int8, rows.as_flattened()).unwrap();
    assert_eq!([read(&matrix, 0), read(&matrix, 1)], [[0.0; 3], [0.0; 3]]);
}

#[test]
fn a_row_is_read_back_where_it_was_put() {
    let mut drawn = Drawn::new(11);
    for form in FORMS {
        for (outputs, inputs) in [(1, 1), (67, 1040), (130, 16), (5, 2100)] {
            // Exact in every form: steps of a 127th would not be in f16.
            let weights: Vec<f32> =
                (0..outputs * inputs).map(|_| (drawn.bits() % 255) as f32 - 127.0).collect();
            let mut matrix = Matrix::new(outputs, inputs, form).unwrap();
            assert!((0..outputs).all(|n| read(&matrix, n).iter().all(|weight| *weight == 0.0)));
            let mut order: Vec<usize> = (0..outputs).collect();
            drawn.shuffle(&mut order);
            let row = |n: usize| {
                let mut row = weights[n * inputs..][..inputs].to_vec();
                row[0] = 127.0; // an int8 scale of 1
                row
            };
            order.iter().for_each(|n| matrix.set_row(*n, &row(*n)));
            assert!((0..outputs).all(|n| read(&matrix, n) == row(n)), "{form:?} {outputs}x{inputs}");
        }
    }
}

#[test]
fn bytes_are_those_of_the_weights() {
    let bytes = FORMS.map(|form| Matrix::new(64, 160, form).unwrap().bytes());
    assert_eq!(bytes, [64 * 160 * 4, 64 * 160 * 2, 64 * 160 * 2, 64 * 160 + 64 * 4]);
    let matrix = matrix(&mut Drawn::new(12), 64, 160, Form::F32, true);
    assert_eq!(matrix.bytes(), 64 * 160 * 4 + 64 * 4);
}

#[test]
fn sizes_that_no_memory_has_are_errors() {
    for form in FORMS {
        for (outputs, inputs) in [(usize::MAX, 1), (1 << 40, 1 << 40), (1 << 32, 1 << 32), (1, usize::MAX)] {
            assert!(Matrix::new(outputs, inputs, form).is_err(), "{outputs}x{inputs} {form:?}");
        }
    }
}

#[test]
fn empty_matrices_are_matrices() {
    assert_eq!(Matrix::from_rows(0, 7, Form::Int8, &[]).unwrap().outputs(), 0);
    assert_eq!(Matrix::from_rows(3, 0, Form::F16, &[]).unwrap().inputs(), 0);
}
