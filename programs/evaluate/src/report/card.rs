//! The model card: what the model is, its figures with bars, its failures, where its data comes from.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Bar, Cell, Example, Figures, Report, Shown, percent};

/// Cases of each kind that the card tells.
const CASES: usize = 12;

/// What a card says beside the report.
pub(crate) struct Card {
    text: Option<String>,
    manifest: Manifest,
}

/// What the card needs of a corpus's `manifest.json`.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    seed: Option<u64>,
    #[serde(default)]
    sources: Vec<Source>,
}

#[derive(Debug, Deserialize)]
struct Source {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    style: String,
}

impl Card {
    /// Reads what is to be said of the training, if it is to be said, and of the corpus's sources.
    pub(crate) fn read(text: Option<&Path>, corpus: &Path) -> Result<Self> {
        let said = |path: &Path| format!("reading {}", path.display());
        let read = |path: &Path| fs::read_to_string(path).with_context(|| said(path));
        let path = corpus.join("manifest.json");
        let manifest = serde_json::from_str(&read(&path)?);
        let manifest = manifest.with_context(|| format!("{}: no manifest of a corpus", path.display()))?;
        Ok(Self { text: text.map(read).transpose()?, manifest })
    }
}

/// The card, as Markdown.
pub(super) fn text(report: &Report, card: &Card) -> String {
    let mut text = String::from("# Model card\n\n");
    if let Some(said) = &card.text {
        let _ = writeln!(text, "{}\n", said.trim());
    }
    let _ = writeln!(
        text,
        "## How it was measured\n\n```sh\nfondue evaluate {}\n```\n",
        report.command.join(" ")
    );
    let model = &report.model;
    let _ = writeln!(
        text,
        "{}; weights in {}, on {}. All answers are greedy. SHA-256 of the model's files: `{}`.",
        report.program, model.weights, model.device, model.sha256
    );
    if let Some(seed) = card.manifest.seed {
        let _ = writeln!(text, "What is held out was drawn with seed {seed}, when the corpus was made.");
    }
    for (name, value) in &report.facts {
        let _ = write!(text, "\n- {}: {}", escaped(name), escaped(value));
    }
    text.push_str("\n\n## Figures\n\n| | figure | bar | |\n|---|---:|---:|---|\n");
    report.bars.iter().for_each(|one| bar(&mut text, one));
    report.tables.iter().for_each(|one| table(&mut text, one));
    text.push_str("\n## Failures\n");
    for examples in report.examples.iter().filter(|examples| !examples.rows.is_empty()) {
        let shown = spread(&examples.rows, CASES);
        let _ = writeln!(text, "\n### {}\n\n{} of {}.\n", escaped(&examples.title), shown.len(), examples.of);
        text.push_str("| given | right | rank | got |\n|---|---|---:|---|\n");
        for Example { given, right, got, rank } in shown {
            let [given, right, got] = [given, right, got].map(|shown| escaped(&Shown::words(shown)));
            let rank = rank.map(|rank| rank.to_string()).unwrap_or_default();
            let _ = writeln!(text, "| {given} | {right} | {rank} | {got} |");
        }
    }
    sources(&mut text, &card.manifest);
    text
}

/// The first, and some evenly from the rest.
fn spread(rows: &[Example], n: usize) -> Vec<&Example> {
    let n = n.min(rows.len());
    (0..n).map(|i| &rows[i * rows.len() / n]).collect()
}

fn bar(text: &mut String, Bar { name, bar, at_most, got, passed }: &Bar) {
    let side = if *at_most { "≤" } else { "≥" };
    let verdict = if *passed { "reached" } else { "**not reached**" };
    let _ =
        writeln!(text, "| {} | {} | {side} {} | {verdict} |", escaped(name), percent(*got), percent(*bar));
}

fn table(text: &mut String, table: &Figures) {
    let _ = writeln!(text, "\n### {}\n\n{}\n", escaped(&table.title), table.note);
    let heads = table.columns.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(" | ");
    let is_text = |column: usize| table.rows.iter().all(|row| matches!(row.get(column), Some(Cell::Text(_))));
    let rule: String = (0..table.columns.len()).map(|n| if is_text(n) { "---|" } else { "---:|" }).collect();
    let _ = writeln!(text, "| {heads} |\n|{rule}");
    for row in &table.rows {
        let cells = row.iter().map(|cell| escaped(&cell.to_string())).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "| {cells} |");
    }
}

fn sources(text: &mut String, manifest: &Manifest) {
    if manifest.sources.is_empty() {
        return;
    }
    text.push_str("\n## Sources and licences\n\n| source | version | from | used for | licence |\n|---|---|---|---|---|\n");
    for Source { name, version, licence, kind, style } in &manifest.sources {
        let used =
            if style.is_empty() { "names or texts".to_owned() } else { format!("drawings, style {style}") };
        let [name, version, kind, licence, used] =
            [name, version, kind, licence, &used].map(|cell| escaped(cell));
        let _ = writeln!(text, "| {name} | {version} | {kind} | {used} | {licence} |");
    }
}

/// A text that Markdown takes for nothing but a text within a cell of a table.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => escaped.extend(['\\', letter]),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' | '\t' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(escaped("a|b\n<i> [RET] `x`"), "a\\|b &lt;i> \\[RET\\] \\`x\\`");
    }

    #[test]
    fn cases_are_taken_from_all_of_them() {
        let case = |rank| Example { rank: Some(rank), ..Example::default() };
        let rows: Vec<Example> = (1..=9).map(case).collect();
        let ranks: Vec<_> = spread(&rows, 3).iter().filter_map(|case| case.rank).collect();
        assert_eq!(ranks, [1, 4, 7]);
        assert_eq!(spread(&rows[..2], 3).len(), 2);
        assert!(spread(&[], 3).is_empty());
    }
}
