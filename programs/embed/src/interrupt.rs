//! Ctrl-C and SIGTERM: work that has begun is ended in order, so that nothing of it stays; a second one leaves at once.

use std::{
    process::exit,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// What a process says that was ended by Ctrl-C: 128 and the signal's number.
pub(crate) const CODE: u8 = 130;

/// The work was ended by Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted{left}")]
pub(crate) struct Interrupted {
    /// What that leaves, for people.
    left: &'static str,
}

/// Whether one of the signals came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
    /// Whether there is something to clear up.
    begun: Arc<Mutex<bool>>,
    left: &'static str,
}

impl Interrupt {
    /// None ever comes.
    pub(crate) fn never() -> Self {
        Self::default()
    }

    /// Takes the signals over for the whole process. `left` ends what is said when one came.
    pub(crate) fn listen(left: &'static str) -> Result<Self> {
        let interrupt = Self { left, ..Self::default() };
        let theirs = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("listening for Ctrl-C")?;
        let guard = runtime.enter();
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        drop(guard);
        let wait = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        result = tokio::signal::ctrl_c() => if result.is_err() { break },
                        _ = terminate.recv() => {}
                    }
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
            eprintln!("error: {}", Interrupted { left: self.left });
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
        if self.came.load(Ordering::SeqCst) { Err(Interrupted { left: self.left }) } else { Ok(()) }
    }

    /// Waits for an answer, or for one of the signals.
    pub(crate) async fn or<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let came = async {
            while self.check().is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            answer = answer => answer,
            () = came => Err(Interrupted { left: self.left }.into()),
        }
    }

    fn begun(&self) -> MutexGuard<'_, bool> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
