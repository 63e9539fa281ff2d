//! What an evaluation comes to: figures in tables, bars, examples, what was skipped; for machines, people, browsers.

mod args;
mod card;
mod html;
mod shown;
mod terminal;

pub(crate) use args::ReportArgs;
pub(crate) use shown::{Example, Examples, Shown};

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::model::{Model, ModelArgs};

/// Everything about one evaluation.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Of this form.
    pub(crate) format: u32,
    /// What was evaluated: the subcommand.
    pub(crate) kind: &'static str,
    /// Program and version.
    pub(crate) program: String,
    /// The words of the command line.
    pub(crate) command: Vec<String>,
    /// The model.
    pub(crate) model: ModelFacts,
    /// What else is to be known, for people: name and value.
    pub(crate) facts: Vec<(String, String)>,
    /// What was to be reached.
    pub(crate) bars: Vec<Bar>,
    /// The figures.
    pub(crate) tables: Vec<Figures>,
    /// Single cases.
    pub(crate) examples: Vec<Examples>,
    /// What could not be evaluated.
    pub(crate) skipped: Vec<Skipped>,
}

/// Which model it was, and how it ran.
#[derive(Debug, Serialize)]
pub(crate) struct ModelFacts {
    pub(crate) folder: String,
    /// Of all files of its three parts.
    pub(crate) sha256: String,
    pub(crate) device: String,
    pub(crate) weights: String,
}

/// A figure that must reach a bar.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) bar: f64,
    /// Else at least.
    pub(crate) at_most: bool,
    pub(crate) got: f64,
    pub(crate) passed: bool,
}

impl Bar {
    pub(crate) fn at_least(name: &str, bar: f64, got: f64) -> Self {
        Self { name: name.to_owned(), bar, at_most: false, got, passed: got >= bar }
    }

    pub(crate) fn at_most(name: &str, bar: f64, got: f64) -> Self {
        Self { name: name.to_owned(), bar, at_most: true, got, passed: got <= bar }
    }
}

/// A table of figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// For machines.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// What the figures mean, for people.
    pub(crate) note: String,
    /// Heads of the columns that name a row, then those of figures.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What stands in a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Text(String),
    Count(usize),
    /// From 0 to 1, shown in per cent.
    Share(f64),
    /// Shown with three places.
    Number(f64),
    /// Not known, or not to be had.
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(n) => write!(f, "{n}"),
            Self::Share(share) => write!(f, "{}", percent(*share)),
            Self::Number(number) => write!(f, "{number:.3}"),
            Self::Nothing => f.write_str("–"),
        }
    }
}

/// A share for people.
pub(crate) fn percent(share: f64) -> String {
    // What is shown must not claim what is not quite so.
    let places = if share > 0.0 && share < 0.01 { 2 } else { 1 };
    format!("{:.places$} %", 100.0 * share)
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) what: String,
    pub(crate) reason: String,
}

impl Report {
    /// An empty report on a model.
    #[allow(clippy::disallowed_methods)] // the command line is told as it was typed
    pub(crate) fn new(kind: &'static str, args: &ModelArgs, model: &Model) -> Self {
        Self {
            format: 1,
            kind,
            program: format!("fondue evaluate {}", env!("CARGO_PKG_VERSION")),
            command: std::env::args().skip(1).collect(),
            model: ModelFacts {
                folder: args.model.display().to_string(),
                sha256: model.identity.clone(),
                device: args.device.clone(),
                weights: args.weights.clone(),
            },
            facts: Vec::new(),
            bars: Vec::new(),
            tables: Vec::new(),
            examples: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Whether all bars are reached.
    pub(crate) fn passed(&self) -> bool {
        self.bars.iter().all(|bar| bar.passed)
    }

    /// Writes what was asked for and prints the rest. `pictures` is where the examples' pictures lie.
    pub(crate) fn tell(&self, args: &ReportArgs, pictures: &Path) -> Result<()> {
        if let Some(path) = &args.json {
            args::write(path, &(serde_json::to_string_pretty(self)? + "\n"))?;
        }
        if let Some(path) = &args.html {
            args::write(path, &html::page(self, pictures)?)?;
        }
        Ok(fondue_terminal::output::print(&terminal::text(self))?)
    }

    /// Writes the model card.
    pub(crate) fn write_card(&self, path: &Path, card: &Card) -> Result<()> {
        args::write(path, &card::text(self, card))
    }
}

pub(crate) use card::Card;
