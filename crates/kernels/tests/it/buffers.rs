//! Activations: rows come and go, and what lies behind them stays 0.

use fondue_kernels::{Buffers, Form, Machine, Matrix, Op, Then};

use crate::drawn::{Drawn, team};

#[test]
fn rows_are_kept_while_there_is_room() {
    let mut buffers = Buffers::new(&[5, 32]);
    assert_eq!(buffers.rows(), 0);
    buffers.set_rows(3).unwrap();
    assert!((0..3).all(|n| buffers.row(0, n) == [0.0; 5] && buffers.row(1, n).len() == 32));
    buffers.row_mut(0, 2).fill(1.5);
    buffers.set_rows(1).unwrap();
    buffers.set_rows(3).unwrap();
    assert_eq!(buffers.row(0, 2), [1.5; 5]);
}

/// If what lies behind a row were not 0, a product with numbers behind its columns would be none.
#[test]
fn what_lies_behind_rows_stays_zero() {
    let mut drawn = Drawn::new(50);
    let wide = Matrix::from_rows(23, 17, Form::F32, &drawn.values(23 * 17)).unwrap();
    let back = Matrix::from_rows(17, 23, Form::Int8, &drawn.values(17 * 23)).unwrap();
    for machine in Machine::all() {
        let team = team(machine, 2);
        let mut buffers = Buffers::new(&[17, 23, 17]);
        let mut expected = None;
        for rows in [5, 1, 40, 3, 41, 2] {
            buffers.set_rows(rows).unwrap();
            // Infinities go through all there is, then a row of numbers.
            for value in [f32::INFINITY, 0.25] {
                (0..rows).for_each(|n| buffers.row_mut(0, n).fill(value));
                let ops = [
                    Op::Product { from: 0, to: 1, matrix: &wide, then: Then::QuickGelu },
                    Op::Product { from: 1, to: 2, matrix: &back, then: Then::Set },
                ];
                team.pass(&mut buffers, None, &ops).unwrap();
            }
            let expected = expected.get_or_insert_with(|| buffers.row(2, 0).to_vec());
            assert!(expected.iter().all(|value| value.is_finite()));
            assert!((0..rows).all(|n| buffers.row(2, n) == expected), "{} {rows}", machine.name());
        }
    }
}

#[test]
fn rows_that_no_memory_has_are_an_error_and_change_nothing() {
    let mut buffers = Buffers::new(&[1, 48]);
    buffers.set_rows(2).unwrap();
    buffers.row_mut(0, 1)[0] = 4.0;
    // The last would begin again at 0: 2⁵⁶ rows of 256 bytes.
    for rows in [usize::MAX, 1 << 50, 1 << 56] {
        assert!(buffers.set_rows(rows).is_err(), "{rows}");
        assert_eq!((buffers.rows(), buffers.row(0, 1)), (2, &[4.0][..]));
    }
}

#[test]
#[should_panic(expected = "row 2 of 2")]
fn a_row_beyond_the_last_is_refused() {
    let mut buffers = Buffers::new(&[4]);
    buffers.set_rows(9).unwrap();
    buffers.set_rows(2).unwrap();
    buffers.row(0, 2);
}
