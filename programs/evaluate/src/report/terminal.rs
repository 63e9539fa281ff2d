//! The report as plain text.

use std::fmt::Write;

use super::{Bar, Cell, Figures, Report, Shown, percent};

/// Cases of each kind that are printed; all are in the JSON.
const CASES: usize = 5;
/// Letters of one text of them.
const WIDE: usize = 160;

/// Everything, for a terminal.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for table in &report.tables {
        let _ = writeln!(text, "{}\n{}", table.title, aligned(table));
    }
    for examples in report.examples.iter().filter(|examples| !examples.rows.is_empty()) {
        let shown = examples.rows.len().min(CASES);
        let _ = writeln!(text, "{} ({shown} of {})", examples.title, examples.of);
        for case in examples.rows.iter().take(CASES) {
            let rank = case.rank.map(|rank| format!(" (rank {rank})")).unwrap_or_default();
            let [given, right, got] =
                [&case.given, &case.right, &case.got].map(|shown| short(&Shown::words(shown)));
            let _ = writeln!(text, "  {given} — right: {right}{rank}; got: {got}");
        }
        text.push('\n');
    }
    if !report.skipped.is_empty() {
        let _ = writeln!(text, "Skipped: {}", report.skipped.len());
        for skipped in report.skipped.iter().take(CASES) {
            let _ = writeln!(text, "  {}: {}", skipped.what, skipped.reason);
        }
        if report.skipped.len() > CASES {
            let _ = writeln!(text, "  … (--json lists all)");
        }
        text.push('\n');
    }
    for bar in &report.bars {
        let _ = writeln!(text, "{}", told(bar));
    }
    text
}

/// The end of a long text: what was said last tells most.
fn short(text: &str) -> String {
    match text.chars().count().checked_sub(WIDE) {
        None | Some(0) => text.to_owned(),
        Some(more) => std::iter::once('…').chain(text.chars().skip(more + 1)).collect(),
    }
}

/// `pass  name: 31.0 % (at least 30.0 %)`.
fn told(bar: &Bar) -> String {
    let Bar { name, bar, at_most, got, passed } = bar;
    let (verdict, side) =
        (if *passed { "pass" } else { "FAIL" }, if *at_most { "at most" } else { "at least" });
    format!("{verdict}  {name}: {} ({side} {})", percent(*got), percent(*bar))
}

fn aligned(table: &Figures) -> String {
    let cells = table.rows.iter().map(|row| row.iter().map(Cell::to_string).collect::<Vec<_>>());
    let lines: Vec<Vec<String>> = std::iter::once(table.columns.clone()).chain(cells).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let is_text = |column: usize| table.rows.iter().all(|row| matches!(row.get(column), Some(Cell::Text(_))));
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let room = widths.get(column).copied().unwrap_or(0);
            let _ = if is_text(column) {
                write!(text, "  {cell:<room$}")
            } else {
                write!(text, "  {cell:>room$}")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads() {
        let table = Figures {
            name: "t",
            title: String::new(),
            note: String::new(),
            columns: ["style", "n", "R@1"].map(str::to_owned).to_vec(),
            rows: vec![
                vec!["noto".into(), Cell::Count(1000), Cell::Share(0.3)],
                vec!["all".into(), Cell::Count(1), Cell::Nothing],
            ],
        };
        assert_eq!(aligned(&table), "  style     n     R@1\n  noto   1000  30.0 %\n  all       1       –\n");
    }

    #[test]
    fn a_long_text_keeps_its_end() {
        assert_eq!(short("abc"), "abc");
        let long = short(&("x".repeat(WIDE) + "end"));
        assert!(long.starts_with('…') && long.ends_with("xend") && long.chars().count() == WIDE, "{long}");
    }

    #[test]
    fn a_bar_tells_its_side() {
        assert_eq!(told(&Bar::at_least("found", 0.3, 0.29)), "FAIL  found: 29.0 % (at least 30.0 %)");
        assert_eq!(told(&Bar::at_most("wrongly", 0.05, 0.004)), "pass  wrongly: 0.40 % (at most 5.0 %)");
    }
}
