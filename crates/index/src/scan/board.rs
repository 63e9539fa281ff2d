//! Who scans what next: searches of the same rows travel through them together.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Source, search::Search};

/// The sources that are being scanned, in turn.
#[derive(Default)]
pub(super) struct Board {
    rounds: VecDeque<Round>,
}

/// Blocks of one source, handed out over and over while there are searches.
struct Round {
    source: Arc<dyn Source>,
    shape: Shape,
    /// The next block.
    next: usize,
    /// Blocks handed out so far.
    handed: u64,
    /// Searches under way, each with the count of blocks at which it has been handed all.
    riders: VecDeque<(u64, Arc<Search>)>,
    /// The same, as the threads get them.
    shared: Arc<[Arc<Search>]>,
    waiting: VecDeque<Arc<Search>>,
}

/// How a source is cut.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) dim: usize,
    /// Rows of a block; whole words of a bitmap.
    pub(super) block: usize,
}

impl Shape {
    pub(super) fn blocks(self) -> usize {
        self.rows.div_ceil(self.block)
    }
}

/// A block to be looked at.
pub(super) struct Piece {
    pub(super) source: Arc<dyn Source>,
    pub(super) dim: usize,
    pub(super) rows: Range<usize>,
    pub(super) searches: Arc<[Arc<Search>]>,
}

impl Board {
    /// Puts a search where others of the same source are.
    pub(super) fn add(&mut self, source: Arc<dyn Source>, shape: Shape, search: Arc<Search>) {
        let same = |round: &&mut Round| std::ptr::addr_eq(Arc::as_ptr(&round.source), Arc::as_ptr(&source));
        match self.rounds.iter_mut().find(same) {
            Some(round) => round.waiting.push_back(search),
            None => self.rounds.push_back(Round {
                source,
                shape,
                next: 0,
                handed: 0,
                riders: VecDeque::new(),
                shared: Arc::new([]),
                waiting: VecDeque::from([search]),
            }),
        }
    }

    /// The next block: of each source in turn, so that none waits for another's searches to end.
    pub(super) fn claim(&mut self, together: usize) -> Option<Piece> {
        loop {
            let mut round = self.rounds.pop_front()?;
            round.board(together);
            if round.riders.is_empty() {
                continue;
            }
            let piece = round.hand();
            self.rounds.push_back(round);
            return Some(piece);
        }
    }

    /// All searches, which end here.
    pub(super) fn clear(&mut self) -> Vec<Arc<Search>> {
        let rounds = self.rounds.drain(..);
        rounds
            .flat_map(|round| round.riders.into_iter().map(|(_, search)| search).chain(round.waiting))
            .collect()
    }
}

impl Round {
    /// Lets off who has been handed every block or went away, and on who waits.
    fn board(&mut self, together: usize) {
        let (before, handed) = (self.riders.len(), self.handed);
        self.riders.retain(|(end, search)| *end > handed && !search.is_over());
        let mut changed = self.riders.len() != before;
        while self.riders.len() < together
            && let Some(search) = self.waiting.pop_front()
        {
            if !search.is_over() {
                self.riders.push_back((handed + self.shape.blocks() as u64, search));
                changed = true;
            }
        }
        if changed {
            self.shared = self.riders.iter().map(|(_, search)| Arc::clone(search)).collect();
        }
    }

    fn hand(&mut self) -> Piece {
        let start = self.next * self.shape.block;
        self.next = (self.next + 1) % self.shape.blocks();
        self.handed += 1;
        Piece {
            source: Arc::clone(&self.source),
            dim: self.shape.dim,
            rows: start..(start + self.shape.block).min(self.shape.rows),
            searches: Arc::clone(&self.shared),
        }
    }
}

/// A lock that a panic elsewhere does not close: nothing of ours is left half done under it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
