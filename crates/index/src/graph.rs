//! Approximate nearest neighbours: a graph over the rows, read in place, searched by codes of eight bits.
//!
//! Every row is a node with links to near ones, but to few in any one direction. A few nodes are on a second level, fewer on
//! a third; a search goes down from the top to where its query lies, and then from node to node on the lowest level, as long
//! as it finds nearer ones. What it found is ranked by the rows themselves. Of rows that are alike, only the first is
//! a node.
//!
//! ```text
//! graph.links              [rows, 2m] u32, the lowest level; u32::MAX stands for no link
//! graph.upper              for each level above: its nodes u32, rising, and their links [nodes, m] u32
//! graph.copies             [copies, 2] u32, rising: a row, and the next one that is alike
//! graph.codes, .scales     rows in eight bits, where the generation does not store them so itself
//! ```
//!
//! Nothing of it is believed: a link that leads nowhere is passed over, whatever the files say, so that damage costs
//! pictures, and is told by the checksums.
//!
//! Source: Malkov & Yashunin 2018 (HNSW), with the choice of links of its algorithm 4.

mod build;
mod copies;
mod level;
mod search;
mod visited;

#[cfg(test)]
mod tests;

use std::io::Write;

use fondue_kernels::Stored;

use self::level::Upper;
pub use self::{
    build::{Built, Params},
    search::{Ask, Scratch},
};
use crate::{Generation, GraphFacts, IndexError, Laid, Rows};

pub(crate) const LINKS: &str = "graph.links";
pub(crate) const UPPER: &str = "graph.upper";
pub(crate) const COPIES: &str = "graph.copies";
pub(crate) const CODES: &str = "graph.codes";
pub(crate) const SCALES: &str = "graph.scales";

/// No link.
pub(crate) const NONE: u32 = u32::MAX;

/// What its files hold.
#[derive(Clone, Copy)]
struct Parts<'a> {
    codes: &'a [i8],
    scales: &'a [f32],
    links: &'a [u32],
    upper: &'a [u32],
    copies: &'a [[u32; 2]],
}

/// A graph over rows, both borrowed from wherever they lie.
pub struct Graph<'a> {
    rows: Rows<'a>,
    dim: usize,
    n: usize,
    codes: &'a [i8],
    scales: &'a [f32],
    links: &'a [u32],
    degree: usize,
    upper: Vec<Upper<'a>>,
    copies: &'a [[u32; 2]],
    entry: u32,
}

impl<'a> Graph<'a> {
    /// The graph of a generation, if it has one. Reads nothing.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the files' lengths do not fit.
    pub fn of(generation: &'a Generation) -> Result<Option<Self>, IndexError> {
        let Some(facts) = generation.graph_facts() else { return Ok(None) };
        let rows = generation.rows()?;
        let (codes, scales) = match rows {
            Rows::Int8 { codes, scales, .. } => (codes, scales),
            _ => (generation.graph_file(CODES)?, generation.graph_file(SCALES)?),
        };
        let parts = Parts {
            codes,
            scales,
            links: generation.graph_file(LINKS)?,
            upper: generation.graph_file(UPPER)?,
            copies: generation.graph_file(COPIES)?,
        };
        let graph = Self::new(rows, generation.dim(), parts, facts);
        let damaged =
            || IndexError::damaged(&generation.folder().join(LINKS), "the graph's files do not fit");
        graph.ok_or_else(damaged).map(Some)
    }

    /// The graph that was built over these rows. `None` if it is of others.
    pub fn over(rows: Rows<'a>, dim: usize, built: &'a Built) -> Option<Self> {
        let (codes, scales) = match (rows, &built.codes) {
            (Rows::Int8 { codes, scales, .. }, _) => (codes, scales),
            (_, Some((codes, scales))) => (codes.as_slice(), scales.as_slice()),
            _ => return None,
        };
        let Built { links, upper, copies, facts, .. } = built;
        Self::new(rows, dim, Parts { codes, scales, links, upper, copies }, facts)
    }

    /// Links of all nodes on the lowest level together.
    pub fn degrees(&self) -> usize {
        self.links.iter().filter(|link| **link != NONE).count()
    }

    /// A graph over rows. `None` if the lengths do not fit.
    fn new(rows: Rows<'a>, dim: usize, parts: Parts<'a>, facts: &GraphFacts) -> Option<Self> {
        let Parts { codes, scales, links, mut upper, copies } = parts;
        let n = rows.len(dim);
        let degree = facts.m.checked_mul(2)?;
        let fits = codes.len() == n.checked_mul(dim)?
            && scales.len() == n
            && links.len() == n.checked_mul(degree)?
            && (facts.entry as usize) < n;
        let mut levels = Vec::with_capacity(facts.upper.len().min(64));
        for &nodes in &facts.upper {
            let (ids, rest) = upper.split_at_checked(nodes)?;
            let (links, rest) = rest.split_at_checked(nodes.checked_mul(facts.m)?)?;
            levels.push(Upper { ids, links, m: facts.m });
            upper = rest;
        }
        let whole = fits && upper.is_empty() && degree > 0;
        whole.then_some(Self {
            rows,
            dim,
            n,
            codes,
            scales,
            links,
            degree,
            upper: levels,
            copies,
            entry: facts.entry,
        })
    }

    fn stored(&self) -> Stored<'a> {
        Stored::Int8 { codes: self.codes, scales: self.scales }
    }

    /// The links of a node on the lowest level that lead somewhere.
    fn links(&self, node: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (links, n) = (self.links, self.n as u32);
        let at = node as usize * self.degree;
        let links = links.get(at..at + self.degree).unwrap_or_default();
        links.iter().copied().take_while(|link| *link != NONE).filter(move |link| *link < n)
    }
}

/// When a generation gets a graph, and how it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graphing {
    /// Rows above which there is one: below, a scan is as fast.
    pub above: usize,
    /// How it is built.
    pub params: Params,
}

/// Adds a graph to a generation in the making, if it is large enough: see [`add`].
///
/// # Errors
/// As [`add`].
pub fn add_if_large(
    laid: &mut Laid,
    graphing: Graphing,
    step: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<(), IndexError> {
    if laid.len() > graphing.above { add(laid, graphing.params, step) } else { Ok(()) }
}

/// Builds a graph over the rows of a generation in the making, and adds its files. `step` is told how many rows are
/// linked of how many, from any thread, and stops it by returning false.
///
/// # Errors
/// [`IndexError::Stopped`], [`IndexError::Io`].
pub fn add(
    laid: &mut Laid,
    params: Params,
    step: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<(), IndexError> {
    let built = Built::new(laid.rows()?, laid.dim(), params, step)?;
    let mut write = |name: &str, bytes: &[u8]| -> Result<(), IndexError> {
        let mut file = laid.file(name)?;
        file.write_all(bytes).map_err(|source| IndexError::Io { path: name.into(), source })?;
        file.finish()
    };
    write(LINKS, bytemuck::cast_slice(&built.links))?;
    write(UPPER, bytemuck::cast_slice(&built.upper))?;
    write(COPIES, bytemuck::cast_slice(&built.copies))?;
    if let Some((codes, scales)) = &built.codes {
        write(CODES, bytemuck::cast_slice(codes))?;
        write(SCALES, bytemuck::cast_slice(scales))?;
    }
    laid.set_graph(built.facts);
    Ok(())
}
