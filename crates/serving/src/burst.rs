//! One line in the log for many events of a kind.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long after a line there is no other.
const QUIET: Duration = Duration::from_secs(10);

/// Events of a kind, of which one in ten seconds is told.
#[derive(Debug)]
pub struct Burst {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    told: Option<Instant>,
    untold: u64,
}

impl Burst {
    /// None yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self { state: Mutex::new(State { told: None, untold: 0 }) }
    }

    /// Whether to tell of an event that happens now; and how many were not told since the last that was.
    pub fn tell(&self) -> Option<u64> {
        self.tell_at(Instant::now())
    }

    fn tell_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.is_some_and(|told| now.saturating_duration_since(told) < QUIET) {
            state.untold += 1;
            return None;
        }
        state.told = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_later_how_many_were_not() {
        let (burst, begin) = (Burst::new(), Instant::now());
        assert_eq!(burst.tell_at(begin), Some(0));
        for ms in 0..1000 {
            assert_eq!(burst.tell_at(begin + Duration::from_millis(ms)), None);
        }
        assert_eq!(burst.tell_at(begin + QUIET), Some(1000));
        assert_eq!(burst.tell_at(begin + QUIET), None);
        assert_eq!(burst.tell_at(begin + 3 * QUIET), Some(1));
    }
}
