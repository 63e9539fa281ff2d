//! Where the members of a team wait for each other.
//!
//! A step takes microseconds, less than the system needs to put a thread to sleep and wake it; so waiting is a loop, which
//! gives the core away only when it takes long.

use std::{
    hint,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

/// Looks before the core is given away.
const LOOKS: usize = 2_000;

pub(super) struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// Breaks the barrier if its member panics, so that the others do not wait for ever.
pub(super) struct Together<'a>(&'a Barrier);

impl Barrier {
    pub(super) fn new(members: usize) -> Self {
        Self {
            members,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    pub(super) fn enter(&self) -> Together<'_> {
        Together(self)
    }

    /// Returns when all members are here. What each wrote before, all see after.
    ///
    /// # Panics
    /// If another member panicked.
    pub(super) fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread of the team panicked");
            looks += 1;
            if looks % LOOKS == 0 {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }
}

impl Drop for Together<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_on_before_all_are_there() {
        let (barrier, inside) = (Barrier::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..500 {
                        inside.fetch_add(1, Ordering::Relaxed);
                        barrier.wait();
                        assert_eq!(inside.load(Ordering::Relaxed), 3 * (round + 1));
                        barrier.wait();
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_releases_those_who_wait() {
        let barrier = Barrier::new(2);
        let outcomes = thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let _together = barrier.enter();
                barrier.wait();
            });
            let panics = scope.spawn(|| {
                let _together = barrier.enter();
                panic!("of the test");
            });
            [waits.join().is_err(), panics.join().is_err()]
        });
        assert_eq!(outcomes, [true, true]);
    }
}
