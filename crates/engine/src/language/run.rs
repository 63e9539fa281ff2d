//! A sequence's way through the model: which positions are known, which of them were run, and where their keys and
//! values lie.

use fondue_domain::TokenId;
use fondue_model::{BLOCK, BlockId, Chunk, ModelError};
use tch::Tensor;

use super::{
    key::Chain,
    pages::{Pages, Table},
};

/// Input vectors of the positions behind those that were run.
enum Next {
    Nothing,
    /// `[n, word_dim]`, n ≥ 1.
    Vectors(Tensor),
    /// A token that was just sampled: its vector is looked up with those of the other sequences.
    Token(TokenId),
}

/// See the module.
pub(super) struct Run {
    chain: Chain,
    table: Table,
    /// Positions whose keys and values are in the blocks.
    filled: usize,
    /// Blocks that have their name.
    named: usize,
    next: Next,
}

/// What became of a try to enter the pool.
#[derive(Debug, PartialEq)]
pub(super) enum Entry {
    /// It is in; so many positions were there already.
    Cached(usize),
    /// There are not enough blocks now.
    NoRoom,
}

impl Run {
    pub(super) fn new(chain: Chain) -> Self {
        Self { chain, table: Table::default(), filled: 0, named: 0, next: Next::Nothing }
    }

    /// Takes blocks for `room` positions, known beginnings from what is kept, if `spare` more stay to be had.
    ///
    /// `reusable` positions at most come from what is kept, and never the last one, whose state is wanted.
    pub(super) fn enter(&mut self, pages: &mut Pages, reusable: usize, room: usize, spare: usize) -> Entry {
        let reusable = reusable.min(self.chain.len().saturating_sub(1)) / BLOCK;
        let mut table = pages.find(&self.chain.keys()[..reusable]);
        let cached = table.blocks().len();
        let missing = room.div_ceil(BLOCK).saturating_sub(cached);
        if pages.available() < missing + spare || !pages.extend(&mut table, room) {
            pages.release(&mut table);
            return Entry::NoRoom;
        }
        (self.table, self.filled, self.named) = (table, cached * BLOCK, cached);
        Entry::Cached(self.filled)
    }

    /// Gives the blocks back; what was run is known no more, but by what is kept.
    pub(super) fn leave(&mut self, pages: &mut Pages) {
        pages.release(&mut self.table);
        (self.filled, self.named, self.next) = (0, 0, Next::Nothing);
    }

    /// Room for one more position.
    pub(super) fn grow(&mut self, pages: &mut Pages) -> bool {
        pages.extend(&mut self.table, self.filled + 1)
    }

    /// Vectors of all known positions, `[positions, word_dim]`; those that were not run are to be.
    pub(super) fn set_known(&mut self, vectors: &Tensor) -> Result<(), ModelError> {
        let left = vectors.size()[0] - self.filled as i64;
        self.next = Next::Vectors(vectors.f_narrow(0, self.filled as i64, left)?);
        Ok(())
    }

    /// Goes back to the first `filled` positions and on from there with other ones, which nobody will ask for again.
    pub(super) fn branch(&mut self, filled: usize, vectors: Tensor) {
        (self.filled, self.next) = (filled, Next::Vectors(vectors));
    }

    /// A token behind all that was run.
    pub(super) fn push(&mut self, token: TokenId) {
        self.chain.push(token);
        self.next = Next::Token(token);
    }

    /// The token to look up for the next step.
    pub(super) fn token(&self) -> Option<TokenId> {
        if let Next::Token(token) = self.next { Some(token) } else { None }
    }

    /// Positions to run.
    pub(super) fn wanted(&self) -> usize {
        match &self.next {
            Next::Nothing => 0,
            Next::Vectors(vectors) => vectors.size()[0] as usize,
            Next::Token(_) => 1,
        }
    }

    /// Positions that were run.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Positions that are known.
    pub(super) fn known(&self) -> usize {
        self.chain.len()
    }

    /// The next `rows` positions for the model; `looked_up`, `[1, word_dim]`, is the vector of [`Run::token`].
    pub(super) fn chunk(&self, rows: usize, looked_up: Option<Tensor>) -> Result<Chunk<'_>, ModelError> {
        let vectors = match (&self.next, looked_up) {
            (Next::Vectors(vectors), _) => vectors.f_narrow(0, 0, rows as i64)?,
            (_, Some(vector)) => vector,
            _ => return Err(ModelError::Shape { what: "a sequence's new rows", got: 0, expected: rows }),
        };
        Ok(Chunk { vectors, start: self.filled, blocks: self.blocks() })
    }

    fn blocks(&self) -> &[BlockId] {
        self.table.blocks()
    }

    /// The next `rows` positions were run. Blocks that are full now can be found by others.
    pub(super) fn advance(&mut self, rows: usize, pages: &mut Pages) -> Result<(), ModelError> {
        let left = self.wanted().saturating_sub(rows);
        self.next = match &self.next {
            Next::Vectors(vectors) if left > 0 => {
                Next::Vectors(vectors.f_narrow(0, rows as i64, left as i64)?)
            }
            _ => Next::Nothing,
        };
        self.filled += rows;
        // A branch's positions are not in the chain.
        while self.named < self.chain.keys().len().min(self.filled / BLOCK) {
            pages.publish(&mut self.table, self.named, self.chain.keys()[self.named]);
            self.named += 1;
        }
        Ok(())
    }
}
