//! Products against sums in f64 over the stored weights, and their bits in any company.

use fondue_kernels::{Buffers, Form, Machine, Matrix, Op, Team, Then};
use proptest::prelude::*;

use crate::drawn::{Drawn, bits, fused, team};

pub(crate) const FORMS: [Form; 4] = [Form::F32, Form::F16, Form::Bf16, Form::Int8];

const SHAPES: [(usize, usize); 15] = [
    (1, 1),
    (3, 5),
    (5, 3),
    (16, 17),
    (17, 16),
    (63, 64),
    (64, 63),
    (65, 65),
    (1024, 5),
    (1025, 17),
    (5, 1024),
    (63, 1025),
    (65, 2100),
    (130, 1023),
    (2100, 65),
];

pub(crate) fn matrix(drawn: &mut Drawn, outputs: usize, inputs: usize, form: Form, bias: bool) -> Matrix {
    let weights = drawn.values(outputs * inputs);
    let mut matrix = Matrix::from_rows(outputs, inputs, form, &weights).unwrap();
    if bias {
        matrix.set_bias(drawn.values(outputs));
    }
    matrix
}

/// What a step makes of rows; `before` is what was there.
pub(crate) fn product(
    team: &Team,
    matrix: &Matrix,
    x: &[Vec<f32>],
    then: Then,
    before: f32,
) -> Vec<Vec<f32>> {
    let mut buffers = Buffers::new(&[matrix.inputs(), matrix.outputs()]);
    buffers.set_rows(x.len()).unwrap();
    for (n, x) in x.iter().enumerate() {
        buffers.row_mut(0, n).copy_from_slice(x);
        buffers.row_mut(1, n).fill(before);
    }
    team.pass(&mut buffers, None, &[Op::Product { from: 0, to: 1, matrix, then }]).unwrap();
    (0..x.len()).map(|n| buffers.row(1, n).to_vec()).collect()
}

/// The sum for one row and output in f64, and the sum of its terms' sizes.
fn oracle(weights: &[f32], x: &[f32]) -> (f64, f64) {
    weights.iter().zip(x).fold((0.0, 0.0), |(sum, size), (w, x)| {
        let term = f64::from(*w) * f64::from(*x);
        (sum + term, size + term.abs())
    })
}

fn expect_sums(matrix: &Matrix, bias: &[f32], x: &[Vec<f32>], got: &[Vec<f32>], what: &str) {
    let mut weights = vec![0.0; matrix.inputs()];
    for output in 0..matrix.outputs() {
        matrix.row(output, &mut weights);
        for (x, got) in x.iter().zip(got) {
            let (sum, size) = oracle(&weights, x);
            let bias = bias.get(output).map_or(0.0, |bias| f64::from(*bias));
            let off = (f64::from(got[output]) - sum - bias).abs();
            assert!(off <= 2e-6 * (size + bias.abs()), "{what}, output {output}: {off} of {size}");
        }
    }
}

#[test]
fn products_are_sums_of_the_stored_weights_with_the_same_bits_in_any_company() {
    let mut drawn = Drawn::new(1);
    for (outputs, inputs) in SHAPES {
        let x = drawn.rows(33, inputs);
        for form in FORMS {
            let mut matrix = matrix(&mut drawn, outputs, inputs, form, false);
            let bias = drawn.values(outputs);
            matrix.set_bias(bias.clone());
            let mut first: Option<Vec<Vec<f32>>> = None;
            for machine in Machine::all() {
                let what = format!("{outputs}x{inputs} {form:?} {}", machine.name());
                let teams = [1, 2, 3].map(|threads| team(machine, threads));
                let all = product(&teams[1], &matrix, &x, Then::Set, 0.0);
                match &first {
                    None => expect_sums(&matrix, &bias, &x, &all, &what),
                    Some(first) if fused(machine) => assert_eq!(bits(first), bits(&all), "{what}"),
                    Some(_) => expect_sums(&matrix, &bias, &x, &all, &what),
                }
                for rows in 1..=9 {
                    let start = 33 - rows;
                    let few = product(&teams[rows % 3], &matrix, &x[start..], Then::Set, 0.0);
                    assert_eq!(bits(&few), bits(&all[start..]), "{what}, {rows} rows");
                }
                for teams in &teams {
                    assert_eq!(bits(&product(teams, &matrix, &x, Then::Set, 0.0)), bits(&all), "{what}");
                }
                first.get_or_insert(all);
            }
        }
    }
}

#[test]
fn a_result_is_written_rectified_or_added() {
    let mut drawn = Drawn::new(2);
    for (form, bias) in FORMS.into_iter().flat_map(|form| [(form, false), (form, true)]) {
        let matrix = matrix(&mut drawn, 37, 100, form, bias);
        let x = drawn.rows(5, 100);
        for machine in Machine::all() {
            let team = team(machine, 2);
            let set = product(&team, &matrix, &x, Then::Set, 9.0).concat();
            let relu = product(&team, &matrix, &x, Then::Relu, 9.0).concat();
            let add = product(&team, &matrix, &x, Then::Add, 9.0).concat();
            assert!(set.iter().any(|x| *x < 0.0) && set.iter().any(|x| *x > 0.0));
            assert_eq!(relu, set.iter().map(|x| x.max(0.0)).collect::<Vec<f32>>());
            assert_eq!(add, set.iter().map(|x| 9.0 + x).collect::<Vec<f32>>());
        }
    }
}

#[test]
fn one_row_without_a_number_leaves_the_others_alone() {
    let mut drawn = Drawn::new(3);
    let matrix = matrix(&mut drawn, 33, 50, Form::Bf16, true);
    let mut x = drawn.rows(6, 50);
    for machine in Machine::all() {
        let team = team(machine, 2);
        let before = product(&team, &matrix, &x, Then::Gelu, 0.0);
        let kept = std::mem::replace(&mut x[2][7], f32::NAN);
        let after = product(&team, &matrix, &x, Then::Gelu, 0.0);
        x[2][7] = kept;
        assert!(after[2].iter().all(|value| value.is_nan()), "{}", machine.name());
        for row in [0, 1, 3, 4, 5] {
            assert_eq!(after[row], before[row], "{}", machine.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_shape_has_its_sums_on_any_machine(
        outputs in 1usize..150,
        inputs in 1usize..1400,
        rows in 1usize..12,
        form in 0usize..4,
        threads in 1usize..4,
        seed: u64,
    ) {
        let mut drawn = Drawn::new(seed);
        let matrix = matrix(&mut drawn, outputs, inputs, FORMS[form], false);
        let x = drawn.rows(rows, inputs);
        let mut first = None;
        for machine in Machine::all() {
            let got = product(&team(machine, threads), &matrix, &x, Then::Set, 1.0);
            expect_sums(&matrix, &[], &x, &got, machine.name());
            let first = first.get_or_insert_with(|| got.clone());
            prop_assert!(!fused(machine) || bits(first) == bits(&got));
        }
    }
}
