//! Where all objects of a pickle live: flat tables, so nothing is copied, shared or freed one by one.

use crate::{
    error::{Flaw, Step},
    node::{Chain, Id, Node, Run, Span},
};

/// Nodes, and the slots of containers.
pub(crate) struct Arena {
    pub(crate) nodes: Vec<Node>,
    pub(crate) slots: Vec<Id>,
    /// Parts of containers that still grow; empty once the pickle is read.
    pub(crate) segments: Vec<Segment>,
    /// Texts that had to be rewritten: those of protocol 0 with escapes.
    pub(crate) pool: Vec<u8>,
    /// Bytes of the file: where the pool's spans begin.
    n_bytes: u64,
    ints: Box<[Option<Id>; RECENT]>,
    tuples: Box<[Option<Id>; RECENT]>,
}

/// Neighbouring slots of a chain, and the index of its next segment.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) next: u32,
}

/// Integers and short tuples of which the last one is found again instead of made again: millions of arrays repeat
/// theirs. A place is given by a value's hash.
const RECENT: usize = 1024;
const LONGEST_KEPT: usize = 3;
pub(crate) const NO_SEGMENT: u32 = u32::MAX;

impl Arena {
    /// An arena for a file of `n_bytes`.
    pub(crate) fn new(n_bytes: u64) -> Self {
        let nodes =
            vec![Node::None, Node::Bool(true), Node::Bool(false), Node::Tuple(Run { start: 0, len: 0 })];
        Self {
            nodes,
            slots: Vec::new(),
            segments: Vec::new(),
            pool: Vec::new(),
            n_bytes,
            ints: Box::new([None; RECENT]),
            tuples: Box::new([None; RECENT]),
        }
    }

    pub(crate) fn node(&self, id: Id) -> Node {
        self.nodes[id.index()]
    }

    /// The bytes of a span, in the file or in the pool.
    pub(crate) fn bytes<'a>(&'a self, file: &'a [u8], span: Span) -> &'a [u8] {
        let (home, start) = match span.start.checked_sub(self.n_bytes) {
            Some(start) if span.len > 0 => (self.pool.as_slice(), start),
            _ => (file, span.start),
        };
        let range = start as usize..(start + span.len) as usize;
        home.get(range).unwrap_or_default()
    }

    /// Keeps rewritten bytes.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.n_bytes + self.pool.len() as u64;
        self.pool.extend_from_slice(bytes);
        Span { start, len: bytes.len() as u64 }
    }

    pub(crate) fn push(&mut self, node: Node) -> Step<Id> {
        if self.nodes.len() >= u32::MAX as usize {
            return Err(Flaw::TooMany.into());
        }
        self.nodes.push(node);
        Ok(Id((self.nodes.len() - 1) as u32))
    }

    pub(crate) fn int(&mut self, value: i64) -> Step<Id> {
        let place = place(value as u64);
        if let Some(id) = self.ints[place]
            && matches!(self.node(id), Node::Int(known) if known == value)
        {
            return Ok(id);
        }
        let id = self.push(Node::Int(value))?;
        self.ints[place] = Some(id);
        Ok(id)
    }

    pub(crate) fn tuple(&mut self, items: &[Id]) -> Step<Id> {
        if items.is_empty() {
            return Ok(Id::EMPTY_TUPLE);
        }
        let place = place(items.iter().fold(0, |sum, id| sum << 21 ^ u64::from(id.0)));
        let kept = items.len() <= LONGEST_KEPT;
        if kept
            && let Some(id) = self.tuples[place]
            && self.items(id) == Some(items)
        {
            return Ok(id);
        }
        let start = self.reserve(items.len())?;
        self.slots.extend_from_slice(items);
        let id = self.push(Node::Tuple(Run { start, len: items.len() as u32 }))?;
        if kept {
            self.tuples[place] = Some(id);
        }
        Ok(id)
    }

    /// The items of a tuple or a finished list.
    pub(crate) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Tuple(run) | Node::List(run) => Some(self.run(run)),
            _ => None,
        }
    }

    pub(crate) fn run(&self, run: Run) -> &[Id] {
        self.slots.get(run.start as usize..run.start as usize + run.len as usize).unwrap_or_default()
    }

    /// Adds to a container that grows.
    pub(crate) fn extend(&mut self, mut chain: Chain, items: &[Id]) -> Step<Chain> {
        if items.is_empty() {
            return Ok(chain);
        }
        let start = self.reserve(items.len())?;
        let len = items.len() as u32;
        self.slots.extend_from_slice(items);
        chain.len += len; // at most as many as slots
        let new = self.segments.len() as u32; // each has a slot, so there are not more of them
        match self.segments.get_mut(chain.last as usize) {
            Some(last) if last.start + last.len == start => {
                last.len += len;
                return Ok(chain);
            }
            Some(last) => last.next = new,
            None => chain.first = new,
        }
        chain.last = new;
        self.segments.push(Segment { start, len, next: NO_SEGMENT });
        Ok(chain)
    }

    /// Where `n` more slots would start.
    pub(crate) fn reserve(&self, n: usize) -> Step<u32> {
        let start = self.slots.len();
        if n > u32::MAX as usize - start {
            return Err(Flaw::TooMany.into());
        }
        Ok(start as u32)
    }
}

/// A place among the recent ones.
fn place(value: u64) -> usize {
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}
