//! Which calls share a batch: links from the batch's span to theirs.

use std::collections::HashSet;

use tracing::{Span, span::Id};

/// Calls that a batch is linked to at most.
const MAX_LINKS: usize = 64;

/// A batch's span, and the calls that it is linked to so far.
pub(super) struct Links {
    batch: Span,
    calls: HashSet<Id>,
}

impl Links {
    pub(super) fn of(batch: Span) -> Self {
        Self { batch, calls: HashSet::new() }
    }

    /// For work that is of no batch.
    pub(super) fn none() -> Self {
        Self::of(Span::none())
    }

    /// Links the batch to a call, once; not to one that nobody traces.
    pub(super) fn add(&mut self, call: &Span) {
        let Some(id) = call.id() else { return };
        if self.calls.len() < MAX_LINKS && self.calls.insert(id.clone()) {
            self.batch.follows_from(id);
        }
    }
}
