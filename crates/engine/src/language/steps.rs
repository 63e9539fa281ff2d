//! An answer's way in its caller's trace: what it waits for, what is run for it, what it says when.
//!
//! ```text
//! generate ─┬─ queue           until it has a slot and blocks
//!           ├─ prefix_lookup   what is known of the prompt already
//!           ├─ prefill         the rest of the prompt; an event for each piece
//!           └─ decode          the tokens; events for the first one and for each [RET]
//! ```
//! One that makes room for others waits and is run again: `queue`, `prefix_lookup` and `prefill` come once more, within
//! `decode`'s time. No span is there for a token, and none at all where nobody records them.

use std::time::Duration;

use tracing::{Span, field};

use super::job::{FinishReason, Usage};

/// A number as traces have them: what is not signed would be a text there.
fn n(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The spans that are open. They are never entered: they end when they are dropped.
#[derive(Default)]
pub(super) struct Steps {
    queue: Option<Span>,
    prefill: Option<Span>,
    decode: Option<Span>,
}

impl Steps {
    /// It begins to wait.
    pub(super) fn wait(call: &Span) -> Self {
        Self { queue: Some(tracing::debug_span!(parent: call, "queue")), ..Self::default() }
    }

    /// It has its blocks, `cached` positions of `known` from what was kept; finding them took `took`.
    pub(super) fn enter(&mut self, call: &Span, known: usize, cached: usize, took: Duration) {
        self.queue = None;
        let lookup_seconds = took.as_secs_f64();
        // Begun and ended here: it is looked up again at each step until there is room, and only this time matters.
        drop(tracing::debug_span!(
            parent: call, "prefix_lookup", positions = n(known), cached_tokens = n(cached), lookup_seconds
        ));
        let positions = n(known - cached.min(known));
        self.prefill = Some(tracing::debug_span!(
            parent: call, "prefill", positions, cached_tokens = n(cached)
        ));
    }

    /// Its blocks go to older ones; it waits again.
    pub(super) fn make_room(&mut self, call: &Span, generated: usize) {
        self.prefill = None;
        tracing::debug!(parent: call, generated = n(generated), "pre-empted: its blocks are needed by older ones");
        self.queue = Some(tracing::debug_span!(parent: call, "queue", pre_empted = true));
    }

    /// Rows were run; of tokens that were sampled nothing is told.
    pub(super) fn ran(&self, start: usize, rows: usize) {
        if let Some(prefill) = &self.prefill {
            tracing::debug!(parent: prefill, start = n(start), rows = n(rows), "prompt rows run");
        }
    }

    /// All that was known is run, as there is a token behind it.
    pub(super) fn prompt_is_run(&mut self) {
        self.prefill = None;
    }

    /// The first token is there, `waited` after the call.
    pub(super) fn first_token(&mut self, call: &Span, waited: Duration) {
        let decode = tracing::debug_span!(
            parent: call, "decode", tokens = field::Empty, rets = field::Empty, reason = field::Empty
        );
        tracing::debug!(parent: &decode, seconds = waited.as_secs_f64(), "first token");
        self.decode = Some(decode);
    }

    /// The model wrote `[RET]`.
    pub(super) fn ret(&self, ret_index: u32, text_offset: u32) {
        if let Some(decode) = &self.decode {
            let (ret_index, text_offset) = (i64::from(ret_index), i64::from(text_offset));
            tracing::debug!(parent: decode, ret_index, text_offset, "[RET]");
        }
    }

    /// The answer is cut off.
    pub(super) fn break_off(&mut self, call: &Span) {
        *self = Self::default();
        call.in_scope(|| tracing::debug!("answer cut off"));
    }

    /// The answer is whole.
    pub(super) fn end(&mut self, call: &Span, reason: FinishReason, usage: &Usage, rets: u32) {
        let reason = field::debug(reason);
        if let Some(decode) = &self.decode {
            decode
                .record("tokens", n(usage.generated_tokens))
                .record("rets", i64::from(rets))
                .record("reason", &reason);
        }
        *self = Self::default();
        call.record("prompt_tokens", n(usage.prompt_tokens))
            .record("cached_tokens", n(usage.cached_tokens))
            .record("generated_tokens", n(usage.generated_tokens));
        // The call's span ends where it was last entered.
        call.in_scope(|| tracing::debug!(reason, "answer complete"));
    }
}
