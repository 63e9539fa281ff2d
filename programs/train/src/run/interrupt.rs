//! Ctrl-C and SIGTERM: work that has begun is ended in order, with a checkpoint; a second one leaves at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// What a process says that was ended by Ctrl-C: 128 and the signal's number.
pub const CODE: u8 = 130;

/// The work was ended by Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; {0}")]
pub struct Interrupted(
    /// What is left, and how to go on.
    pub String,
);

/// Whether Ctrl-C came.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// None ever comes.
    pub fn never() -> Self {
        Self::default()
    }

    /// Takes the signals over for the whole process.
    ///
    /// # Errors
    /// The system's.
    pub fn listen() -> io::Result<Self> {
        let came = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second one finds the flag that the first one set.
            flag::register_conditional_shutdown(signal, CODE.into(), Arc::clone(&came.0))?;
            flag::register(signal, Arc::clone(&came.0))?;
        }
        Ok(came)
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether to go on; `left` says what is left.
    ///
    /// # Errors
    /// [`Interrupted`] if one came.
    pub fn check(&self, left: &str) -> Result<(), Interrupted> {
        if self.came() { Err(Interrupted(left.to_owned())) } else { Ok(()) }
    }
}
