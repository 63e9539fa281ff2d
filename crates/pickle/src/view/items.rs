//! Lists and tuples.

use crate::{Archive, View, node::Id};

/// The items of a list or a tuple.
#[derive(Clone, Copy)]
pub struct Items<'a> {
    archive: &'a Archive,
    ids: &'a [Id],
}

impl<'a> Items<'a> {
    pub(crate) fn new(archive: &'a Archive, ids: &'a [Id]) -> Self {
        Self { archive, ids }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The item at a place, if there is one.
    pub fn get(&self, place: usize) -> Option<View<'a>> {
        self.ids.get(place).map(|&id| View::new(self.archive, id))
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = View<'a>> + DoubleEndedIterator + Clone + use<'a> {
        let archive = self.archive;
        self.ids.iter().map(move |&id| View::new(archive, id))
    }
}
