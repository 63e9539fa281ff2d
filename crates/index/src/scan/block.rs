//! One block of rows for all searches that look at it.

use std::{ops::Range, sync::Arc};

use fondue_kernels::{Machine, Query, Stored, dots, dots_of};

use super::{
    ScanError, bound,
    search::{Best, Look, Search},
};
use crate::Rows;

/// Queries that are applied to a block at once: their scores and themselves stay in the caches.
const TOGETHER: usize = 16;
/// Scores that are compared with the floor at once.
const STEP: usize = 16;
/// Rows that are scored again at once.
const AGAIN: usize = 8;
/// Bytes of rows that are scored before the best are taken of them: they stay in the second cache for more queries.
const STEP_BYTES: usize = 256 << 10;
/// Rows of such a step, at most: their scores stay there too.
const MAX_STEP: usize = 1024;
/// Rows are cut at whole words of a bitmap.
const WORD: usize = 64;

/// Where the admitted rows are fewer than one in so many they are picked out: that reads less, but in no order that the
/// machine could foresee, and shares nothing with other searches. Measured at 256 dimensions.
fn sparse(row_bytes: usize, searches: usize) -> usize {
    const IN_COMPANY: usize = 8;
    if searches == 1 { (2 + 1200 / row_bytes).min(IN_COMPANY) } else { IN_COMPANY }
}

/// As many whole words of rows, at least one.
pub(super) fn whole_words(rows: usize) -> usize {
    (rows / WORD * WORD).max(WORD)
}

/// Rows there are of `dim` values, if the slices say the same of it.
pub(super) fn count(rows: Rows<'_>, dim: usize) -> Result<usize, ScanError> {
    let whole = |values: usize| values.checked_div(dim).filter(|rows| rows * dim == values);
    let rows = match rows {
        Rows::F32(values) => whole(values.len()),
        Rows::F16(bits) => whole(bits.len()),
        Rows::Int8 { codes, scales, exact } => {
            whole(codes.len()).filter(|rows| scales.len() == *rows && exact.len() == codes.len())
        }
    };
    rows.ok_or(ScanError::Shape { dim })
}

/// Bytes of a row that a scan reads.
pub(super) fn row_bytes(rows: Rows<'_>, dim: usize) -> usize {
    match rows {
        Rows::F32(_) => dim * size_of::<f32>(),
        Rows::F16(_) => dim * size_of::<u16>(),
        Rows::Int8 { .. } => dim + size_of::<f32>(),
    }
}

/// One thread's own memory.
pub(super) struct Worker {
    machine: Machine,
    member: usize,
    scores: Vec<f32>,
    picks: Vec<u32>,
    /// Rows of which the codes' scores leave open whether they are among the best, with the best that they may have.
    open: Vec<(f32, u32)>,
}

/// The rows of one block, which begins with row `first` of all.
#[derive(Clone, Copy)]
struct Block<'a> {
    first: usize,
    rows: usize,
    stored: Stored<'a>,
    /// With codes: the same rows as they were, and their scales.
    exact: Option<(&'a [f32], &'a [f32])>,
}

impl<'a> Block<'a> {
    fn new(rows: Rows<'a>, dim: usize, range: &Range<usize>) -> Option<Self> {
        let values = range.start * dim..range.end * dim;
        let (stored, exact) = match rows {
            Rows::F32(all) => (Stored::F32(all.get(values)?), None),
            Rows::F16(all) => (Stored::F16(all.get(values)?), None),
            Rows::Int8 { codes, scales, exact } => {
                let scales = scales.get(range.clone())?;
                let stored = Stored::Int8 { codes: codes.get(values.clone())?, scales };
                (stored, Some((exact.get(values)?, scales)))
            }
        };
        Some(Self { first: range.start, rows: range.len(), stored, exact })
    }
}

impl Worker {
    pub(super) fn new(machine: Machine, member: usize) -> Self {
        Self { machine, member, scores: Vec::new(), picks: Vec::new(), open: Vec::new() }
    }

    /// Looks at the rows of `range`, which begins at a word of a bitmap, for all of these searches.
    pub(super) fn block(
        &mut self,
        rows: Rows<'_>,
        dim: usize,
        range: &Range<usize>,
        searches: &[Arc<Search>],
    ) {
        let row_bytes = row_bytes(rows, dim);
        let (step, sparse) =
            (whole_words(STEP_BYTES / row_bytes).min(MAX_STEP), sparse(row_bytes, searches.len()));
        for start in range.clone().step_by(step) {
            let range = start..(start + step).min(range.end);
            let Some(block) = Block::new(rows, dim, &range) else {
                return searches.iter().for_each(|search| search.end(Err(ScanError::Shape { dim })));
            };
            self.step(block, &range, sparse, searches);
        }
    }

    fn step(&mut self, block: Block<'_>, range: &Range<usize>, sparse: usize, searches: &[Arc<Search>]) {
        let mut all: Vec<&Search> = Vec::with_capacity(searches.len());
        for search in searches.iter().filter(|search| !search.is_over()) {
            match search.look(range, sparse) {
                Look::None => {}
                Look::Picked => self.some(block, search, range),
                Look::All => all.push(search),
            }
        }
        for searches in all.chunks(TOGETHER) {
            self.all(block, searches);
        }
    }

    fn all(&mut self, block: Block<'_>, searches: &[&Search]) {
        let mut scores = std::mem::take(&mut self.scores);
        scores.resize(searches.len() * block.rows, 0.0);
        let mut queries = [&searches[0].query; TOGETHER];
        queries.iter_mut().zip(searches).for_each(|(query, search)| *query = &search.query);
        dots(self.machine, block.stored, &queries[..searches.len()], &mut scores);
        for (search, scores) in searches.iter().zip(scores.chunks_exact_mut(block.rows)) {
            if let Some((_, scales)) = block.exact {
                let highest =
                    |(score, scale): (&mut f32, &f32)| *score = bound::highest(*score, *scale, search.margin);
                scores.iter_mut().zip(scales).for_each(highest);
            }
            self.take(block, search, scores, |n| n);
        }
        self.scores = scores;
    }

    fn some(&mut self, block: Block<'_>, search: &Search, range: &Range<usize>) {
        let (mut scores, mut picks) = (std::mem::take(&mut self.scores), std::mem::take(&mut self.picks));
        search.picks(range, &mut picks);
        scores.resize(picks.len(), 0.0);
        dots_of(self.machine, block.stored, &picks, &search.query, &mut scores);
        if let Some((_, scales)) = block.exact {
            let highest = |(score, row): (&mut f32, &u32)| {
                *score = bound::highest(*score, scales[*row as usize], search.margin)
            };
            scores.iter_mut().zip(&picks).for_each(highest);
        }
        self.take(block, search, &scores, |n| picks[n] as usize);
        (self.scores, self.picks) = (scores, picks);
    }

    /// Keeps the best of a block's scores, or of the highest that the rows may have by their codes; `row` tells of which row
    /// of the block each is.
    fn take(&mut self, block: Block<'_>, search: &Search, scores: &[f32], row: impl Fn(usize) -> usize) {
        let work = || {
            let mut best = search.best(self.member);
            match block.exact {
                None => direct(block, &mut best, scores, row),
                Some((values, _)) => {
                    let again = Again { machine: self.machine, values, query: &search.query };
                    again.take(block, &mut best, scores, row, &mut self.open);
                }
            }
        };
        // The search's own test of rows is foreign code.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            search.end(Err(ScanError::Predicate));
        }
    }
}

/// Offers the rows whose scores reach the floor: most do not.
fn direct(block: Block<'_>, best: &mut Best<'_>, scores: &[f32], row: impl Fn(usize) -> usize) {
    for (n, step) in scores.chunks(STEP).enumerate() {
        if !step.iter().fold(false, |any, score| any | (*score >= best.floor)) {
            continue;
        }
        for (m, score) in step.iter().enumerate() {
            if *score >= best.floor {
                best.offer(block.first + row(n * STEP + m), *score);
            }
        }
    }
}

/// Scores rows again, from what they were.
struct Again<'a> {
    machine: Machine,
    /// The block's rows.
    values: &'a [f32],
    query: &'a Query,
}

impl Again<'_> {
    /// Offers the rows of which the highest possible score reaches the floor, by their own score; the most promising first,
    /// so that the floor rises soon.
    fn take(
        &self,
        block: Block<'_>,
        best: &mut Best<'_>,
        highest: &[f32],
        row: impl Fn(usize) -> usize,
        open: &mut Vec<(f32, u32)>,
    ) {
        // What is no ordinary number is looked at too.
        let may =
            |highest: f32, floor: f32| (highest >= floor) | highest.is_nan() | (highest == f32::NEG_INFINITY);
        open.clear();
        for (n, step) in highest.chunks(STEP).enumerate() {
            if step.iter().fold(false, |any, highest| any | may(*highest, best.floor)) {
                let some = step.iter().enumerate().filter(|(_, highest)| may(**highest, best.floor));
                open.extend(some.map(|(m, highest)| (*highest, row(n * STEP + m) as u32)));
            }
        }
        open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut scores, mut rows) = ([0f32; AGAIN], [0u32; AGAIN]);
        for part in open.chunks(AGAIN) {
            let mut n = 0;
            for (_, row) in part.iter().filter(|(highest, _)| may(*highest, best.floor)) {
                rows[n] = *row;
                n += 1;
            }
            dots_of(self.machine, Stored::F32(self.values), &rows[..n], self.query, &mut scores[..n]);
            for (row, score) in rows[..n].iter().zip(&scores) {
                best.offer(block.first + *row as usize, *score);
            }
        }
    }
}
