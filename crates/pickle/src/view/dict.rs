//! Dicts, ordered or not.

use crate::{
    Archive, View,
    keys::{Content, content},
    node::{Id, Run},
};

/// A key to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A text.
    Text(&'a str),
    /// An integer.
    Int(i64),
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Key<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// A dict. Of repeated keys, the first one's place and the last one's value count, as in Python.
#[derive(Clone, Copy)]
pub struct DictView<'a> {
    archive: &'a Archive,
    pairs: Run,
    index: u32,
}

impl<'a> DictView<'a> {
    pub(crate) fn new(archive: &'a Archive, pairs: Run, index: u32) -> Self {
        Self { archive, pairs, index }
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.pairs.len as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.len == 0
    }

    fn slots(&self) -> &'a [Id] {
        self.archive.arena.run(Run { start: self.pairs.start, len: 2 * self.pairs.len })
    }

    /// The value of a key, in time logarithmic in the dict's length.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<View<'a>> {
        let wanted = match key.into() {
            Key::Text(text) => Content::Text(text.as_bytes()),
            Key::Int(value) => Content::Int(value),
        };
        let archive = self.archive;
        let from = self.index as usize;
        let entries = archive.entries.get(from..from + self.len())?;
        let slots = self.slots();
        let mut candidates = archive.keys.candidates(entries, wanted);
        let pair = candidates.find(|&pair| {
            let key = slots[2 * pair as usize];
            content(&archive.arena, archive.source.bytes(), key) == wanted
        })?;
        Some(View::new(archive, slots[2 * pair as usize + 1]))
    }

    /// All pairs of key and value, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (View<'a>, View<'a>)> + Clone + use<'a> {
        let archive = self.archive;
        let pairs = self.slots().chunks_exact(2);
        pairs.map(move |pair| (View::new(archive, pair[0]), View::new(archive, pair[1])))
    }
}
