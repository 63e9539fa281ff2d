//! The place of what takes long to load: calls are refused until it is there.

use std::sync::OnceLock;

use fondue_domain::{Classify, Fault};
/// A place for what takes long to load.
pub struct Loading<T> {
    what: &'static str,
    value: OnceLock<T>,
}

/// It is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is still loading; readiness tells when it is there")]
pub struct NotLoaded(&'static str);

impl Classify for NotLoaded {
    fn fault(&self) -> Fault {
        Fault::Unavailable
    }
}

impl<T> Loading<T> {
    /// An empty place for `what`, a phrase such as "the vision tower".
    pub fn new(what: &'static str) -> Self {
        Self { what, value: OnceLock::new() }
    }

    /// What was loaded.
    ///
    /// # Errors
    /// [`NotLoaded`] until it is there.
    pub fn get(&self) -> Result<&T, NotLoaded> {
        self.value.get().ok_or(NotLoaded(self.what))
    }

    /// Puts it there; what is there already stays.
    pub fn fill(&self, value: T) {
        let _ = self.value.set(value);
    }
}
