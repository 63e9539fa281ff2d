//! Ctrl-C and SIGTERM: what is done stays done and is kept; a second one leaves at once.

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
pub(crate) const CODE: u8 = 130;

/// The work was ended by Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; the same command goes on where it was")]
pub(crate) struct Interrupted;

/// Whether Ctrl-C came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes the signals over for the whole process.
    pub(crate) fn listen() -> io::Result<Self> {
        let came = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second one finds the flag that the first one set.
            flag::register_conditional_shutdown(signal, CODE.into(), Arc::clone(&came.0))?;
            flag::register(signal, Arc::clone(&came.0))?;
        }
        Ok(came)
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(()) }
    }
}
