//! A set of rows: one bit each.

use std::ops::Range;

/// Bits of one word.
const BITS: usize = u64::BITS as usize;

/// Rows of which some are in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    rows: usize,
    words: Vec<u64>,
}

impl Bitmap {
    /// None of so many rows.
    pub fn none(rows: usize) -> Self {
        Self { rows, words: vec![0; rows.div_ceil(BITS)] }
    }

    /// The rows that the test takes.
    pub fn of(rows: usize, takes: impl Fn(usize) -> bool) -> Self {
        let mut bitmap = Self::none(rows);
        (0..rows).filter(|row| takes(*row)).for_each(|row| bitmap.insert(row));
        bitmap
    }

    /// Rows that could be in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row; one that is not there is none.
    pub fn insert(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / BITS] |= 1 << (row % BITS);
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / BITS] &= !(1 << (row % BITS));
        }
    }

    /// Whether a row is in it.
    pub fn contains(&self, row: usize) -> bool {
        self.words.get(row / BITS).is_some_and(|word| word >> (row % BITS) & 1 == 1)
    }

    /// Rows that are in it.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many rows of a range that begins at a word are in it.
    pub(crate) fn count_in(&self, range: &Range<usize>) -> usize {
        debug_assert!(range.start.is_multiple_of(BITS));
        self.words_in(range).map(|(_, word)| word.count_ones() as usize).sum()
    }

    /// The rows of such a range that are in it, in order.
    pub(crate) fn rows_in(&self, range: &Range<usize>) -> impl Iterator<Item = usize> {
        self.words_in(range).flat_map(|(first, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(first + bit)
            })
        })
    }

    /// The words of such a range, each with its first row; bits behind the range's end are off.
    fn words_in(&self, range: &Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let (first, end) = (range.start / BITS, range.end.min(self.rows));
        let words = self.words.get(first..end.div_ceil(BITS)).unwrap_or_default();
        words.iter().enumerate().map(move |(n, word)| {
            let row = (first + n) * BITS;
            let beyond = (row + BITS).saturating_sub(end);
            (row, word & (u64::MAX >> beyond))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let mut bitmap = Bitmap::of(rows, |row| row % 3 == 0);
            assert_eq!(bitmap.count(), rows.div_ceil(3));
            bitmap.remove(3);
            bitmap.insert(4);
            bitmap.insert(rows);
            let is = |row: usize| row < rows && (row == 4 || row % 3 == 0 && row != 3);
            assert!((0..rows + 70).all(|row| bitmap.contains(row) == is(row)));
            for start in (0..rows + 65).step_by(64) {
                for end in start..rows + 3 {
                    let expected: Vec<usize> = (start..end).filter(|row| is(*row)).collect();
                    assert_eq!(bitmap.rows_in(&(start..end)).collect::<Vec<_>>(), expected);
                    assert_eq!(bitmap.count_in(&(start..end)), expected.len());
                }
            }
        }
    }
}
