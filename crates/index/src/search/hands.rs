//! As many searches of graphs at a time as there are processors for them.
//!
//! More would take the processors from each other, and from those who answer: all would take longer.

use std::{
    ops::{Deref, DerefMut},
    sync::{Condvar, Mutex, PoisonError},
};

use crate::graph::Scratch;

/// What searches of graphs have used and will use again.
pub(super) struct Hands {
    free: Mutex<Vec<Scratch>>,
    freed: Condvar,
}

/// One of them, until it is dropped.
pub(super) struct Hand<'a> {
    all: &'a Hands,
    scratch: Scratch,
}

impl Hands {
    pub(super) fn new(count: usize) -> Self {
        let free = std::iter::repeat_with(Scratch::default).take(count.max(1)).collect();
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    /// Waits until there is one.
    pub(super) fn take(&self) -> Hand<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(scratch) = free.pop() {
                return Hand { all: self, scratch };
            }
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Deref for Hand<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Hand<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        self.all.free.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        self.all.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn so_many_work_at_a_time_and_all_have_their_turn() {
        let (hands, working, most, done) =
            (Hands::new(2), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    let _hand = hands.take();
                    most.fetch_max(working.fetch_add(1, SeqCst) + 1, SeqCst);
                    thread::sleep(Duration::from_millis(5));
                    working.fetch_sub(1, SeqCst);
                    done.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!((most.into_inner(), done.into_inner()), (2, 10));
        assert_eq!(hands.free.into_inner().unwrap().len(), 2);
    }

    #[test]
    fn one_that_broke_off_gives_its_hand_back() {
        let hands = Hands::new(1);
        let broken = thread::scope(|scope| {
            let search = scope.spawn(|| {
                let _hand = hands.take();
                panic!("as a defect would");
            });
            search.join().is_err()
        });
        assert!(broken && hands.free.lock().is_ok());
        drop(hands.take());
    }
}
