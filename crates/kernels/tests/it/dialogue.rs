//! Sequences with queries, keys and values of their own, fed to attention in any pieces.

use fondue_kernels::{Buffers, KvMemory, Op, POSITIONS, Sequences, Span, Team};

use crate::drawn::Drawn;

/// Sizes of the attention under test.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) heads: usize,
    pub(crate) dim: usize,
}

impl Size {
    pub(crate) fn width(self) -> usize {
        self.heads * self.dim
    }

    pub(crate) fn memory(self, layers: usize, blocks: usize) -> KvMemory {
        KvMemory::new(layers, blocks, self.heads, self.dim).unwrap()
    }
}

/// A sequence: a row of queries, keys and values for each position, and its blocks.
pub(crate) struct Dialogue {
    pub(crate) rows: Vec<Vec<f32>>,
    pub(crate) blocks: Vec<u32>,
    /// Positions that the memory holds.
    pub(crate) held: usize,
}

impl Dialogue {
    pub(crate) fn new(drawn: &mut Drawn, size: Size, positions: usize, blocks: Vec<u32>) -> Self {
        assert!(blocks.len() >= positions.div_ceil(POSITIONS));
        Self { rows: drawn.rows(positions, 3 * size.width()), blocks, held: 0 }
    }
}

/// One pass: each dialogue goes on by so many positions. Returns their rows' results.
pub(crate) fn go_on(
    team: &Team,
    size: Size,
    kv: &mut KvMemory,
    layer: usize,
    dialogues: &mut [(&mut Dialogue, usize)],
) -> Vec<Vec<f32>> {
    let rows: Vec<&Vec<f32>> =
        dialogues.iter().flat_map(|(dialogue, n)| &dialogue.rows[dialogue.held..][..*n]).collect();
    let mut buffers = Buffers::new(&[3 * size.width(), size.width()]);
    buffers.set_rows(rows.len()).unwrap();
    rows.iter().enumerate().for_each(|(n, row)| buffers.row_mut(0, n).copy_from_slice(row));
    let span = |(dialogue, n): &(&mut Dialogue, usize)| (dialogue.held, *n, dialogue.blocks.clone());
    let spans: Vec<(usize, usize, Vec<u32>)> = dialogues.iter().map(span).collect();
    let spans: Vec<Span<'_>> =
        spans.iter().map(|(start, rows, blocks)| Span { rows: *rows, start: *start, blocks }).collect();
    team.pass(&mut buffers, Some(Sequences { kv, spans: &spans }), &[Op::Attend { from: 0, to: 1, layer }])
        .unwrap();
    let results = (0..rows.len()).map(|n| buffers.row(1, n).to_vec()).collect();
    dialogues.iter_mut().for_each(|(dialogue, n)| dialogue.held += *n);
    results
}

/// One dialogue alone, in pieces of these sizes.
pub(crate) fn in_pieces(
    team: &Team,
    size: Size,
    kv: &mut KvMemory,
    dialogue: &mut Dialogue,
    pieces: &[usize],
) -> Vec<Vec<f32>> {
    pieces.iter().flat_map(|n| go_on(team, size, kv, 0, &mut [(dialogue, *n)])).collect()
}

/// Attention in f64 of the row `query` over the rows `seen`.
pub(crate) fn oracle(size: Size, query: &[f32], seen: &[Vec<f32>]) -> Vec<f64> {
    let width = size.width();
    let mut result = vec![0.0; width];
    for head in 0..size.heads {
        let part = |row: &[f32], part: usize| -> Vec<f64> {
            row[part * width + head * size.dim..][..size.dim].iter().map(|x| f64::from(*x)).collect()
        };
        let dot = |key: Vec<f64>| part(query, 0).iter().zip(key).map(|(q, k)| q * k).sum::<f64>();
        let scores: Vec<f64> = seen.iter().map(|row| dot(part(row, 1)) / (size.dim as f64).sqrt()).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        for (power, row) in powers.iter().zip(seen) {
            for (d, value) in part(row, 2).iter().enumerate() {
                result[head * size.dim + d] += power / sum * value;
            }
        }
    }
    result
}

/// Fails unless each is within `allowed` of the other.
pub(crate) fn expect_near(got: &[f32], expected: &[f64], allowed: f64, what: &str) {
    assert_eq!(got.len(), expected.len());
    for (n, (got, expected)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(*got) - expected).abs();
        assert!(off <= allowed, "{what}, {n}: {got} for {expected}");
    }
}
