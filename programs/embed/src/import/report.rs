//! What an import found, what it left out, and what became of the rest.

use std::{collections::BTreeMap, fmt};

use super::table::Facts;

/// Rows of one reason that are named.
const NAMED: usize = 3;
/// Characters of a name that are shown.
const SHOWN: usize = 100;

/// Why a row is not in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its URL or id came before.
    Duplicate,
    /// Its vector is all zeros.
    Zero,
    /// Its vector has a NaN or an infinity.
    NotFinite,
    /// Its metadata does not fit the rows before.
    Metadata,
    /// Its path is not one of http or https, or has control characters.
    NotUrl,
    /// Its URL or id is longer than an id may be.
    TooLong,
}

impl Reason {
    fn said(self) -> &'static str {
        match self {
            Self::Duplicate => "have a URL or an id that came before",
            Self::Zero => "have a vector of zeros",
            Self::NotFinite => "have a vector with NaN or infinity",
            Self::Metadata => "have metadata of another kind than rows before, or too many fields",
            Self::NotUrl => "have a path that is no URL of http or https",
            Self::TooLong => "have a URL or an id of more than 1024 bytes",
        }
    }
}

/// Rows that are not in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<Reason, (usize, Vec<String>)>);

impl LeftOut {
    pub(super) fn add(&mut self, reason: Reason, path: &str) {
        let (count, first) = self.0.entry(reason).or_default();
        *count += 1;
        if first.len() < NAMED {
            first.push(shown(path));
        }
    }

    /// How many rows were left out for this reason.
    pub fn count(&self, reason: Reason) -> usize {
        self.0.get(&reason).map_or(0, |(count, _)| *count)
    }

    /// All that were left out.
    pub fn total(&self) -> usize {
        self.0.values().map(|(count, _)| count).sum()
    }
}

/// A line for each reason.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, (count, first)) in &self.0 {
            let more = if *count > first.len() { ", …" } else { "" };
            writeln!(f, "left out: {count} rows that {}: {}{more}", reason.said(), first.join(", "))?;
        }
        Ok(())
    }
}

/// What an import came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What each file holds, in order.
    pub files: Vec<Facts>,
    /// Rows that are in the index.
    pub n_kept: usize,
    /// Length of its vectors.
    pub dim: usize,
    /// Rows that are not.
    pub left_out: LeftOut,
    /// The generation that was published.
    pub generation: String,
    /// What became of it, for people.
    pub(super) state: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for facts in &self.files {
            writeln!(f, "{facts}")?;
        }
        write!(f, "{}", self.left_out)?;
        writeln!(f, "{} pictures in generation {}, {}", self.n_kept, self.generation, self.state)
    }
}

/// A path of a file, which may be anything, for a terminal.
fn shown(path: &str) -> String {
    let mut chars = path.chars();
    let shown = chars.by_ref().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let shown: String = shown.collect();
    match (shown.is_empty(), chars.next()) {
        (true, _) => "``".to_owned(),
        (_, Some(_)) => shown + "…",
        (_, None) => shown,
    }
}
