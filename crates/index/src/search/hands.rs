//! As many searches of graphs at a time as there are processors for them.
//!
//! More would take the processors from each other, and from those who answer: all would take longer.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex},
    thread::{self, Thread},
};

use super::lock;
use crate::graph::Scratch;

/// What searches of graphs have used and will use again.
pub(super) struct Hands(Mutex<Line>);

struct Line {
    free: Vec<Scratch>,
    /// Who waits, the longest first; nobody, if something is free.
    waiting: VecDeque<Arc<Waiting>>,
}

struct Waiting {
    thread: Thread,
    given: Mutex<Option<Scratch>>,
}

/// One of them, until it is dropped.
pub(super) struct Hand<'a> {
    all: &'a Hands,
    scratch: Scratch,
}

impl Hands {
    pub(super) fn new(count: usize) -> Self {
        let free = std::iter::repeat_with(Scratch::default).take(count.max(1)).collect();
        Self(Mutex::new(Line { free, waiting: VecDeque::new() }))
    }

    /// Waits until there is one: who came first gets it first.
    pub(super) fn take(&self) -> Hand<'_> {
        let waiting = {
            let mut line = lock(&self.0);
            if let Some(scratch) = line.free.pop() {
                return Hand { all: self, scratch };
            }
            let waiting = Arc::new(Waiting { thread: thread::current(), given: Mutex::new(None) });
            line.waiting.push_back(Arc::clone(&waiting));
            waiting
        };
        loop {
            if let Some(scratch) = lock(&waiting.given).take() {
                return Hand { all: self, scratch };
            }
            thread::park();
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
        let mut line = lock(&self.all.0);
        match line.waiting.pop_front() {
            Some(waiting) => {
                *lock(&waiting.given) = Some(scratch);
                waiting.thread.unpark();
            }
            None => line.free.push(scratch),
        }
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
        assert_eq!(lock(&hands.0).free.len(), 2);
    }

    #[test]
    fn who_came_first_is_first() {
        let (hands, turns) = (Hands::new(1), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = hands.take();
            for n in 0..5 {
                let (hands, turns) = (&hands, &turns);
                scope.spawn(move || {
                    let _hand = hands.take();
                    lock(turns).push(n);
                });
                while lock(&hands.0).waiting.len() <= n {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*lock(&turns), [0, 1, 2, 3, 4]);
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
        assert!(broken && lock(&hands.0).free.len() == 1);
    }
}
