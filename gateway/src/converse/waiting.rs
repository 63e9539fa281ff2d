//! The turns of a conversation that wait for the running one: few, and not many bytes. Pure.

use std::collections::VecDeque;

use fondue_proto::dialogue::Turn;
use prost::Message;

use crate::{config::Limits, failure::Failure};

/// Turns in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    turns: VecDeque<(u32, Turn)>,
    n_bytes: usize,
}

impl Waiting {
    /// Takes turn `number`. With `runs` it has to wait, and must fit beside those that wait already.
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
        let most = limits.waiting_turns;
        if runs && self.turns.len() >= most {
            return Err(Failure::busy(format!("{most} turns are waiting, the limit; wait for an answer")));
        }
        let n_bytes = self.n_bytes.saturating_add(turn.encoded_len());
        let most = limits.waiting_bytes;
        if runs && n_bytes > most {
            let message = format!(
                "the turns that wait would have {n_bytes} bytes, the limit is {most} (max_waiting_bytes); wait for an \
                 answer"
            );
            return Err(Failure::busy(message));
        }
        self.n_bytes = n_bytes;
        self.turns.push_back((number, turn));
        Ok(())
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<(u32, Turn)> {
        let (number, turn) = self.turns.pop_front()?;
        self.n_bytes = self.n_bytes.saturating_sub(turn.encoded_len());
        Some((number, turn))
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
