//! Ctrl-C: work that has begun is ended in order, so that nothing of it stays; a second one leaves at once.

use std::{
    process::exit,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};

/// What a process says that was ended by Ctrl-C: 128 and the signal's number.
pub(crate) const CODE: u8 = 130;

/// The work was ended by Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was published")]
pub(crate) struct Interrupted;

/// Whether Ctrl-C came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
    /// Whether there is something to clear up.
    begun: Arc<Mutex<bool>>,
}

impl Interrupt {
    /// None ever comes.
    pub(crate) fn never() -> Self {
        Self::default()
    }

    /// Takes Ctrl-C over for the whole process.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let theirs = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("listening for Ctrl-C")?;
        let wait = move || {
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    theirs.came();
                }
            });
        };
        thread::Builder::new().name("ctrl-c".to_owned()).spawn(wait).context("listening for Ctrl-C")?;
        Ok(interrupt)
    }

    fn came(&self) {
        let before = self.came.swap(true, Ordering::SeqCst);
        let begun = self.begun();
        if before || !*begun {
            // Nothing to clear up yet, or a second time.
            eprintln!("error: {Interrupted}");
            exit(CODE.into());
        }
        eprintln!("interrupted: stops in a moment; Ctrl-C once more leaves at once");
    }

    /// From now on there is something to clear up.
    pub(crate) fn begin(&self) -> Result<(), Interrupted> {
        *self.begun() = true;
        self.check()
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.came.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(()) }
    }

    fn begun(&self) -> MutexGuard<'_, bool> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
