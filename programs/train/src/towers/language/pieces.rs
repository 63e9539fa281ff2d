//! An update's documents in pieces of a few shapes.
//!
//! Documents of like length go together, since what is padded is computed for nothing. A processor's kernels are made for
//! a shape when it is first met, which takes longer than computing it; so a piece has one of few shapes, and is met again.

use super::documents::Row;

/// Positions of a piece, at most.
const POSITIONS: usize = 1024;
/// Lengths are rounded up to a multiple of the first number up to the second, and then of the third.
const ROUNDED: [usize; 3] = [4, 32, 8];

/// Some rows that are computed together, padded to `n` rows of `t` positions.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) rows: &'a [&'a Row],
    pub(super) n: usize,
    pub(super) t: usize,
}

impl<'a> Piece<'a> {
    /// These rows as they are, the shorter ones padded to the longest.
    pub(super) fn of(rows: &'a [&'a Row]) -> Self {
        Self { rows, n: rows.len(), t: rows.iter().map(|row| row.slots.len()).max().unwrap_or(1) }
    }
}

/// All of `rows`, which are sorted by length and have at most `max` positions; the longest come first.
pub(super) fn pieces<'a>(rows: &'a [&'a Row], max: usize) -> Vec<Piece<'a>> {
    let (mut pieces, mut rest) = (Vec::new(), rows);
    while let Some(longest) = rest.last() {
        let t = rounded(longest.slots.len()).min(max.max(1));
        let mut n = (POSITIONS / t).max(1);
        let (left, taken) = rest.split_at(rest.len().saturating_sub(n));
        while n / 2 >= taken.len() {
            n /= 2;
        }
        pieces.push(Piece { rows: taken, n, t });
        rest = left;
    }
    pieces
}

fn rounded(length: usize) -> usize {
    let [fine, until, coarse] = ROUNDED;
    length.max(1).next_multiple_of(if length <= until { fine } else { coarse })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{super::documents::Slot, *};

    fn row(length: usize) -> Row {
        Row { slots: vec![Slot::Token(2); length], labels: vec![2; length], queries: Vec::new() }
    }

    #[test]
    fn pieces_hold_every_row_once_in_few_shapes() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut shapes = HashSet::new();
        for _ in 0..200 {
            let mut lengths: Vec<usize> =
                (0..rng.random_range(1..500))
                    .map(|_| {
                        if rng.random_bool(0.7) {
                            rng.random_range(5..20)
                        } else {
                            rng.random_range(20..=120)
                        }
                    })
                    .collect();
            lengths.sort_unstable();
            let rows: Vec<Row> = lengths.iter().map(|&length| row(length)).collect();
            let rows: Vec<&Row> = rows.iter().collect();
            let mut held = Vec::new();
            for Piece { rows, n, t } in pieces(&rows, 120) {
                assert!(
                    n * t <= POSITIONS && rows.len() <= n && rows.len() * 2 > n,
                    "{} of {n} × {t}",
                    rows.len()
                );
                assert!(rows.iter().all(|row| row.slots.len() <= t));
                held.extend(rows.iter().map(|row| row.slots.len()));
                shapes.insert((n, t));
            }
            held.sort_unstable();
            assert_eq!(held, lengths);
        }
        assert!(shapes.len() <= 45, "{} shapes: {shapes:?}", shapes.len());
    }

    #[test]
    fn a_row_that_is_longer_than_a_piece_has_one_to_itself() {
        let (long, short) = (row(3001), row(1));
        let rows = [&short, &long];
        let pieces = pieces(&rows, 3004);
        let shapes: Vec<_> = pieces.iter().map(|piece| (piece.rows.len(), piece.n, piece.t)).collect();
        assert_eq!(shapes, [(1, 1, 3004), (1, 1, 4)]);
        assert!(super::pieces(&[], 9).is_empty());
    }
}
