//! What the pickle remembers by number: four bytes each, whatever numbers it uses.

use std::collections::HashMap;

use crate::node::Id;

/// Numbers are given in order by every known writer, so most lie in `dense`; a number out of order may leave a small
/// gap there, a far one goes to `sparse`, so that a huge number costs no more than a small one.
#[derive(Default)]
pub(crate) struct Memo {
    dense: Vec<Option<Seat>>,
    sparse: HashMap<u64, Id>,
    len: usize,
}

const GAP: usize = 1024;

/// An id plus one, so that an empty place needs no room of its own.
type Seat = std::num::NonZeroU32;

impl Memo {
    pub(crate) fn put(&mut self, number: u64, id: Id) {
        if self.get(number).is_none() {
            self.len += 1;
        }
        if number >= (self.len + GAP) as u64 {
            self.sparse.insert(number, id);
            return;
        }
        let place = number as usize;
        if place >= self.dense.len() {
            self.dense.resize(place + 1, None);
        }
        // Ids end below u32::MAX, see the arena.
        self.dense[place] = Seat::new(id.0.wrapping_add(1));
        if !self.sparse.is_empty() {
            self.sparse.remove(&number);
        }
    }

    /// Puts under the next number, as protocol 4 does.
    pub(crate) fn push(&mut self, id: Id) {
        self.put(self.len as u64, id);
    }

    pub(crate) fn get(&self, number: u64) -> Option<Id> {
        match self.dense.get(usize::try_from(number).ok()?) {
            Some(Some(seat)) => Some(Id(seat.get() - 1)),
            _ => self.sparse.get(&number).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_order_out_of_order_and_far_away() {
        let mut memo = Memo::default();
        memo.push(Id(7));
        memo.put(3, Id(8));
        memo.put(u64::MAX, Id(9));
        memo.put(2000, Id(10));
        memo.push(Id(12)); // the fifth, so under 4
        memo.put(3, Id(11));
        let found = [0, 1, 3, 4, 2000, u64::MAX].map(|number| memo.get(number));
        assert_eq!(found, [Some(Id(7)), None, Some(Id(11)), Some(Id(12)), Some(Id(10)), Some(Id(9))]);
        assert!(memo.dense.len() < 1100);
    }

    #[test]
    fn a_far_number_that_the_dense_part_reaches_is_replaced() {
        let mut memo = Memo::default();
        memo.put(1500, Id(1));
        for number in 0..1600 {
            memo.put(number, Id(number as u32 + 2));
        }
        assert_eq!(memo.get(1500), Some(Id(1502)));
        assert!(memo.sparse.is_empty());
    }
}
