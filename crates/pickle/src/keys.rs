//! Keys of dicts: which are equal, and how to find one. Each key's content is hashed once, however often the memo
//! repeats it, so that a long key in many places costs no more than its bytes.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::{
    arena::Arena,
    node::{Id, Node, Run},
};

/// What makes a key equal to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Content<'a> {
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Int(i64),
    /// Other objects are equal to themselves alone.
    Itself(Id),
}

/// All keys of a pickle, sorted by id.
pub(crate) struct Keys {
    known: Vec<Known>,
    /// Seeded anew for each file, so that nobody can prepare keys that collide.
    hasher: RandomState,
}

struct Known {
    id: Id,
    /// The first key of equal content.
    twin: Id,
    hash: u32,
}

/// A pair of a dict: its key's hash and its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    hash: u32,
    pair: u32,
}

impl Keys {
    pub(crate) fn new(arena: &Arena, file: &[u8], mut ids: Vec<Id>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let hasher = RandomState::new();
        let mut first = HashMap::with_capacity_and_hasher(ids.len(), hasher.clone());
        let known = ids.into_iter().map(|id| {
            let content = content(arena, file, id);
            let twin = *first.entry(content).or_insert(id);
            Known { id, twin, hash: hasher.hash_one(content) as u32 }
        });
        let known = known.collect();
        Self { known, hasher }
    }

    /// The first key equal to this one.
    pub(crate) fn twin(&self, id: Id) -> Id {
        self.known(id).map_or(id, |known| known.twin)
    }

    /// Appends the entries of a dict, sorted.
    pub(crate) fn sort(&self, arena: &Arena, pairs: Run, entries: &mut Vec<Entry>) {
        let start = entries.len();
        entries.extend((0..pairs.len).map(|pair| {
            let id = arena.slots[pairs.start as usize + 2 * pair as usize];
            Entry { hash: self.known(id).map_or(0, |known| known.hash), pair }
        }));
        entries[start..].sort_unstable();
    }

    /// The pairs of a dict whose key may be this content: all with its hash.
    pub(crate) fn candidates(&self, entries: &[Entry], content: Content<'_>) -> impl Iterator<Item = u32> {
        let hash = self.hasher.hash_one(content) as u32;
        let from = entries.partition_point(|entry| entry.hash < hash);
        entries[from..].iter().take_while(move |entry| entry.hash == hash).map(|entry| entry.pair)
    }

    fn known(&self, id: Id) -> Option<&Known> {
        let place = self.known.binary_search_by_key(&id, |known| known.id).ok()?;
        self.known.get(place)
    }
}

/// The content of a key.
pub(crate) fn content<'a>(arena: &'a Arena, file: &'a [u8], id: Id) -> Content<'a> {
    match arena.node(id) {
        Node::Text { span, .. } | Node::Native(span) => Content::Text(arena.bytes(file, span)),
        Node::Bytes(span) => Content::Bytes(arena.bytes(file, span)),
        Node::Int(value) => Content::Int(value),
        Node::Bool(value) => Content::Int(value.into()), // Python's True is 1
        _ => Content::Itself(id),
    }
}
