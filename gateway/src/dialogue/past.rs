//! The history of a conversation, and those that it can return to. Pure.
//!
//! A history knows its last turn and the history before that, so that histories share what they have in common: to
//! remember one more costs a pointer, as long as it is a beginning of the one that goes on.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use super::{Piece, Shown};

/// A turn that was held.
#[derive(Debug)]
pub struct Held {
    /// Its number in the conversation; 0 if it was brought along.
    pub number: u32,
    /// What the user said, without what the template adds.
    pub asked: Vec<Piece>,
    /// What the model answered.
    pub answer: Vec<Piece>,
    /// The pictures of both.
    pub shown: Shown,
}

/// Turns that follow each other. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct History(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    held: Held,
    before: History,
    n_turns: usize,
}

impl Drop for Node {
    /// One after the other: a long history must not need a deep stack.
    fn drop(&mut self) {
        let mut next = self.before.0.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.before.0.take();
        }
    }
}

impl History {
    /// This history and one more turn.
    pub fn and(&self, held: Held) -> Self {
        Self(Some(Arc::new(Node { held, before: self.clone(), n_turns: self.n_turns() + 1 })))
    }

    /// How many turns it has.
    pub fn n_turns(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.n_turns)
    }

    /// Its turns, oldest first.
    pub fn turns(&self) -> Vec<&Held> {
        let mut turns: Vec<_> = self.nodes().map(|node| &node.held).collect();
        turns.reverse();
        turns
    }

    /// Those that were not met before, which they are then. What comes before one that was met was met with it.
    fn new_to(&self, met: &mut HashSet<*const Node>) -> Vec<&Node> {
        self.nodes().map(Arc::as_ref).take_while(|node| met.insert(std::ptr::from_ref(*node))).collect()
    }

    /// Newest first.
    fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        std::iter::successors(self.0.as_ref(), |node| node.before.0.as_ref())
    }
}

/// The histories of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Past {
    opened: History,
    now: History,
    /// What the history was after each of the newest answered turns, oldest first.
    kept: VecDeque<(u32, History)>,
}

impl Past {
    /// A conversation that begins with `opened`.
    pub fn new(opened: History) -> Self {
        Self { now: opened.clone(), opened, kept: VecDeque::new() }
    }

    /// The history now.
    pub fn now(&self) -> &History {
        &self.now
    }

    /// Adds an answered turn, and remembers at most `most` of them.
    pub fn record(&mut self, held: Held, most: usize) {
        let number = held.number;
        self.now = self.now.and(held);
        self.kept.push_back((number, self.now.clone()));
        while self.kept.len() > most {
            self.kept.pop_front();
        }
    }

    /// Takes back the last `n` turns; `false` if there are not as many.
    pub fn undo(&mut self, n: usize) -> bool {
        let Some(left) = self.now.n_turns().checked_sub(n) else { return false };
        let node = self.now.nodes().find(|node| node.n_turns == left).cloned();
        self.now = History(node);
        true
    }

    /// Empties the history.
    pub fn reset(&mut self) {
        self.now = History::default();
    }

    /// Goes back to what the history was after turn `number`, 0 for the beginning; `false` if that is not remembered.
    pub fn branch(&mut self, number: u32) -> bool {
        let kept = self.kept.iter().find(|(kept, _)| *kept == number).map(|(_, history)| history);
        let Some(history) = kept.or((number == 0).then_some(&self.opened)) else { return false };
        self.now = history.clone();
        true
    }

    /// Forgets the oldest, until what is not in the history weighs no more than `most`.
    pub fn shrink(&mut self, most: usize, weigh: impl Fn(&Held) -> usize) {
        while !self.kept.is_empty() && self.aside(&weigh) > most {
            self.kept.pop_front();
        }
    }

    /// What the turns weigh that can only be returned to. Those brought along stay, and do not count.
    fn aside(&self, weigh: impl Fn(&Held) -> usize) -> usize {
        let mut met = HashSet::new();
        for history in [&self.now, &self.opened] {
            history.new_to(&mut met);
        }
        let kept = self.kept.iter().flat_map(|(_, history)| history.new_to(&mut met));
        kept.map(|node| weigh(&node.held)).sum()
    }

    /// All turns that it knows, each once.
    pub fn known(&self) -> impl Iterator<Item = &Held> {
        let mut met = HashSet::new();
        let kept = self.kept.iter().map(|(_, history)| history);
        let all = [&self.now, &self.opened].into_iter().chain(kept);
        all.flat_map(move |history| history.new_to(&mut met)).map(|node| &node.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(number: u32) -> Held {
        Held { number, asked: Vec::new(), answer: Vec::new(), shown: Shown::default() }
    }

    fn numbers(past: &Past) -> Vec<u32> {
        past.now().turns().iter().map(|held| held.number).collect()
    }

    /// A conversation that brought one turn, and turns `1 … n`.
    fn past(n: u32, most: usize) -> Past {
        let mut past = Past::new(History::default().and(held(0)));
        (1..=n).for_each(|number| past.record(held(number), most));
        past
    }

    #[test]
    fn turns_are_taken_back_and_returned_to() {
        let mut past = past(3, 8);
        assert!(past.undo(2));
        assert_eq!(numbers(&past), [0, 1]);
        assert!(!past.undo(3), "there are only two");
        assert_eq!(numbers(&past), [0, 1]);
        past.record(held(4), 8);
        assert!(past.branch(3));
        assert_eq!(numbers(&past), [0, 1, 2, 3]);
        assert!(past.branch(4));
        assert_eq!(numbers(&past), [0, 1, 4]);
        past.reset();
        assert!(numbers(&past).is_empty() && !past.undo(1));
        assert!(past.branch(0));
        assert_eq!(numbers(&past), [0]);
        assert!(past.undo(1) && numbers(&past).is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_but_for_the_beginning() {
        let mut past = past(5, 2);
        assert!(!past.branch(3) && past.branch(4) && past.branch(5) && past.branch(0));
        assert!(!past.branch(6));
        let mut none = self::past(1, 0);
        assert!(!none.branch(1) && none.branch(0));
    }

    #[test]
    fn what_is_only_returned_to_has_a_weight() {
        let mut past = past(4, 8);
        past.shrink(0, |_| 1);
        assert!(past.branch(1), "the history's own turns weigh nothing");
        past.shrink(3, |_| 1);
        assert!(past.branch(4) && past.branch(1));
        assert_eq!(past.known().count(), 5);
        past.record(held(5), 8);
        past.shrink(2, |_| 1); // turns 2 to 4 hang together: all go
        assert!(!past.branch(4) && past.branch(5));
        assert_eq!(past.known().count(), 3);
    }

    #[test]
    fn a_long_history_is_dropped_without_a_deep_stack() {
        let dropped = std::thread::Builder::new().stack_size(64 << 10).spawn(|| drop(past(100_000, 1)));
        dropped.unwrap().join().unwrap();
    }
}
