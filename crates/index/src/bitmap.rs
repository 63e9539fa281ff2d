//! A set of rows, one bit each.

use std::ops::Range;

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

/// Some of `rows` rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    rows: usize,
}

impl Bitmap {
    /// No row.
    pub fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(BITS)], rows }
    }

    /// Every row.
    pub fn all(rows: usize) -> Self {
        let mut all = Self { words: vec![u64::MAX; rows.div_ceil(BITS)], rows };
        all.clear_rest();
        all
    }

    /// The rows that the test takes.
    pub fn of(rows: usize, takes: impl Fn(usize) -> bool) -> Self {
        let mut bitmap = Self::none(rows);
        (0..rows).filter(|row| takes(*row)).for_each(|row| bitmap.insert(row));
        bitmap
    }

    /// The rows whose value is to be there.
    pub(crate) fn matching<T: Copy>(values: &[T], wanted: impl Fn(T) -> bool) -> Self {
        let word = |part: &[T]| {
            let bit = |(at, value): (usize, &T)| u64::from(wanted(*value)) << at;
            part.iter().enumerate().map(bit).fold(0, |word, bit| word | bit)
        };
        Self { words: values.chunks(BITS).map(word).collect(), rows: values.len() }
    }

    /// Rows that there are, in the set or not.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether a row is in the set.
    pub fn contains(&self, row: usize) -> bool {
        row < self.rows && self.words.get(row / BITS).is_some_and(|word| word >> (row % BITS) & 1 == 1)
    }

    /// Puts a row into the set; one beyond the last does nothing.
    pub fn insert(&mut self, row: usize) {
        if row < self.rows
            && let Some(word) = self.words.get_mut(row / BITS)
        {
            *word |= 1 << (row % BITS);
        }
    }

    /// Takes a row out of the set.
    pub fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / BITS) {
            *word &= !(1 << (row % BITS));
        }
    }

    /// Keeps what the other one has, too.
    pub fn intersect(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Takes out what the other one has.
    pub fn subtract(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// What was in is out, and the other way round.
    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_rest();
    }

    /// 64 rows a word, the first one in the lowest bit; bits behind the last row are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The rows in the set, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words_in(0..self.rows).flat_map(bits)
    }

    /// How many rows of a range that begins at a word are in the set.
    pub(crate) fn count_in(&self, range: &Range<usize>) -> usize {
        debug_assert!(range.start.is_multiple_of(BITS));
        self.words_in(range.clone()).map(|(_, word)| word.count_ones() as usize).sum()
    }

    /// The rows of such a range that are in the set, rising.
    pub(crate) fn rows_in(&self, range: &Range<usize>) -> impl Iterator<Item = usize> + use<'_> {
        self.words_in(range.clone()).flat_map(bits)
    }

    /// The words of such a range, each with its first row; bits behind the range's end are off.
    fn words_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let (first, end) = (range.start / BITS, range.end.min(self.rows));
        let words = self.words.get(first..end.div_ceil(BITS)).unwrap_or_default();
        words.iter().enumerate().map(move |(n, word)| {
            let row = (first + n) * BITS;
            let beyond = (row + BITS).saturating_sub(end);
            (row, word & (u64::MAX >> beyond))
        })
    }

    fn clear_rest(&mut self) {
        let used = self.rows % BITS;
        if used > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }
}

/// The rows of a word, whose lowest bit is `first`.
fn bits((first, mut word): (usize, u64)) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(first + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_what_they_should_be_at_every_length() {
        for rows in [0, 1, 63, 64, 65, 127, 128, 200] {
            let (all, mut thirds) = (Bitmap::all(rows), Bitmap::none(rows));
            assert_eq!((all.count(), thirds.count()), (rows, 0));
            (0..rows + 5).step_by(3).for_each(|row| thirds.insert(row));
            assert_eq!(thirds.iter().collect::<Vec<_>>(), (0..rows).step_by(3).collect::<Vec<_>>());
            let values: Vec<usize> = (0..rows).collect();
            assert_eq!(Bitmap::matching(&values, |value| value.is_multiple_of(3)), thirds);
            let mut others = thirds.clone();
            others.invert();
            assert_eq!(others.count(), rows - thirds.count());
            assert!((0..rows + 70).all(|row| others.contains(row) == (row < rows && !row.is_multiple_of(3))));
            let mut both = others.clone();
            both.intersect(&thirds);
            assert_eq!(both.count(), 0);
            let mut rest = all;
            rest.subtract(&others);
            assert_eq!(rest, thirds);
            rest.remove(0);
            rest.remove(rows + 1000);
            assert!(!rest.contains(0));
        }
    }

    #[test]
    fn holds_what_was_put_in() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let mut bitmap = Bitmap::of(rows, |row| row.is_multiple_of(3));
            assert_eq!(bitmap.count(), rows.div_ceil(3));
            bitmap.remove(3);
            bitmap.insert(4);
            bitmap.insert(rows);
            let is = |row: usize| row < rows && (row == 4 || row.is_multiple_of(3) && row != 3);
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
