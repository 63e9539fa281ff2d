//! The place of what takes long to load: calls are refused until it is there.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

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

/// Logs how far loading is, in steps of a tenth; nothing for what is small enough to be there at once.
pub struct LoadLog {
    what: &'static str,
    tenths: AtomicU64,
}

/// Bytes below which loading is not worth a word.
const WORTH_TELLING: u64 = 256 << 20;

impl LoadLog {
    /// Of `what`, a phrase such as "the vision tower".
    pub fn new(what: &'static str) -> Self {
        Self { what, tenths: AtomicU64::new(0) }
    }

    /// `read` of `total` bytes are there.
    pub fn step(&self, read: u64, total: u64) {
        if total < WORTH_TELLING {
            return;
        }
        let tenths = (u128::from(read) * 10 / u128::from(total)) as u64;
        if self.tenths.fetch_max(tenths, Ordering::Relaxed) < tenths {
            tracing::info!(percent = tenths * 10, mebibytes = total >> 20, "loading {}", self.what);
        }
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

    pub(crate) fn what(&self) -> &'static str {
        self.what
    }

    /// Puts it there; what is there already stays.
    pub fn fill(&self, value: T) {
        let _ = self.value.set(value);
    }
}
