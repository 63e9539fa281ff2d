//! Ctrl-C and SIGTERM: work that has begun is ended in order; a second one leaves at once.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
    low_level,
};

/// What a process says that was ended by Ctrl-C: 128 and the signal's number.
pub const CODE: u8 = 130;

/// The work was ended by one of the signals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted{}{left}", if .left.is_empty() { "" } else { "; " })]
pub struct Interrupted {
    /// What that leaves, for people; nothing if there is nothing to tell.
    left: Cow<'static, str>,
}

impl Interrupted {
    /// With what it leaves.
    pub fn leaving(left: impl Into<Cow<'static, str>>) -> Self {
        Self { left: left.into() }
    }
}

/// Whether one of the signals came.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    came: Arc<AtomicBool>,
    /// Whether there is something to clear up.
    begun: Arc<Mutex<bool>>,
    left: &'static str,
}

impl Interrupt {
    /// None ever comes.
    pub fn never() -> Self {
        Self::default()
    }

    /// One that came already.
    pub fn at_once(left: &'static str) -> Self {
        Self { came: Arc::new(true.into()), left, ..Self::default() }
    }

    /// Takes the signals over for the whole process, from now on. `left` ends what is said when one came.
    ///
    /// Until [`Interrupt::begin`] one of them ends the process; after it, the second.
    ///
    /// # Errors
    /// The system's.
    pub fn listen(left: &'static str) -> io::Result<Self> {
        let interrupt = Self { left, ..Self::default() };
        let theirs = interrupt.clone();
        for signal in [SIGINT, SIGTERM] {
            // Within the handler, so that nothing keeps the second from leaving.
            flag::register_conditional_shutdown(signal, CODE.into(), Arc::clone(&interrupt.came))?;
        }
        // Kept, not asked for anew after each: none is lost that comes while another is told.
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let wait = move || signals.forever().for_each(|_| theirs.take());
        thread::Builder::new().name("ctrl-c".to_owned()).spawn(wait)?;
        Ok(interrupt)
    }

    fn take(&self) {
        let begun = self.begun();
        // Held, so that the work's own last words stand behind these. That nobody reads them changes nothing.
        let mut told = io::stderr().lock();
        if !*begun {
            let _ = writeln!(told, "error: {}", self.interrupted());
            // Not `exit`: other threads still use what that would take down.
            low_level::exit(CODE.into());
        }
        self.came.store(true, Ordering::SeqCst);
        let _ = writeln!(told, "interrupted: stops in a moment; Ctrl-C once more leaves at once");
    }

    /// From now on there is something to clear up.
    ///
    /// # Errors
    /// [`Interrupted`] if one came.
    pub fn begin(&self) -> Result<(), Interrupted> {
        *self.begun() = true;
        self.check()
    }

    /// Whether one came.
    pub fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Interrupted`] if one came.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.came() { Err(self.interrupted()) } else { Ok(()) }
    }

    fn interrupted(&self) -> Interrupted {
        Interrupted::leaving(self.left)
    }

    fn begun(&self) -> MutexGuard<'_, bool> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told() {
        let told = |left| Interrupt::at_once(left).check().unwrap_err().to_string();
        assert_eq!(told(""), "interrupted");
        assert_eq!(told("nothing was written"), "interrupted; nothing was written");
        assert_eq!(Interrupt::never().begin(), Ok(()));
    }

    #[test]
    fn each_signal_is_taken() {
        let interrupt = Interrupt::listen("").unwrap();
        interrupt.begin().unwrap();
        low_level::raise(SIGTERM).unwrap();
        while !interrupt.came() {
            thread::yield_now();
        }
        assert_eq!(interrupt.check(), Err(Interrupted::leaving("")));
    }
}
