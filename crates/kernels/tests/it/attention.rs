//! Causal attention against f64; its bits however a prompt is cut, whoever is beside it and whatever lay in memory before.

use fondue_kernels::{KvMemory, Machine, POSITIONS};
use proptest::prelude::*;

use crate::{
    dialogue::{Dialogue, Size, expect_near, go_on, in_pieces, oracle},
    drawn::{Drawn, bits, fused, team},
};

/// The numbers of blocks from 0 in no order.
fn shuffled(drawn: &mut Drawn, n: u32) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n).collect();
    drawn.shuffle(&mut all);
    all
}

#[test]
fn several_sequences_see_what_they_should() {
    for dim in [1, 5, 16, 64, 80] {
        let size = Size { heads: 2, dim };
        let mut first: Option<Vec<Vec<f32>>> = None;
        for machine in Machine::all() {
            let mut drawn = Drawn::new(30);
            let blocks = shuffled(&mut drawn, 9);
            let mut all = [(1, 0..1), (16, 1..2), (37, 2..5), (64, 5..9)]
                .map(|(n, of)| Dialogue::new(&mut drawn, size, n, blocks[of].to_vec()));
            let mut kv = size.memory(2, 9);
            let mut pieces: Vec<(&mut Dialogue, usize)> =
                all.iter_mut().map(|dialogue| (dialogue.rows.len(), dialogue)).map(|(n, d)| (d, n)).collect();
            let got = go_on(&team(machine, 2), size, &mut kv, 1, &mut pieces);
            let rows = all.iter().flat_map(|dialogue| (0..dialogue.rows.len()).map(move |n| (dialogue, n)));
            for ((dialogue, n), got) in rows.zip(&got) {
                let expected = oracle(size, &dialogue.rows[n], &dialogue.rows[..=n]);
                let what = format!("{} dim {dim} row {n} of {}", machine.name(), dialogue.rows.len());
                expect_near(got, &expected, 3e-6, &what);
            }
            // Each alone, by any number of threads, on other blocks.
            let mut start = 0;
            for dialogue in &mut all {
                for threads in [1, 3] {
                    (dialogue.held, dialogue.blocks) = (0, vec![3, 1, 0, 2]);
                    let n = dialogue.rows.len();
                    let team = team(machine, threads);
                    let alone = in_pieces(&team, size, &mut size.memory(1, 4), dialogue, &[n]);
                    assert_eq!(bits(&alone), bits(&got[start..start + n]));
                }
                start += dialogue.rows.len();
            }
            let first = first.get_or_insert_with(|| got.clone());
            assert!(!fused(machine) || bits(first) == bits(&got), "{} dim {dim}", machine.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_prompt_cut_anyhow_has_the_same_bits(
        cuts in prop::collection::vec(1usize..24, 1..6),
        dim in prop::sample::select(vec![1usize, 5, 16, 64, 80]),
        threads in 1usize..4,
        seed: u64,
    ) {
        let (mut drawn, size) = (Drawn::new(seed), Size { heads: 3, dim });
        let positions = cuts.iter().sum();
        let blocks = shuffled(&mut drawn, 8);
        let mut dialogue = Dialogue::new(&mut drawn, size, positions, blocks);
        for machine in Machine::all() {
            let team = team(machine, threads);
            let mut runs = [&[positions][..], &cuts, &vec![1; positions]].map(|pieces| {
                dialogue.held = 0;
                bits(&in_pieces(&team, size, &mut size.memory(1, 8), &mut dialogue, pieces))
            });
            let [whole, pieces, decoded] = &mut runs;
            prop_assert_eq!(&*whole, pieces);
            prop_assert_eq!(whole, decoded);
        }
    }
}

/// Writes keys and values of `value` into all of a memory.
fn spoil(machine: Machine, size: Size, kv: &mut KvMemory, value: f32) {
    let blocks: Vec<u32> = (0..kv.blocks() as u32).collect();
    let rows = vec![vec![value; 3 * size.width()]; blocks.len() * POSITIONS];
    let mut last = Dialogue { rows, blocks, held: 0 };
    let n = last.rows.len();
    go_on(&team(machine, 2), size, kv, 0, &mut [(&mut last, n)]);
}

#[test]
fn what_an_earlier_sequence_left_changes_nothing() {
    for (machine, dim) in Machine::all().into_iter().flat_map(|m| [5, 16, 64].map(|dim| (m, dim))) {
        let size = Size { heads: 2, dim };
        let run = |spoiled: Option<f32>| {
            let mut drawn = Drawn::new(31);
            let mut kv = size.memory(1, 6);
            spoiled.into_iter().for_each(|value| spoil(machine, size, &mut kv, value));
            let mut a = Dialogue::new(&mut drawn, size, 21, vec![4, 0]);
            let mut b = Dialogue::new(&mut drawn, size, 33, vec![5, 1, 3]);
            let team = team(machine, 2);
            let mut got = go_on(&team, size, &mut kv, 0, &mut [(&mut a, 3), (&mut b, 18)]);
            got.extend(go_on(&team, size, &mut kv, 0, &mut [(&mut a, 17), (&mut b, 1)]));
            got.extend(go_on(&team, size, &mut kv, 0, &mut [(&mut b, 14), (&mut a, 1)]));
            bits(&got)
        };
        let clean = run(None);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            assert_eq!(run(Some(value)), clean, "{} dim {dim} after {value}", machine.name());
        }
    }
}

/// A later row's infinity, in the same pass, is nothing to the rows before it.
#[test]
fn nobody_sees_what_comes_after() {
    let size = Size { heads: 1, dim: 16 };
    let mut drawn = Drawn::new(32);
    let mut dialogue = Dialogue::new(&mut drawn, size, 23, vec![0, 1]);
    for machine in Machine::all() {
        let team = team(machine, 1);
        for bad in 1..23 {
            dialogue.held = 0;
            let clean = in_pieces(&team, size, &mut size.memory(1, 2), &mut dialogue, &[23]);
            let kept = std::mem::replace(&mut dialogue.rows[bad], vec![f32::INFINITY; 48]);
            dialogue.held = 0;
            let got = in_pieces(&team, size, &mut size.memory(1, 2), &mut dialogue, &[23]);
            dialogue.rows[bad] = kept;
            assert_eq!(bits(&got[..bad]), bits(&clean[..bad]), "{}", machine.name());
            assert!(got[bad].iter().all(|value| value.is_nan()));
        }
    }
}

#[test]
fn large_and_equal_scores_are_weighed_right() {
    let size = Size { heads: 2, dim: 16 };
    for machine in Machine::all() {
        for scale in [1e4f32, 0.0, 300.0] {
            let mut dialogue = Dialogue::new(&mut Drawn::new(33), size, 40, vec![2, 0, 1]);
            for row in &mut dialogue.rows {
                row[..2 * size.width()].iter_mut().for_each(|value| *value *= scale);
            }
            let got = in_pieces(&team(machine, 2), size, &mut size.memory(1, 3), &mut dialogue, &[40]);
            for (n, got) in got.iter().enumerate() {
                let expected = oracle(size, &dialogue.rows[n], &dialogue.rows[..=n]);
                // Scores in f32 are off by more the larger they are; where one is far above all others, it alone counts.
                let allowed = if scale == 300.0 { 0.1 } else { 3e-6 };
                expect_near(got, &expected, allowed, &format!("{} by {scale} row {n}", machine.name()));
            }
        }
    }
}

#[test]
fn a_copy_of_a_block_goes_on_in_its_own_way() {
    for (machine, dim) in Machine::all().into_iter().flat_map(|m| [5, 16, 80].map(|dim| (m, dim))) {
        let size = Size { heads: 2, dim };
        let team = team(machine, 2);
        for shared in [1, 7, 15, 16, 17, 31] {
            let mut drawn = Drawn::new(34);
            let mut kv = size.memory(1, 8);
            spoil(machine, size, &mut kv, f32::NAN);
            let mut one = Dialogue::new(&mut drawn, size, 45, vec![6, 2, 4]);
            in_pieces(&team, size, &mut kv, &mut one, &[shared]);
            let mut other = Dialogue::new(&mut drawn, size, 45, vec![6, 2, 4]);
            other.rows[..shared].clone_from_slice(&one.rows[..shared]);
            other.held = shared;
            // The block in which they part is copied, those after it are its own.
            let part = shared / POSITIONS;
            other.blocks[part..].copy_from_slice(&[7, 1, 3][part..]);
            kv.copy(one.blocks[part] as usize, other.blocks[part] as usize, shared % POSITIONS);
            let left = 45 - shared;
            let got = go_on(&team, size, &mut kv, 0, &mut [(&mut one, left), (&mut other, left)]);
            for (dialogue, got) in [&mut one, &mut other].into_iter().zip(got.chunks(left)) {
                (dialogue.held, dialogue.blocks) = (0, vec![0, 1, 2]);
                let alone = in_pieces(&team, size, &mut size.memory(1, 3), dialogue, &[45]);
                assert_eq!(bits(&alone[shared..]), bits(got), "{} {shared}", machine.name());
            }
        }
    }
}

#[test]
fn a_copy_to_itself_or_of_nothing_changes_nothing_and_more_is_all() {
    let size = Size { heads: 1, dim: 5 };
    let team = team(Machine::best(), 1);
    let run = |copy: &dyn Fn(&mut KvMemory)| {
        let (mut kv, mut drawn) = (size.memory(3, 2), Drawn::new(35));
        let mut dialogue = Dialogue::new(&mut drawn, size, 20, vec![1, 0]);
        in_pieces(&team, size, &mut kv, &mut dialogue, &[16]);
        copy(&mut kv);
        bits(&in_pieces(&team, size, &mut kv, &mut dialogue, &[4]))
    };
    let as_is = run(&|_| {});
    assert_eq!(run(&|kv| kv.copy(1, 1, 16)), as_is);
    assert_eq!(run(&|kv| kv.copy(0, 1, 0)), as_is);
    assert_eq!(run(&|kv| [kv.copy(1, 0, usize::MAX), kv.copy(0, 1, 16)].into_iter().collect()), as_is);
    assert_ne!(run(&|kv| kv.copy(0, 1, 1)), as_is);
}

#[test]
#[should_panic(expected = "a block of another memory")]
fn a_copy_to_a_block_that_is_not_there_is_refused() {
    Size { heads: 1, dim: 1 }.memory(1, 2).copy(0, 2, 1);
}
