//! Building a graph: rows are linked one after the other, by several threads at once.
//!
//! The node of the highest level comes first and is every search's entry. Who is linked when depends on the threads, and so
//! does the graph; how well it finds does not.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
};

use fondue_kernels::{Query, Stored};

use super::{
    NONE,
    copies::Copies,
    search::{Near, Scratch, Walk},
};
use crate::{GraphFacts, IndexError, Rows, manifest::MAX_LEVELS, rows::quantize, scan::ScanError};

/// Locks for the links of all nodes; two nodes seldom meet in one.
const LOCKS: usize = 1 << 14;
/// Rows after which the caller is told.
const TOLD: usize = 256;

/// How a graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Links of a node on the upper levels, 2 … 64; on the lowest it is twice as many.
    pub m: usize,
    /// Candidates that are kept while a node's links are looked for.
    pub ef_construction: usize,
    /// Threads, at least one.
    pub threads: usize,
}

impl Params {
    /// 32 links, 100 candidates. Few nodes have so many: those lead from one crowd of rows to others.
    pub fn new(threads: usize) -> Self {
        Self { m: 32, ef_construction: 100, threads }
    }
}

/// A graph, as its files hold it.
pub struct Built {
    /// What is to be known beside the files.
    pub facts: GraphFacts,
    /// `[rows, 2m]`.
    pub links: Vec<u32>,
    /// Nodes and links of the levels above, from below.
    pub upper: Vec<u32>,
    /// Rows, rising, and the next one that is alike.
    pub copies: Vec<[u32; 2]>,
    /// Rows in eight bits and their scales, where they are not stored so.
    pub codes: Option<(Vec<i8>, Vec<f32>)>,
}

impl Built {
    /// Links all rows.
    ///
    /// # Errors
    /// [`IndexError::Stopped`] if `step` returns false; [`IndexError::Empty`] without rows.
    pub fn new(
        rows: Rows<'_>,
        dim: usize,
        params: Params,
        step: &(dyn Fn(usize, usize) -> bool + Sync),
    ) -> Result<Self, IndexError> {
        let n = rows.len(dim);
        if n == 0 {
            return Err(IndexError::Empty);
        }
        let params = Params { m: params.m.clamp(2, 64), threads: params.threads.max(1), ..params };
        let own = match rows {
            Rows::Int8 { .. } => None,
            _ => Some(coded(rows, n, dim, params.threads)),
        };
        let stored = match (rows, &own) {
            (Rows::Int8 { codes, scales, .. }, _) => Stored::Int8 { codes, scales },
            (_, Some((codes, scales))) => Stored::Int8 { codes, scales },
            _ => return Err(IndexError::Empty),
        };
        let work = Work::new(rows, stored, dim, n, params);
        work.run(step)?;
        let facts = GraphFacts {
            m: params.m,
            ef_construction: params.ef_construction,
            entry: work.order.first().copied().unwrap_or_default(),
            upper: work.upper.iter().map(|level| level.ids.len()).collect(),
        };
        let plain = |links: Vec<AtomicU32>| links.into_iter().map(AtomicU32::into_inner);
        let mut upper = Vec::new();
        for level in work.upper {
            upper.extend(level.ids);
            upper.extend(plain(level.links));
        }
        Ok(Self { facts, links: plain(work.links).collect(), upper, copies: work.copies.chain, codes: own })
    }
}

struct Work<'a> {
    rows: Rows<'a>,
    stored: Stored<'a>,
    dim: usize,
    n: usize,
    params: Params,
    levels: Vec<u8>,
    copies: Copies,
    /// Nodes of high levels first, without copies.
    order: Vec<u32>,
    /// `[rows, 2m]`.
    links: Vec<AtomicU32>,
    upper: Vec<Level>,
    locks: Vec<Mutex<()>>,
}

struct Level {
    ids: Vec<u32>,
    links: Vec<AtomicU32>,
}

/// What one thread needs.
struct Hand {
    scratch: Scratch,
    /// The node that is linked.
    node: Query,
    /// A node that others are compared with.
    other: Query,
    values: Vec<f32>,
}

impl<'a> Work<'a> {
    fn new(rows: Rows<'a>, stored: Stored<'a>, dim: usize, n: usize, params: Params) -> Self {
        let copies = Copies::of(stored, dim, n);
        let level = |row: u32| if copies.contains(row) { 0 } else { level_of(u64::from(row), params.m) };
        let levels: Vec<u8> = (0..n as u32).map(level).collect();
        let top = levels.iter().copied().max().unwrap_or_default();
        let mut order: Vec<u32> = (0..n as u32).filter(|&row| !copies.contains(row)).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(levels.get(row as usize).copied()));
        let none = |count: usize| (0..count).map(|_| AtomicU32::new(NONE)).collect::<Vec<_>>();
        let upper = (1..=top).map(|level| {
            let ids: Vec<u32> = (0..n as u32)
                .filter(|&row| levels.get(row as usize).is_some_and(|&of| of >= level))
                .collect();
            Level { links: none(ids.len() * params.m), ids }
        });
        Self {
            rows,
            stored,
            dim,
            n,
            params,
            upper: upper.collect(),
            levels,
            copies,
            order,
            links: none(n * 2 * params.m),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        }
    }

    fn run(&self, step: &(dyn Fn(usize, usize) -> bool + Sync)) -> Result<(), IndexError> {
        let before = self.n - self.order.len() + 1;
        let (next, done, stopped) = (AtomicUsize::new(1), AtomicUsize::new(before), AtomicBool::new(false));
        let link = || -> Result<(), ScanError> {
            let mut hand = Hand::new(self.dim)?;
            while let Some(&node) = self.order.get(next.fetch_add(1, Relaxed)) {
                if stopped.load(Relaxed) {
                    break;
                }
                self.insert(node, &mut hand);
                let done = done.fetch_add(1, Relaxed) + 1;
                if (done.is_multiple_of(TOLD) || done == self.n) && !step(done, self.n) {
                    stopped.store(true, Relaxed);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| -> Result<(), ScanError> {
            let others: Vec<_> = (1..self.params.threads)
                .map(|n| std::thread::Builder::new().name(format!("graph-{n}")).spawn_scoped(scope, link))
                .collect();
            let own = link();
            // A thread that the system did not give leaves more to the others.
            for thread in others.into_iter().flatten() {
                thread.join().map_err(|_| ScanError::Threads)??;
            }
            own
        })?;
        if stopped.load(Relaxed) { Err(IndexError::Stopped) } else { Ok(()) }
    }

    fn insert(&self, node: u32, hand: &mut Hand) {
        self.rows.read(node as usize, &mut hand.values);
        hand.node.set(&hand.values);
        let level = usize::from(self.levels.get(node as usize).copied().unwrap_or_default());
        let entry = self.order.first().copied().unwrap_or_default();
        let walk = Walk { rows: self.stored, dim: self.dim, n: self.n };
        let mut at = walk.score(entry, &hand.node, &mut hand.scratch);
        for above in (level + 1..=self.upper.len()).rev() {
            at = walk.down(&hand.node, at, |node, out| self.read(above, node, out), &mut hand.scratch);
        }
        for level in (0..=level.min(self.upper.len())).rev() {
            let ef = self.params.ef_construction.max(self.params.m);
            let links = |node: u32, out: &mut Vec<u32>| self.read(level, node, out);
            let mut found = walk.around(&hand.node, at, ef, links, |other| other != node, &mut hand.scratch);
            found.sort_unstable_by(|a, b| b.cmp(a));
            at = found.first().copied().unwrap_or(at);
            let chosen = self.choose(&found, self.params.m, hand);
            self.link(level, node, &chosen);
            for near in &chosen {
                self.link_back(level, near.node, Near { score: near.score, node }, hand);
            }
        }
    }

    /// Of the candidates, nearest first, those that are nearer to the node than to any that was chosen before: few in any
    /// one direction.
    fn choose(&self, candidates: &[Near], most: usize, hand: &mut Hand) -> Vec<Near> {
        let mut chosen: Vec<Near> = Vec::with_capacity(most);
        for candidate in candidates {
            if chosen.len() >= most {
                break;
            }
            hand.scratch.pick(chosen.iter().map(|near| near.node));
            let crowded = !chosen.is_empty() && {
                self.decode(candidate.node, &mut hand.values);
                hand.other.set(&hand.values);
                hand.scratch.score(self.stored, &hand.other).any(|other| other.score > candidate.score)
            };
            if !crowded {
                chosen.push(*candidate);
            }
        }
        chosen
    }

    /// The links of a new node, before those that others made back from it already, having come to it from above.
    fn link(&self, level: usize, node: u32, chosen: &[Near]) {
        let _lock = self.lock(node);
        let Some(slots) = self.slots(level, node) else { return };
        let mut links: Vec<u32> = chosen.iter().map(|near| near.node).collect();
        for link in slots.iter().map(|slot| slot.load(Relaxed)).take_while(|link| *link != NONE) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        slots.iter().zip(links).for_each(|(slot, link)| slot.store(link, Relaxed));
    }

    fn lock(&self, node: u32) -> Option<MutexGuard<'_, ()>> {
        let lock = self.locks.get(node as usize % LOCKS)?;
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A link from `from` to a new node, or the best ones of all if there is no room.
    fn link_back(&self, level: usize, from: u32, new: Near, hand: &mut Hand) {
        let _lock = self.lock(from);
        let Some(slots) = self.slots(level, from) else { return };
        if let Some(free) = slots.iter().find(|slot| slot.load(Relaxed) == NONE) {
            free.store(new.node, Relaxed);
            return;
        }
        self.decode(from, &mut hand.values);
        hand.other.set(&hand.values);
        hand.scratch.pick(slots.iter().map(|slot| slot.load(Relaxed)));
        let mut all: Vec<Near> = hand.scratch.score(self.stored, &hand.other).collect();
        all.push(new);
        all.sort_unstable_by(|a, b| b.cmp(a));
        let chosen = self.choose(&all, slots.len(), hand);
        let links = chosen.iter().map(|near| near.node).chain(std::iter::repeat(NONE));
        slots.iter().zip(links).for_each(|(slot, link)| slot.store(link, Relaxed));
    }

    fn read(&self, level: usize, node: u32, out: &mut Vec<u32>) {
        let slots = self.slots(level, node).unwrap_or_default();
        out.extend(slots.iter().map(|slot| slot.load(Relaxed)).take_while(|link| *link != NONE));
    }

    fn slots(&self, level: usize, node: u32) -> Option<&[AtomicU32]> {
        let m = self.params.m;
        match level.checked_sub(1) {
            None => self.links.get(node as usize * 2 * m..(node as usize + 1) * 2 * m),
            Some(above) => {
                let Level { ids, links } = self.upper.get(above)?;
                let at = ids.binary_search(&node).ok()?;
                links.get(at * m..(at + 1) * m)
            }
        }
    }

    /// A node's codes as values.
    fn decode(&self, node: u32, values: &mut [f32]) {
        let Stored::Int8 { codes, scales } = self.stored else { return };
        let (row, scale) = (node as usize, scales.get(node as usize).copied().unwrap_or_default());
        let codes = codes.get(row * self.dim..(row + 1) * self.dim).unwrap_or_default();
        values.iter_mut().zip(codes).for_each(|(value, code)| *value = f32::from(*code) * scale);
    }
}

impl Hand {
    fn new(dim: usize) -> Result<Self, ScanError> {
        let query = || Query::new(&vec![0.0; dim]).map_err(|_| ScanError::Memory);
        Ok(Self { scratch: Scratch::default(), node: query()?, other: query()?, values: vec![0.0; dim] })
    }
}

/// The highest level of a row, the same whenever it is asked: one in m rows is on the second, one in m² on the third.
fn level_of(row: u64, m: usize) -> u8 {
    // SplitMix64, whose every output is as good as drawn.
    let mut bits = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let uniform = ((bits >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    let level = -uniform.ln() / (m as f64).ln();
    (level as usize).min(MAX_LEVELS) as u8
}

/// All rows in eight bits.
fn coded(rows: Rows<'_>, n: usize, dim: usize, threads: usize) -> (Vec<i8>, Vec<f32>) {
    let (mut codes, mut scales) = (vec![0i8; n * dim], vec![0f32; n]);
    let part = n.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts = codes.chunks_mut(part * dim).zip(scales.chunks_mut(part)).enumerate();
        for (at, (codes, scales)) in parts {
            scope.spawn(move || {
                let (mut values, mut row) = (vec![0.0; dim], Vec::with_capacity(dim));
                for (within, (codes, scale)) in codes.chunks_mut(dim).zip(scales).enumerate() {
                    rows.read(at * part + within, &mut values);
                    *scale = quantize(&values, &mut row);
                    codes.copy_from_slice(&row);
                }
            });
        }
    });
    (codes, scales)
}
