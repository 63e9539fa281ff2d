//! Passes that cannot be run: which error, at which boundary, and nothing done.

use fondue_kernels::{
    Buffers, Form, KvMemory, Machine, Matrix, Norm, Op, PassError, Sequences, Span, Team, Then,
};

use crate::drawn::{bits, team};

/// Matrices 0: 12 wide, 1: 4, 2: 12, 3: 5, with six rows.
fn buffers() -> Buffers {
    let mut buffers = Buffers::new(&[12, 4, 12, 5]);
    buffers.set_rows(6).unwrap();
    for id in 0..4 {
        (0..6).for_each(|n| buffers.row_mut(id, n).fill((id + n) as f32 + 0.5));
    }
    buffers
}

fn all(buffers: &Buffers) -> Vec<Vec<u32>> {
    bits(&(0..4).flat_map(|id| (0..6).map(move |n| buffers.row(id, n).to_vec())).collect::<Vec<_>>())
}

/// The error of a pass whose first step can be run and whose second is this one; the first was not run either.
fn refusal(op: Op<'_>, sequences: Option<Sequences<'_>>) -> Option<PassError> {
    let norm = Norm::new(&[2.0; 12], &[1.0; 12], 1e-5);
    let (mut buffers, team) = (buffers(), team(Machine::best(), 2));
    let before = all(&buffers);
    let result = team.pass(&mut buffers, sequences, &[Op::Norm { from: 0, to: 2, norm: &norm }, op]);
    assert_eq!(all(&buffers) == before, result.is_err());
    result.err()
}

fn width(id: usize, got: Option<usize>, expected: usize) -> Option<PassError> {
    Some(PassError::Width { step: 1, id, got, expected })
}

#[test]
fn widths_are_those_of_the_step() {
    let matrix = Matrix::new(5, 12, Form::F32).unwrap();
    let product = |from, to| refusal(Op::Product { from, to, matrix: &matrix, then: Then::Set }, None);
    assert_eq!(product(0, 3), None);
    assert_eq!(product(1, 3), width(1, Some(4), 12));
    assert_eq!(product(0, 1), width(1, Some(4), 5));
    assert_eq!(product(0, 4), width(4, None, 5));
    assert_eq!(product(usize::MAX, 3), width(usize::MAX, None, 12));
    assert_eq!(product(3, 3), Some(PassError::SameBuffer { step: 1, id: 3 }));

    let norm = Norm::new(&[1.0; 12], &[0.0; 12], 1e-5);
    let norm = |from, to| refusal(Op::Norm { from, to, norm: &norm }, None);
    assert_eq!(norm(2, 2), None);
    assert_eq!(norm(0, 1), width(1, Some(4), 12));
    assert_eq!(norm(9, 0), width(9, None, 12));

    let nothing = Matrix::new(5, 0, Form::F32).unwrap();
    let mut buffers = Buffers::new(&[0, 5]);
    buffers.set_rows(1).unwrap();
    let op = Op::Product { from: 0, to: 1, matrix: &nothing, then: Then::Set };
    let error = team(Machine::best(), 1).pass(&mut buffers, None, &[op]).unwrap_err();
    assert_eq!(error, PassError::Shape { step: 0, what: "a matrix without inputs" });
}

#[test]
fn groups_and_heads_divide() {
    let among =
        |from, to, heads, rows, queries| refusal(Op::AttendAmong { from, to, heads, rows, queries }, None);
    let shape = |what| Some(PassError::Shape { step: 1, what });
    for (heads, rows, queries) in [(1, 6, 6), (2, 3, 1), (4, 1, 1)] {
        assert_eq!(among(0, 1, heads, rows, queries), None);
    }
    for heads in [0, 3, 8, usize::MAX] {
        assert_eq!(among(0, 1, heads, 6, 1), shape("heads do not divide the width"));
    }
    for rows in [0, 4, 12, usize::MAX] {
        assert_eq!(among(0, 1, 2, rows, 1), shape("groups do not divide the rows"));
    }
    for queries in [0, 4, usize::MAX] {
        assert_eq!(among(0, 1, 2, 3, queries), shape("a group has not as many queries"));
    }
    assert_eq!(among(0, 3, 1, 6, 6), width(3, Some(5), 4));
    assert_eq!(among(3, 1, 1, 6, 6), width(3, Some(5), 3));
    assert_eq!(among(0, 7, 1, 6, 6), width(7, None, 4));
    assert_eq!(among(0, 0, 1, 6, 6), Some(PassError::SameBuffer { step: 1, id: 0 }));
}

#[test]
fn attention_needs_sequences_and_a_layer() {
    let mut kv = KvMemory::new(3, 2, 2, 2).unwrap();
    let spans = [Span { rows: 6, start: 0, blocks: &[1] }];
    let mut attend = |from, to, layer| {
        refusal(Op::Attend { from, to, layer }, Some(Sequences { kv: &mut kv, spans: &spans }))
    };
    assert_eq!(attend(0, 1, 2), None);
    assert_eq!(attend(0, 1, 3), Some(PassError::Shape { step: 1, what: "there is no such layer" }));
    assert_eq!(attend(1, 1, 0), Some(PassError::SameBuffer { step: 1, id: 1 }));
    assert_eq!(attend(1, 3, 0), width(1, Some(4), 12));
    assert_eq!(attend(0, 3, 0), width(3, Some(5), 4));
    let without = refusal(Op::Attend { from: 0, to: 1, layer: 0 }, None);
    assert_eq!(without, Some(PassError::Shape { step: 1, what: "there are no sequences" }));
}

#[test]
fn nothing_to_do_is_done() {
    let team: Team = team(Machine::best(), 3);
    let (mut buffers, norm) = (Buffers::new(&[12]), Norm::new(&[1.0; 12], &[0.0; 12], 1e-5));
    let ops = [Op::Norm { from: 0, to: 0, norm: &norm }];
    team.pass(&mut buffers, None, &ops).unwrap();
    let mut kv = KvMemory::new(1, 1, 1, 4).unwrap();
    team.pass(&mut buffers, Some(Sequences { kv: &mut kv, spans: &[] }), &ops).unwrap();
    buffers.set_rows(2).unwrap();
    team.pass(&mut buffers, None, &[]).unwrap();
    // Without rows, a step that does not fit is an error all the same.
    buffers.set_rows(0).unwrap();
    assert!(team.pass(&mut buffers, None, &[Op::Norm { from: 0, to: 1, norm: &norm }]).is_err());
}

#[test]
fn a_team_of_none_is_one() {
    assert_eq!(Team::new(0, Machine::best()).unwrap().threads(), 1);
    assert_eq!(team(Machine::best(), 3).threads(), 3);
}
