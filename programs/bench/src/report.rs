//! What was measured: as JSON, and as tables for people.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::statistics::Figures;

/// Everything of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The machine and the peers' versions, a line each.
    pub setting: Vec<String>,
    /// Bytes of memory read a second, by all threads.
    pub bandwidth: f64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) scenarios: Vec<Scenario>,
}

/// One combination of shape, prompt and number of dialogues.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) shape: String,
    pub(crate) prompt: usize,
    pub(crate) dialogues: usize,
    pub(crate) new_tokens: usize,
    /// `fondue f32`, `ctranslate2-int8` and so on, with what each gave.
    pub(crate) systems: Vec<System>,
}

/// One system's figures in a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct System {
    pub(crate) name: String,
    pub(crate) figures: Figures,
    /// Share of the reading bandwidth that its decoding uses, for ours.
    pub(crate) share: Option<f64>,
}

/// A measurement that is no cell: what it gave and what was wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) what: String,
    pub(crate) figure: String,
    /// The bar, and whether it is met; none for a figure that stands for itself.
    pub(crate) bar: Option<(String, bool)>,
}

impl Scenario {
    /// A ratio against a bar that it must reach.
    pub(crate) fn at_least(what: impl Into<String>, ratio: f64, bar: f64, detail: &str) -> Self {
        let figure = format!("{ratio:.2}× ({detail})");
        Self { what: what.into(), figure, bar: Some((format!("≥ {bar}×"), ratio >= bar)) }
    }

    /// A ratio against a bar that it must not exceed.
    pub(crate) fn at_most(what: impl Into<String>, ratio: f64, bar: f64, detail: &str) -> Self {
        let figure = format!("{ratio:.2}× ({detail})");
        Self { what: what.into(), figure, bar: Some((format!("≤ {bar}×"), ratio <= bar)) }
    }
}

impl Cell {
    pub(crate) fn figures(&self, name: &str) -> Option<Figures> {
        self.systems.iter().find(|system| system.name == name).map(|system| system.figures)
    }
}

impl Report {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.setting {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(text, "- memory is read at {:.1} GB/s", self.bandwidth / 1e9);
        let mut shapes: Vec<&str> = self.cells.iter().map(|cell| cell.shape.as_str()).collect();
        shapes.dedup();
        for shape in shapes {
            let _ = writeln!(text, "\n### OPT-{shape}'s shape\n");
            text += "| prompt | dialogues | system | TTFT ms | decode tok/s | overall tok/s | p50 ms | p99 ms | peak MiB | of the bandwidth |\n";
            text += "|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|\n";
            for cell in self.cells.iter().filter(|cell| cell.shape == shape) {
                for System { name, figures: f, share } in &cell.systems {
                    let share = share.map_or(String::new(), |share| format!("{:.0} %", share * 100.0));
                    let _ = writeln!(
                        text,
                        "| {} | {} | {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {share} |",
                        cell.prompt,
                        cell.dialogues,
                        f.ttft * 1e3,
                        f.decode,
                        f.overall,
                        f.p50 * 1e3,
                        f.p99 * 1e3,
                        f.peak / f64::from(1 << 20),
                    );
                }
            }
        }
        if !self.scenarios.is_empty() {
            text += "\n### Bars\n\n| what | figure | bar | |\n|---|---|---|---|\n";
            for Scenario { what, figure, bar } in &self.scenarios {
                let (bar, met) = match bar {
                    Some((bar, true)) => (bar.as_str(), "met"),
                    Some((bar, false)) => (bar.as_str(), "**missed**"),
                    None => ("", ""),
                };
                let _ = writeln!(text, "| {what} | {figure} | {bar} | {met} |");
            }
        }
        text
    }
}
