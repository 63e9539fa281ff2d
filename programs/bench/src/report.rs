//! What was measured: as JSON, and as tables for people.

pub(crate) mod gallery;
pub(crate) mod markdown;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::gallery::Gallery;

use crate::statistics::Figures;

/// Everything of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The day, in UTC.
    pub date: String,
    /// The machine and the peers' versions, a line each.
    pub setting: Vec<String>,
    /// Bytes of memory read a second, by all threads.
    pub bandwidth: f64,
    /// The language service and its peers.
    pub cells: Vec<Cell>,
    /// Pictures a second.
    pub pictures: Vec<Pictures>,
    /// What stands against a bar, and what else is no cell.
    pub bars: Vec<Bar>,
    /// Searches among pictures.
    #[serde(default)]
    pub galleries: Vec<Gallery>,
}

/// One combination of shape, prompt and number of dialogues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// `125m` and so on.
    pub shape: String,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// Dialogues at the same time.
    pub dialogues: usize,
    /// Tokens of each answer.
    pub new_tokens: usize,
    /// What each system gave.
    pub systems: Vec<System>,
}

/// One system's figures in a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct System {
    /// `fondue f32`, `ctranslate2-int8` and so on.
    pub name: String,
    /// Medians of its runs.
    pub figures: Figures,
    /// For ours.
    pub against: Option<Against>,
    /// For a peer: the share of its tokens that are those of ours with weights that are as precise.
    pub agreement: Option<f64>,
}

/// What ours is measured against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Against {
    /// Tokens a second of all dialogues together, if reading memory were all that there is to decoding.
    pub limit: f64,
    /// Decoding's share of that.
    pub share: f64,
    /// For each peer: how many times as many tokens a second ours decodes, and makes over all.
    pub ratios: Vec<(String, f64, f64)>,
}

/// Pictures a second of one system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pictures {
    /// `fondue f32` or `transformers`.
    pub name: String,
    /// From files to features.
    pub per_second: f64,
    /// Most memory that its process has had, in bytes.
    pub peak: f64,
}

/// A figure that no cell shows, with its bar if there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bar {
    /// What was measured.
    pub what: String,
    /// What it gave, for people.
    pub figure: String,
    /// The number that is compared.
    pub value: f64,
    /// What was wanted.
    pub bar: Option<Wanted>,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// As much or more.
    AtLeast(f64),
    /// As much or less.
    AtMost(f64),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, "≥ {bar}"),
            Self::AtMost(bar) => write!(f, "≤ {bar}"),
        }
    }
}

impl Bar {
    /// A ratio with what it is made of.
    pub(crate) fn ratio(what: String, value: f64, bar: Option<Wanted>, detail: &str) -> Self {
        Self { what, figure: format!("{value:.2}× ({detail})"), value, bar }
    }

    /// Whether it is met, if there is one.
    pub fn is_met(&self) -> Option<bool> {
        self.bar.map(|bar| match bar {
            Wanted::AtLeast(bar) => self.value >= bar,
            Wanted::AtMost(bar) => self.value <= bar,
        })
    }
}

impl Cell {
    /// The figures of a system, if it ran.
    pub(crate) fn figures(&self, name: &str) -> Option<Figures> {
        self.systems.iter().find(|system| system.name == name).map(|system| system.figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_met_at_their_boundary() {
        let met = |value, bar| Bar::ratio(String::new(), value, bar, "").is_met();
        assert_eq!(met(1.2, Some(Wanted::AtLeast(1.2))), Some(true));
        assert_eq!(met(1.19, Some(Wanted::AtLeast(1.2))), Some(false));
        assert_eq!(met(3.0, Some(Wanted::AtMost(3.0))), Some(true));
        assert_eq!(met(3.01, Some(Wanted::AtMost(3.0))), Some(false));
        assert_eq!(met(f64::NAN, Some(Wanted::AtLeast(0.0))), Some(false));
        assert_eq!(met(1.0, None), None);
    }
}
