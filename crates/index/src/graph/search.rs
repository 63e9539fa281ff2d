//! From the entry down to the query, and around it.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use fondue_kernels::{Machine, Query, Stored, dots_of, will_read};

use super::{Graph, copies::follow, visited::Visited};
use crate::{Bitmap, Hit, IndexError, Rows};

/// By how many of a row's scales the score of its codes may differ from its own. A value's rounding has a standard
/// deviation of 1/√12 of a scale, and the query has unit length: these are more than eight of the sum's.
const DOUBT: f32 = 2.5;

/// What is to be found.
pub struct Ask<'a> {
    /// Of unit length.
    pub query: &'a [f32],
    /// How many at most.
    pub k: usize,
    /// How many candidates are kept: more find more.
    pub ef: usize,
    /// Rows that may be found; all where there is none.
    pub admit: Option<&'a Bitmap>,
    /// A further test of a row.
    pub accept: Option<&'a (dyn Fn(usize) -> bool + 'a)>,
}

/// What a search needs and the next one can use again.
pub struct Scratch {
    machine: Machine,
    visited: Visited,
    picks: Vec<u32>,
    scores: Vec<f32>,
}

/// A node and how near it is; the nearest is the greatest.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Near {
    pub(super) score: f32,
    pub(super) node: u32,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Default for Scratch {
    fn default() -> Self {
        let (visited, picks, scores) = Default::default();
        Self { machine: Machine::best(), visited, picks, scores }
    }
}

impl Scratch {
    /// Scores of the picked nodes.
    pub(super) fn score(&mut self, rows: Stored<'_>, query: &Query) -> impl Iterator<Item = Near> + '_ {
        self.scores.clear();
        self.scores.resize(self.picks.len(), 0.0);
        dots_of(self.machine, rows, &self.picks, query, &mut self.scores);
        // What is no number is farther than anything.
        let score = |score: f32| if score.is_nan() { f32::NEG_INFINITY } else { score };
        self.picks.iter().zip(&self.scores).map(move |(&node, &each)| Near { score: score(each), node })
    }

    pub(super) fn pick(&mut self, nodes: impl Iterator<Item = u32>) {
        self.picks.clear();
        self.picks.extend(nodes);
    }
}

/// Rows that are walked over by links, wherever these are.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) rows: Stored<'a>,
    pub(super) dim: usize,
    pub(super) n: usize,
}

impl Walk<'_> {
    /// How near one node is.
    pub(super) fn score(&self, node: u32, query: &Query, scratch: &mut Scratch) -> Near {
        scratch.pick(std::iter::once(node));
        let near = scratch.score(self.rows, query).next();
        near.unwrap_or(Near { score: f32::NEG_INFINITY, node })
    }

    /// From link to link as long as one is nearer.
    pub(super) fn down(
        &self,
        query: &Query,
        mut at: Near,
        links: impl Fn(u32, &mut Vec<u32>),
        scratch: &mut Scratch,
    ) -> Near {
        loop {
            scratch.picks.clear();
            links(at.node, &mut scratch.picks);
            will_read(self.rows, self.dim, &scratch.picks);
            match scratch.score(self.rows, query).max() {
                Some(next) if next.score > at.score => at = next,
                _ => return at,
            }
        }
    }

    /// The `ef` nearest nodes that are admitted, in no order.
    pub(super) fn around(
        &self,
        query: &Query,
        start: Near,
        ef: usize,
        links: impl Fn(u32, &mut Vec<u32>),
        admits: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
    ) -> Vec<Near> {
        let mut ahead = BinaryHeap::from([start]);
        let mut found: BinaryHeap<Reverse<Near>> = BinaryHeap::with_capacity(ef + 1);
        scratch.visited.begin(self.n);
        scratch.visited.meet(start.node);
        if admits(start.node) {
            found.push(Reverse(start));
        }
        while let Some(at) = ahead.pop() {
            if found.len() >= ef && found.peek().is_some_and(|worst| at < worst.0) {
                break;
            }
            let Scratch { visited, picks, .. } = scratch;
            picks.clear();
            links(at.node, picks);
            picks.retain(|&link| visited.meet(link));
            will_read(self.rows, self.dim, picks);
            for near in scratch.score(self.rows, query) {
                let full = found.len() >= ef;
                if full && found.peek().is_some_and(|worst| near <= worst.0) {
                    continue;
                }
                ahead.push(near);
                if admits(near.node) {
                    if full {
                        found.pop();
                    }
                    found.push(Reverse(near));
                }
            }
        }
        found.into_iter().map(|Reverse(near)| near).collect()
    }
}

impl Graph<'_> {
    /// The nearest rows, most likely: best first, equal ones by row, with the scores of the rows as they are stored. Fewer
    /// than `k` may be found where there are more.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length, [`IndexError::Scan`] if there is no memory.
    pub fn search(&self, ask: &Ask<'_>, scratch: &mut Scratch) -> Result<Vec<Hit>, IndexError> {
        let (got, expected) = (ask.query.len(), self.dim);
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        let query = Query::new(ask.query).map_err(|_| crate::scan::ScanError::Memory)?;
        if ask.k == 0 {
            return Ok(Vec::new());
        }
        let walk = Walk { rows: self.stored(), dim: self.dim, n: self.n };
        let mut start = walk.score(self.entry, &query, scratch);
        for level in self.upper.iter().rev() {
            let links = |node: u32, out: &mut Vec<u32>| out.extend(level.links(node, self.n as u32));
            start = walk.down(&query, start, links, scratch);
        }
        let may = |node: u32| {
            let row = node as usize;
            ask.admit.is_none_or(|admit| admit.contains(row)) && ask.accept.is_none_or(|accept| accept(row))
        };
        let ef = ask.ef.max(ask.k);
        let links = |node: u32, out: &mut Vec<u32>| out.extend(self.links(node));
        let copies = |node: u32| follow(self.copies, node, self.n).filter(|&copy| may(copy));
        let found = if self.copies.is_empty() {
            walk.around(&query, start, ef, links, may, scratch)
        } else {
            let admits = |node: u32| may(node) || copies(node).next().is_some();
            let found = walk.around(&query, start, ef, links, admits, scratch);
            let with_copies = |near: Near| {
                let all = std::iter::once(near.node).filter(|&node| may(node)).chain(copies(near.node));
                all.take(ef).map(move |node| Near { node, ..near })
            };
            found.into_iter().flat_map(with_copies).collect()
        };
        Ok(self.ranked(found, ask.k, &query, scratch))
    }

    /// The best of what was found, by the rows as they are stored.
    fn ranked(&self, mut found: Vec<Near>, k: usize, query: &Query, scratch: &mut Scratch) -> Vec<Hit> {
        let _span = tracing::debug_span!("rerank", candidates = found.len() as i64).entered();
        found.sort_unstable_by(|a, b| b.cmp(a));
        let rows = match self.rows {
            Rows::F32(values) | Rows::Int8 { exact: values, .. } => Stored::F32(values),
            Rows::F16(bits) => Stored::F16(bits),
        };
        // As many as are wanted, and then those whose codes leave it open.
        let mut hits: Vec<Hit> = Vec::with_capacity(found.len().min(k.saturating_mul(2)));
        let mut at = 0;
        while at < found.len() {
            let step = if at == 0 { k.min(found.len()) } else { (found.len() - at).min(8) };
            let part = found.get(at..at + step).unwrap_or_default();
            if at >= k {
                hits.sort_unstable_by(best_first);
                hits.truncate(k);
                let floor = hits.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
                let may = |near: &Near| {
                    let scale = self.scales.get(near.node as usize).copied().unwrap_or_default();
                    near.score + scale * DOUBT >= floor
                };
                if !part.iter().any(may) {
                    break;
                }
            }
            scratch.pick(part.iter().map(|near| near.node));
            will_read(rows, self.dim, &scratch.picks);
            hits.extend(scratch.score(rows, query).filter(|near| near.score > f32::NEG_INFINITY).map(
                |near| Hit {
                    row: near.node as usize,
                    // Rounding may carry it a little beyond.
                    score: near.score.clamp(-1.0, 1.0),
                },
            ));
            at += step;
        }
        hits.sort_unstable_by(best_first);
        hits.truncate(k);
        hits
    }
}

fn best_first(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then(a.row.cmp(&b.row))
}
