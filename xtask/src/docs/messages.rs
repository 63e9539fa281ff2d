//! The messages that the book explains: each must still be one that the programs can say.
//!
//! A message is a heading of `troubleshooting.md` in backticks; its own backticks are left out. `…` in it stands for what
//! differs each time. All other pieces must occur in one source file, in this order.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Folders whose sources may say something to people.
const SOURCES: [&str; 5] = ["crates", "gateway", "programs", "services", "xtask"];

/// The messages of `page` that no source says.
pub(super) fn faults(root: &Path, page: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let mut sources = Vec::new();
    for folder in SOURCES {
        read(&root.join(folder), &mut sources)?;
    }
    let missing = quoted(&text).filter(|message| !sources.iter().any(|source| says(source, message)));
    Ok(missing.map(|message| format!("{}: no source says `{message}`", page.display())).collect())
}

fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
}

fn says(source: &str, message: &str) -> bool {
    let mut rest = source;
    message.split('…').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| {
        let found = rest.find(piece);
        rest = found.map_or("", |at| &rest[at + piece.len()..]);
        found.is_some()
    })
}

fn read(folder: &Path, sources: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        // Tests quote messages, but say nothing to people.
        let is_test =
            path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs" || name == "target");
        if is_test {
            continue;
        }
        if path.is_dir() {
            read(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            sources.push(joined(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()));
        }
    }
    Ok(())
}

/// The source with the pieces of long strings joined, quotes as they are printed, and without backticks.
fn joined(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for (index, piece) in source.split("\\\n").enumerate() {
        out.push_str(if index == 0 { piece } else { piece.trim_start() });
    }
    // A heading that is code can hold no backticks.
    out.replace("\\\"", "\"").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_over_lines_and_placeholders_and_missed_when_they_change() {
        let source =
            joined("#[error(\"the queue is `full`: {limit} \\\n        requests are \\\"waiting\\\"\")]");
        assert!(says(&source, "the queue is full: … requests are \"waiting\""));
        assert!(!says(&source, "the queue is full: … pictures are waiting"));
        assert!(!says(&source, "requests are … the queue is full"));
    }

    #[test]
    fn only_headings_in_backticks_are_messages() {
        let page = "# `a`\n### `the picture has … bytes`\n### Other\ntext `b`\n";
        assert_eq!(quoted(page).collect::<Vec<_>>(), ["the picture has … bytes"]);
    }
}
