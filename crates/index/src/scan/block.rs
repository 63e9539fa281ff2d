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

    /// Looks at the rows of `range` for all of these searches.
    pub(super) fn block(
        &mut self,
        rows: Rows<'_>,
        dim: usize,
        range: &Range<usize>,
        searches: &[Arc<Search>],
    ) {
        let Some(block) = Block::new(rows, dim, range) else {
            return searches.iter().for_each(|search| search.end(Err(ScanError::Shape { dim })));
        };
        let mut all: Vec<&Search> = Vec::with_capacity(searches.len());
        for search in searches.iter().filter(|search| !search.is_over()) {
            match search.look(range) {
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
        for (search, scores) in searches.iter().zip(scores.chunks_exact(block.rows)) {
            self.take(block, search, scores, |n| n);
        }
        self.scores = scores;
    }

    fn some(&mut self, block: Block<'_>, search: &Search, range: &Range<usize>) {
        let (mut scores, mut picks) = (std::mem::take(&mut self.scores), std::mem::take(&mut self.picks));
        search.picks(range, &mut picks);
        scores.resize(picks.len(), 0.0);
        dots_of(self.machine, block.stored, &picks, &search.query, &mut scores);
        self.take(block, search, &scores, |n| picks[n] as usize);
        (self.scores, self.picks) = (scores, picks);
    }

    /// Keeps the best of a block's scores; `row` tells of which row of the block each is.
    fn take(&mut self, block: Block<'_>, search: &Search, scores: &[f32], row: impl Fn(usize) -> usize) {
        let work = || {
            let mut best = search.best(self.member);
            match block.exact {
                None => direct(block, &mut best, scores, row),
                Some(exact) => {
                    let near =
                        Near { machine: self.machine, exact, query: &search.query, margin: search.margin };
                    near.take(block, &mut best, scores, row, &mut self.open);
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

/// Scores of codes, which are near the rows' own.
struct Near<'a> {
    machine: Machine,
    /// The block's rows as they were, and the scales of their codes.
    exact: (&'a [f32], &'a [f32]),
    query: &'a Query,
    margin: f32,
}

impl Near<'_> {
    /// Scores again, from the rows as they were, what may be among the best by its codes: all rows of which the highest
    /// possible score reaches the floor, the most promising first, so that the floor rises soon.
    fn take(
        &self,
        block: Block<'_>,
        best: &mut Best<'_>,
        scores: &[f32],
        row: impl Fn(usize) -> usize,
        open: &mut Vec<(f32, u32)>,
    ) {
        let (values, scales) = self.exact;
        let beyond = bound::SMALLEST * f32::from(u16::MAX);
        // Anything that is no ordinary number is looked at too.
        let may = |highest: f32, floor: f32| {
            highest >= floor || highest.partial_cmp(&f32::MIN) != Some(std::cmp::Ordering::Greater)
        };
        open.clear();
        for (n, step) in scores.chunks(STEP).enumerate() {
            let mut highest = [f32::NEG_INFINITY; STEP];
            let mut any = false;
            for (m, score) in step.iter().enumerate() {
                highest[m] = score + (scales[row(n * STEP + m)] * self.margin + beyond);
                any |= may(highest[m], best.floor);
            }
            if any {
                for (m, highest) in highest[..step.len()].iter().enumerate() {
                    if may(*highest, best.floor) {
                        open.push((*highest, row(n * STEP + m) as u32));
                    }
                }
            }
        }
        open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut again, mut rows) = ([0f32; AGAIN], [0u32; AGAIN]);
        for part in open.chunks(AGAIN) {
            let mut n = 0;
            for (_, row) in part.iter().filter(|(highest, _)| may(*highest, best.floor)) {
                rows[n] = *row;
                n += 1;
            }
            dots_of(self.machine, Stored::F32(values), &rows[..n], self.query, &mut again[..n]);
            for (row, score) in rows[..n].iter().zip(&again) {
                best.offer(block.first + *row as usize, *score);
            }
        }
    }
}
