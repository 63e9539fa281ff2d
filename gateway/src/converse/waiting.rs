//! The turns and edits of a conversation that wait for the running turn: few, and not many bytes.

use std::collections::VecDeque;

use fondue_proto::dialogue::{BranchHistory, Turn, UndoTurns};
use prost::Message;

use crate::{config::Limits, failure::Failure, measures};

/// A change of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    Undo(UndoTurns),
    Reset,
    Branch(BranchHistory),
}

/// What waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// A turn and its number.
    Turn(u32, Box<Turn>),
    Edit(Edit),
    /// So many edits that found no room: each is answered when it is its turn, so that answers keep the order of the edits.
    Refused(u32),
}

impl Next {
    fn n_bytes(&self) -> usize {
        match self {
            Self::Turn(_, turn) => turn.encoded_len(),
            Self::Edit(_) | Self::Refused(_) => 0,
        }
    }
}

/// Turns and edits in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<Next>,
    n_bytes: usize,
}

impl Waiting {
    /// Takes turn `number`. With `runs` it has to wait, and must fit beside what waits already.
    ///
    /// # Errors
    /// Busy [`Failure`] that names the limit.
    pub(super) fn push(
        &mut self,
        number: u32,
        turn: Turn,
        runs: bool,
        limits: &Limits,
    ) -> Result<(), Failure> {
        if runs && self.is_full(limits) {
            return Err(full(limits));
        }
        let next = Next::Turn(number, Box::new(turn));
        let n_bytes = self.n_bytes.saturating_add(next.n_bytes());
        let most = limits.waiting_bytes;
        if runs && n_bytes > most {
            let message = format!(
                "the turns that wait would have {n_bytes} bytes, the limit is {most} (max_waiting_bytes); wait for an \
                 answer"
            );
            return Err(Failure::busy(message));
        }
        self.n_bytes = n_bytes;
        self.queue.push_back(next);
        measures::waits();
        Ok(())
    }

    /// Takes an edit, or notes that it found no room.
    pub(super) fn push_edit(&mut self, edit: Edit, runs: bool, limits: &Limits) {
        let fits = !(runs && self.is_full(limits));
        match self.queue.back_mut() {
            _ if fits => self.queue.push_back(Next::Edit(edit)),
            Some(Next::Refused(n)) => *n = n.saturating_add(1),
            _ => self.queue.push_back(Next::Refused(1)),
        }
    }

    /// The oldest; of edits that found no room, all that were sent together.
    pub(super) fn pop(&mut self) -> Option<Next> {
        let next = self.queue.pop_front()?;
        self.n_bytes = self.n_bytes.saturating_sub(next.n_bytes());
        if matches!(next, Next::Turn(..)) {
            measures::wait_no_more(1);
        }
        Some(next)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.queue.iter().filter(|next| !matches!(next, Next::Refused(_))).count() >= limits.waiting_turns
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        measures::wait_no_more(self.queue.iter().filter(|next| matches!(next, Next::Turn(..))).count());
    }
}

/// Why a turn or an edit is refused that may not wait.
pub(super) fn full(limits: &Limits) -> Failure {
    let most = limits.waiting_turns;
    Failure::busy(format!("{most} turns and edits are waiting, the limit; wait for an answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_take_room_and_those_without_keep_their_place() {
        let args: crate::config::Args = clap::Parser::parse_from(["fondue-gateway", "--max-waiting-turns=2"]);
        let limits = args.resolve().unwrap().limits;
        let mut waiting = Waiting::default();
        assert!(waiting.push(1, Turn::default(), true, &limits).is_ok());
        (0..4).for_each(|_| waiting.push_edit(Edit::Reset, true, &limits));
        assert!(waiting.push(2, Turn::default(), true, &limits).is_err(), "the edit has its room");
        assert_eq!(waiting.pop(), Some(Next::Turn(1, Box::default())));
        waiting.push_edit(Edit::Undo(UndoTurns { turns: 1 }), true, &limits);
        assert_eq!(waiting.pop(), Some(Next::Edit(Edit::Reset)));
        assert_eq!(waiting.pop(), Some(Next::Refused(3)));
        assert_eq!(waiting.pop(), Some(Next::Edit(Edit::Undo(UndoTurns { turns: 1 }))));
        assert!(waiting.is_empty() && waiting.pop().is_none());
    }
}
