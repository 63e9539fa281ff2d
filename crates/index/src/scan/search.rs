//! One search under way: what it asks for, what each thread has found for it, whom it is for.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use fondue_kernels::Query;

use super::{
    Accept, Done, ScanError,
    top::{Floor, Top},
};
use crate::{Bitmap, Hit};

pub(super) struct Search {
    pub(super) query: Query,
    /// How far a score of codes may be from that of the row as it was, in scales of the row, and beyond them.
    pub(super) margin: f32,
    k: usize,
    admit: Option<Arc<Bitmap>>,
    accept: Option<Accept>,
    /// Below this a row cannot be among the best: some thread has k better ones.
    floor: Floor,
    /// One for each thread, so that none waits for another.
    tops: Vec<Mutex<Top>>,
    /// Blocks that are not done yet.
    left: AtomicUsize,
    over: AtomicBool,
    done: Mutex<Option<Done>>,
}

/// How a block's rows are looked at.
pub(super) enum Look {
    None,
    Picked,
    All,
}

impl Search {
    pub(super) fn new(
        query: &[f32],
        k: usize,
        filters: (Option<Arc<Bitmap>>, Option<Accept>),
        (members, blocks): (usize, usize),
        done: Option<Done>,
    ) -> Result<Self, ScanError> {
        Ok(Self {
            query: Query::new(query).map_err(|_| ScanError::Memory)?,
            margin: super::bound::margin(query),
            k,
            admit: filters.0,
            accept: filters.1,
            floor: Floor::new(),
            tops: (0..members).map(|_| Mutex::new(Top::new(k))).collect(),
            left: AtomicUsize::new(blocks),
            over: AtomicBool::new(false),
            done: Mutex::new(done),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// How a block is to be looked at, where picking pays below one row in `sparse`.
    pub(super) fn look(&self, rows: &Range<usize>, sparse: usize) -> Look {
        match self.admit.as_ref().map(|admit| admit.count_in(rows)) {
            Some(0) => Look::None,
            Some(n) if n * sparse < rows.len() => Look::Picked,
            _ => Look::All,
        }
    }

    /// The admitted rows of a block, counted from its first.
    pub(super) fn picks(&self, rows: &Range<usize>, picks: &mut Vec<u32>) {
        picks.clear();
        if let Some(admit) = &self.admit {
            picks.extend(admit.rows_in(rows).map(|row| (row - rows.start) as u32));
        }
    }

    /// What a thread has found.
    pub(super) fn best(&self, member: usize) -> Best<'_> {
        let top = self.tops[member].lock().unwrap_or_else(PoisonError::into_inner);
        let floor = top.floor().max(self.floor.get());
        Best { search: self, top, floor }
    }

    /// A block is done; after the last one the search ends.
    pub(super) fn block_done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end(Ok(()));
        }
    }

    /// The hits, best first.
    pub(super) fn take_hits(&self) -> Vec<Hit> {
        let take = |top: &Mutex<Top>| {
            std::mem::replace(&mut *top.lock().unwrap_or_else(PoisonError::into_inner), Top::new(self.k))
        };
        Top::merge(self.k, self.tops.iter().map(take))
    }

    /// Tells the caller, once; what comes later changes nothing.
    pub(super) fn end(&self, result: Result<(), ScanError>) {
        self.over.store(true, Ordering::Relaxed);
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(done) = done {
            let result = result.map(|()| self.take_hits());
            // A caller that panics must not take a scanning thread with it.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(result)));
        }
    }
}

/// What one thread has found for a search.
pub(super) struct Best<'a> {
    search: &'a Search,
    top: MutexGuard<'a, Top>,
    /// A row of a lower score is not taken.
    pub(super) floor: f32,
}

impl Best<'_> {
    /// Takes a row if it is among the best and is to be found. The tests are asked only then: they are the slow part.
    pub(super) fn offer(&mut self, row: usize, score: f32) {
        // Rounding carries unit vectors a little beyond 1; and there is one zero.
        let hit = Hit { row, score: score.clamp(-1.0, 1.0) + 0.0 };
        let admitted = |admit: &Arc<Bitmap>| admit.contains(row);
        if !self.top.takes(hit)
            || !self.search.admit.as_ref().is_none_or(admitted)
            || !self.search.accept.as_ref().is_none_or(|accept| accept(row))
        {
            return;
        }
        self.top.put(hit);
        let floor = self.top.floor();
        if floor > self.floor {
            self.floor = floor;
            self.search.floor.raise(floor);
        }
    }
}
