//! Attention of groups of rows among themselves.

use fondue_kernels::{Buffers, Machine, Op};

use crate::{
    dialogue::{Size, expect_near, oracle},
    drawn::{Drawn, bits, fused, team},
};

#[test]
fn the_first_rows_of_each_group_see_all_of_it() {
    let mut drawn = Drawn::new(40);
    for (dim, rows, queries) in [(16, 19, 19), (64, 16, 1), (5, 33, 4), (80, 7, 6), (1, 1, 1), (16, 50, 5)] {
        let size = Size { heads: 3, dim };
        let x = drawn.rows(3 * rows, 3 * size.width());
        let mut first: Option<Vec<Vec<f32>>> = None;
        for (machine, threads) in Machine::all().into_iter().flat_map(|m| [1, 2, 3].map(|n| (m, n))) {
            let mut buffers = Buffers::new(&[3 * size.width(), size.width()]);
            buffers.set_rows(x.len()).unwrap();
            for (n, x) in x.iter().enumerate() {
                buffers.row_mut(0, n).copy_from_slice(x);
                buffers.row_mut(1, n).fill(7.0);
            }
            let op = Op::AttendAmong { from: 0, to: 1, heads: 3, rows, queries };
            team(machine, threads).pass(&mut buffers, None, &[op]).unwrap();
            let got: Vec<Vec<f32>> = (0..x.len()).map(|n| buffers.row(1, n).to_vec()).collect();
            for (n, (got, x)) in got.iter().zip(&buffers_rows(&x, rows)).enumerate() {
                if n % rows < queries {
                    let expected = oracle(size, &x[n % rows], x);
                    expect_near(got, &expected, 3e-6, &format!("{} dim {dim} row {n}", machine.name()));
                } else {
                    assert!(got.iter().all(|value| *value == 7.0), "row {n} is nobody's result");
                }
            }
            let first = first.get_or_insert_with(|| got.clone());
            assert!(!fused(machine) || bits(first) == bits(&got), "{} dim {dim}", machine.name());
        }
    }
}

/// For each row, its group.
fn buffers_rows(x: &[Vec<f32>], rows: usize) -> Vec<&[Vec<f32>]> {
    (0..x.len()).map(|n| &x[n / rows * rows..][..rows]).collect()
}

#[test]
fn groups_do_not_see_each_other() {
    let size = Size { heads: 2, dim: 16 };
    for machine in Machine::all() {
        let run = |other: f32| {
            let mut buffers = Buffers::new(&[96, 32]);
            buffers.set_rows(20).unwrap();
            let x = Drawn::new(41).rows(10, 3 * size.width());
            x.iter().enumerate().for_each(|(n, x)| buffers.row_mut(0, n).copy_from_slice(x));
            (10..20).for_each(|n| buffers.row_mut(0, n).fill(other));
            let op = Op::AttendAmong { from: 0, to: 1, heads: 2, rows: 10, queries: 10 };
            team(machine, 1).pass(&mut buffers, None, &[op]).unwrap();
            (0..10).map(|n| buffers.row(1, n).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&run(f32::NAN)), bits(&run(0.5)), "{}", machine.name());
    }
}
