//! The report as one page that needs nothing else: tables, bars, cases with their pictures.

mod pictures;

use std::{fmt::Write, path::Path};

use anyhow::Result;

use self::pictures::Pictures;
use super::{Bar, Cell, Example, Examples, Figures, Report, Shown, percent};

/// Cases of each kind that are shown; all are in the JSON.
const CASES: usize = 40;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--faint:#777;--good:#1a7f37;--bad:#c62828}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2.2rem 0 .3rem}
p.note,.faint{color:var(--faint);margin:.2rem 0 .6rem}
.wide{overflow-x:auto}table{border-collapse:collapse}
th,td{padding:.22rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th{font-weight:600}.t{text-align:left}.cases td{text-align:left}
.pass{color:var(--good);font-weight:600}.fail{color:var(--bad);font-weight:600}
.q{white-space:pre-wrap;font-family:ui-monospace,monospace;font-size:.85rem}
.pic{display:inline-block;width:64px;height:64px;margin:0 .35rem .35rem 0;background:#fff center/contain no-repeat;border-radius:6px}
figure{display:inline-block;margin:0 .3rem .3rem 0;width:5.4rem;vertical-align:top;font-size:.72rem;line-height:1.2}
summary{cursor:pointer;font-weight:600}code{font-size:.9em}";

/// The page. `folder` is where the pictures of the cases lie.
pub(super) fn page(report: &Report, folder: &Path) -> Result<String> {
    let mut pictures = Pictures::new(folder);
    let body = body(report, &mut pictures);
    let title = format!("Evaluation: {}", escaped(report.kind));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <title>{title}</title>\n<style>\n{STYLE}\n{}</style></head>\n<body>\n<h1>{title}</h1>\n{body}</body></html>\n",
        pictures.style()
    ))
}

fn body(report: &Report, pictures: &mut Pictures<'_>) -> String {
    let mut body = String::new();
    let model = &report.model;
    let facts = [
        ("program", report.program.clone()),
        ("command", format!("fondue evaluate {}", report.command.join(" "))),
        (
            "model",
            format!("{}, {} on {}, SHA-256 {}", model.folder, model.weights, model.device, model.sha256),
        ),
    ];
    let facts =
        facts.into_iter().chain(report.facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
    body.push_str("<table>\n");
    for (name, value) in facts {
        let _ = writeln!(
            body,
            "<tr><th class=\"t\">{}</th><td class=\"t\">{}</td></tr>",
            escaped(name),
            escaped(&value)
        );
    }
    body.push_str("</table>\n");
    if !report.bars.is_empty() {
        body.push_str("<h2>Bars</h2>\n<table>\n");
        report.bars.iter().for_each(|one| bar(&mut body, one));
        body.push_str("</table>\n");
    }
    report.tables.iter().for_each(|one| table(&mut body, one));
    for one in report.examples.iter().filter(|one| !one.rows.is_empty()) {
        examples(&mut body, one, pictures);
    }
    if !report.skipped.is_empty() {
        let n = report.skipped.len();
        let _ =
            writeln!(body, "<h2>Skipped</h2>\n<details><summary>{n} could not be evaluated</summary><ul>");
        for skipped in report.skipped.iter().take(1000) {
            let _ = writeln!(body, "<li>{}: {}</li>", escaped(&skipped.what), escaped(&skipped.reason));
        }
        body.push_str("</ul></details>\n");
    }
    body
}

fn bar(body: &mut String, Bar { name, bar, at_most, got, passed }: &Bar) {
    let (class, verdict) = if *passed { ("pass", "pass") } else { ("fail", "fail") };
    let side = if *at_most { "at most" } else { "at least" };
    let (name, got, bar) = (escaped(name), percent(*got), percent(*bar));
    let _ = writeln!(
        body,
        "<tr><td class=\"t\">{name}</td><td>{got}</td><td class=\"t\">{side} {bar}</td><td class=\"{class}\">{verdict}</td></tr>"
    );
}

fn table(body: &mut String, table: &Figures) {
    let (title, note) = (escaped(&table.title), escaped(&table.note));
    let _ =
        writeln!(body, "<h2>{title}</h2>\n<p class=\"note\">{note}</p>\n<div class=\"wide\"><table>\n<tr>");
    let is_text = |column: usize| table.rows.iter().all(|row| matches!(row.get(column), Some(Cell::Text(_))));
    let class = |column: usize| if is_text(column) { " class=\"t\"" } else { "" };
    for (column, name) in table.columns.iter().enumerate() {
        let _ = write!(body, "<th{}>{}</th>", class(column), escaped(name));
    }
    body.push_str("</tr>\n");
    for row in &table.rows {
        body.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(body, "<td{}>{}</td>", class(column), escaped(&cell.to_string()));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</table></div>\n");
}

fn examples(body: &mut String, examples: &Examples, pictures: &mut Pictures<'_>) {
    let shown = examples.rows.len().min(CASES);
    let title = escaped(&examples.title);
    let _ = writeln!(
        body,
        "<h2>{title}</h2>\n<details><summary>{shown} of {}</summary><div class=\"wide\"><table class=\"cases\">\n\
         <tr><th class=\"t\">given</th><th class=\"t\">right</th><th>rank</th><th class=\"t\">got</th></tr>",
        examples.of
    );
    for Example { given, right, got, rank } in examples.rows.iter().take(CASES) {
        let [given, right, got] = [given, right, got].map(|all| cell(all, pictures));
        let rank = rank.map(|rank| rank.to_string()).unwrap_or_default();
        let _ = writeln!(body, "<tr><td>{given}</td><td>{right}</td><td>{rank}</td><td>{got}</td></tr>");
    }
    body.push_str("</table></div></details>\n");
}

fn cell(all: &[Shown], pictures: &mut Pictures<'_>) -> String {
    let one = |shown: &Shown| match shown {
        Shown::Text(text) => format!("<div class=\"q\">{}</div>", escaped(text)),
        Shown::Picture { path, name } => {
            let name = escaped(name);
            let picture = pictures.class(path).map(|class| {
                format!("<span class=\"pic {class}\" role=\"img\" aria-label=\"{name}\"></span>")
            });
            format!("<figure>{}<figcaption>{name}</figcaption></figure>", picture.unwrap_or_default())
        }
    };
    all.iter().map(one).collect()
}

/// A text that HTML takes for nothing but a text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
