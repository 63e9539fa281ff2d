//! Safe callers cannot make two threads touch the same numbers, nor any touch what is not there.

use fondue_kernels::{Buffers, Form, KvMemory, Machine, Matrix, Norm, Op, PassError, Sequences, Span, Then};

use crate::{
    dialogue::{Dialogue, Size, go_on},
    drawn::{Drawn, bits, team},
    products::{matrix, product},
};

/// The sequence and the reason of a refusal, over a memory of four blocks and so many rows.
fn refusal(rows: usize, spans: &[Span<'_>]) -> Option<(usize, &'static str)> {
    let mut kv = KvMemory::new(1, 4, 1, 2).unwrap();
    let mut buffers = Buffers::new(&[6, 2]);
    buffers.set_rows(rows).unwrap();
    let ops = [Op::Attend { from: 0, to: 1, layer: 0 }];
    let sequences = Some(Sequences { kv: &mut kv, spans });
    match team(Machine::best(), 2).pass(&mut buffers, sequences, &ops) {
        Ok(()) => None,
        Err(PassError::Sequence { sequence, what }) => Some((sequence, what)),
        Err(other) => panic!("{other}"),
    }
}

const FEW: &str = "it has no rows, or too few blocks for its positions";
const THERE: &str = "it has a block that is not there";
const TWICE: &str = "it writes to a block that is already written to";
const READS: &str = "it reads a block that is written to at the same time";
const ROWS: &str = "the sequences' rows are not those of the matrices";

#[test]
fn blocks_are_enough_and_there() {
    let span = |rows, start, blocks| Span { rows, start, blocks };
    assert_eq!(refusal(16, &[span(16, 0, &[3])]), None);
    assert_eq!(refusal(17, &[span(17, 0, &[3])]), Some((0, FEW)));
    assert_eq!(refusal(1, &[span(1, 15, &[3])]), None);
    assert_eq!(refusal(1, &[span(1, 16, &[3])]), Some((0, FEW)));
    assert_eq!(refusal(1, &[span(1, 16, &[3, 0])]), None);
    assert_eq!(refusal(1, &[span(1, 0, &[2]), span(0, 0, &[1])]), Some((1, FEW)));
    assert_eq!(refusal(1, &[span(1, 0, &[4])]), Some((0, THERE)));
    assert_eq!(refusal(1, &[span(1, 16, &[u32::MAX, 0])]), Some((0, THERE)));
    // Blocks behind its positions are not looked at.
    assert_eq!(refusal(1, &[span(1, 0, &[1, 99, 1])]), None);
}

#[test]
fn positions_do_not_begin_again_at_zero() {
    let span = |rows, start, blocks| Span { rows, start, blocks };
    assert_eq!(refusal(1, &[span(1, usize::MAX, &[0])]), Some((0, FEW)));
    assert_eq!(refusal(1, &[span(1, usize::MAX - 1, &[0])]), Some((0, FEW)));
    assert_eq!(refusal(1, &[span(usize::MAX, 2, &[0])]), Some((0, FEW)));
    assert_eq!(refusal(2, &[span(usize::MAX, 0, &[0]), span(3, 0, &[1])]), Some((0, FEW)));
}

#[test]
fn nobody_writes_where_another_writes_or_reads() {
    let span = |rows, start, blocks| Span { rows, start, blocks };
    assert_eq!(refusal(2, &[span(1, 0, &[2]), span(1, 3, &[2])]), Some((1, TWICE)));
    assert_eq!(refusal(17, &[span(17, 0, &[2, 2])]), Some((0, TWICE)));
    // A block that is read, by a sequence before or behind the one that writes to it.
    assert_eq!(refusal(2, &[span(1, 16, &[1, 2]), span(1, 0, &[1])]), Some((0, READS)));
    assert_eq!(refusal(2, &[span(1, 0, &[1]), span(1, 16, &[1, 2])]), Some((1, READS)));
    assert_eq!(refusal(1, &[span(1, 16, &[1, 1])]), Some((0, READS)));
    // Reading together is what a shared prefix is.
    assert_eq!(refusal(2, &[span(1, 16, &[1, 2]), span(1, 16, &[1, 3])]), None);
    assert_eq!(refusal(1, &[span(1, 32, &[1, 1, 3])]), None);
}

#[test]
fn rows_are_all_somebodys() {
    let span = |rows, start, blocks| Span { rows, start, blocks };
    assert_eq!(refusal(3, &[span(1, 0, &[2]), span(1, 3, &[1])]), Some((2, ROWS)));
    assert_eq!(refusal(1, &[span(1, 0, &[2]), span(1, 3, &[1])]), Some((2, ROWS)));
    assert_eq!(refusal(1, &[]), Some((0, ROWS)));
}

#[test]
fn memory_that_is_not_there_is_an_error() {
    for (layers, blocks, heads, dim) in [
        (1 << 20, 1 << 20, 1 << 12, 64),
        (1, 1 << 60, 1, 16),
        (1, 1, 1 << 32, 1 << 32),
        (1, 1, 1, usize::MAX),
        (usize::MAX, usize::MAX, usize::MAX, usize::MAX),
    ] {
        assert!(KvMemory::new(layers, blocks, heads, dim).is_err());
    }
    assert_eq!(KvMemory::block_bytes(usize::MAX, 2, 64), usize::MAX);
    assert_eq!(KvMemory::block_bytes(2, 3, 64), 2 * 3 * 16 * 2 * 64 * 4);
}

/// Sizes of 0 make nothing, however many there are of it.
#[test]
fn attention_without_heads_or_sizes_does_nothing() {
    for (layers, heads, dim) in [(1, 0, 4), (1, 4, 0), (usize::MAX, 0, 4)] {
        let mut kv = KvMemory::new(layers, 3, heads, dim).unwrap();
        let mut buffers = Buffers::new(&[0, 0]);
        buffers.set_rows(20).unwrap();
        let spans = [Span { rows: 20, start: 0, blocks: &[2, 0] }];
        let ops = [Op::Attend { from: 0, to: 1, layer: 0 }];
        let sequences = Some(Sequences { kv: &mut kv, spans: &spans });
        team(Machine::best(), 2).pass(&mut buffers, sequences, &ops).unwrap();
        let ops = [Op::AttendAmong { from: 0, to: 1, heads: 1, rows: 10, queries: 10 }];
        team(Machine::best(), 2).pass(&mut buffers, None, &ops).unwrap();
    }
}

/// Callers on several threads share a team; each pass is whole.
#[test]
fn passes_of_several_callers_do_not_mix() {
    let matrix = matrix(&mut Drawn::new(60), 130, 70, Form::F16, true);
    for threads in [1, 2, 3] {
        let team = team(Machine::best(), threads);
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let (team, matrix) = (&team, &matrix);
                scope.spawn(move || {
                    let x = Drawn::new(seed).rows(4, 70);
                    let expected = bits(&product(team, matrix, &x, Then::Gelu, 0.0));
                    for _ in 0..20 {
                        assert_eq!(bits(&product(team, matrix, &x, Then::Gelu, 0.0)), expected);
                    }
                });
            }
        });
    }
}

/// Many passes of a small network by three threads: a lost write or an early read would show as other bits.
#[test]
fn steps_wait_for_each_other() {
    let mut drawn = Drawn::new(61);
    let size = Size { heads: 3, dim: 7 };
    let qkv = Matrix::from_rows(63, 21, Form::F32, &drawn.values(63 * 21)).unwrap();
    let out = Matrix::from_rows(21, 21, Form::Int8, &drawn.values(21 * 21)).unwrap();
    let norm = Norm::new(&drawn.values(21), &drawn.values(21), 1e-5);
    let x = drawn.rows(10, 21);
    let run = |threads: usize, times: usize| {
        let (team, mut kv) = (team(Machine::best(), threads), size.memory(1, 2));
        let mut buffers = Buffers::new(&[21, 63, 21]);
        buffers.set_rows(10).unwrap();
        let spans = [Span { rows: 7, start: 0, blocks: &[1] }, Span { rows: 3, start: 0, blocks: &[0] }];
        let mut results = Vec::new();
        for _ in 0..times {
            x.iter().enumerate().for_each(|(n, x)| buffers.row_mut(0, n).copy_from_slice(x));
            let layer = || {
                [
                    Op::Norm { from: 0, to: 2, norm: &norm },
                    Op::Product { from: 2, to: 1, matrix: &qkv, then: Then::Set },
                    Op::Attend { from: 1, to: 2, layer: 0 },
                    Op::Product { from: 2, to: 0, matrix: &out, then: Then::Add },
                ]
            };
            let ops: Vec<Op<'_>> = (0..4).flat_map(|_| layer()).collect();
            let sequences = Some(Sequences { kv: &mut kv, spans: &spans });
            team.pass(&mut buffers, sequences, &ops).unwrap();
            results.push(bits(&(0..10).map(|n| buffers.row(0, n).to_vec()).collect::<Vec<_>>()));
        }
        results.dedup();
        assert_eq!(results.len(), 1, "{threads} threads");
        results.remove(0)
    };
    let alone = run(1, 1);
    assert_eq!(run(2, 40), alone);
    assert_eq!(run(3, 40), alone);
    // A prefix that is only read may be shared while both go on.
    let mut kv = size.memory(1, 3);
    let mut one = Dialogue::new(&mut drawn, size, 24, vec![0, 1]);
    let mut other = Dialogue::new(&mut drawn, size, 24, vec![0, 2]);
    go_on(&team(Machine::best(), 2), size, &mut kv, 0, &mut [(&mut one, 16)]);
    other.held = 16;
    let got = go_on(&team(Machine::best(), 3), size, &mut kv, 0, &mut [(&mut one, 8), (&mut other, 8)]);
    one.held = 16;
    let again = go_on(&team(Machine::best(), 1), size, &mut kv, 0, &mut [(&mut one, 8)]);
    assert_eq!(bits(&got[..8]), bits(&again));
}
