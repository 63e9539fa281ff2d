//! Links within the book: every page is in the summary, every relative link leads to a file and a heading that are there.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

const SUMMARY: &str = "SUMMARY.md";

/// What is wrong with the links of the book in `book`.
pub(super) fn faults(book: &Path) -> Result<Vec<String>> {
    let mut pages = HashMap::new();
    read(book, book, &mut pages)?;
    let mut faults = Vec::new();
    let summary = pages.get(Path::new(SUMMARY)).context("the book has no SUMMARY.md")?;
    let listed: HashSet<PathBuf> =
        summary.links.iter().map(|(_, link)| resolved(Path::new(SUMMARY), link).0).collect();
    for (name, page) in &pages {
        if name != Path::new(SUMMARY) && !listed.contains(name) {
            faults.push(format!("{}: is not in {SUMMARY}", name.display()));
        }
        for (line, link) in page.links.iter().filter(|(_, link)| !is_elsewhere(link)) {
            let (target, anchor) = resolved(name, link);
            let there = match pages.get(&target) {
                Some(page) => anchor.is_empty() || page.anchors.contains(&anchor),
                None => anchor.is_empty() && book.join(&target).is_file(),
            };
            if !there {
                faults.push(format!("{}:{line}: `{link}` leads nowhere", name.display()));
            }
        }
    }
    faults.sort();
    Ok(faults)
}

struct Page {
    /// With their lines.
    links: Vec<(usize, String)>,
    anchors: HashSet<String>,
}

fn read(book: &Path, folder: &Path, pages: &mut HashMap<PathBuf, Page>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            read(book, &path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path)?;
            pages.insert(path.strip_prefix(book)?.to_owned(), page(&text));
        }
    }
    Ok(())
}

fn page(text: &str) -> Page {
    let mut page = Page { links: Vec::new(), anchors: HashSet::new() };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        if line.starts_with('#') && line.trim_start_matches('#').starts_with(' ') {
            let id = anchor(line.trim_start_matches('#').trim());
            let times = seen.entry(id.clone()).and_modify(|times| *times += 1).or_insert(0);
            page.anchors.insert(if *times == 0 { id } else { format!("{id}-{times}") });
        }
        // Code is no link.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("");
        for piece in prose.split("](").skip(1) {
            if let Some((link, _)) = piece.split_once(')') {
                page.links.push((number, link.to_owned()));
            }
        }
    }
    page
}

/// The anchor that mdBook and forges give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-') || c.is_whitespace());
    kept.map(|c| if c.is_whitespace() { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

/// The file below the book, and the anchor, that a link in `page` leads to.
fn resolved(page: &Path, link: &str) -> (PathBuf, String) {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return (page.to_owned(), anchor.to_owned());
    }
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for piece in file.split('/') {
        match piece {
            "." => {}
            // Beyond the book there is nothing that a built book could link to.
            ".." if !path.pop() => return (PathBuf::from("..").join(file), anchor.to_owned()),
            ".." => {}
            piece => path.push(piece),
        }
    }
    (path, anchor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_nowhere_are_told_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        write("SUMMARY.md", "[A](a.md)\n[B](in/b.md)\n");
        write(
            "a.md",
            "# A b-c: `D`\n# A b-c: `D`\n[x](in/b.md#the-end) [y](p.svg) `[no](none.md)`\n```\n[no](none.md)\n```\n",
        );
        write(
            "in/b.md",
            "# The end.\n[x](../a.md#a-b-c-d) [y](../a.md#a-b-c-d-1) [z](https://there/none.md)\n",
        );
        write("p.svg", "");
        assert_eq!(faults(folder.path()).unwrap(), [""; 0]);
        write("a.md", "[x](in/b.md#end)\n[y](q.svg) [z](../README.md)\n");
        write("c.md", "");
        let wrong = faults(folder.path()).unwrap();
        assert_eq!(wrong.len(), 6, "{wrong:?}");
        assert!(wrong.contains(&"a.md:1: `in/b.md#end` leads nowhere".to_owned()), "{wrong:?}");
        assert!(wrong.contains(&"c.md: is not in SUMMARY.md".to_owned()), "{wrong:?}");
    }
}
