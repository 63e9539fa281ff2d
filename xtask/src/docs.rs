//! `cargo xtask docs`: the book of `docs/`. Makes its generated pages, checks it, builds it.
//!
//! Generated pages are committed; `cargo xtask test` fails when they are not what the sources give, when a link leads nowhere,
//! or when a message that the book explains is in no source any more. Only building the book itself needs mdBook.

mod api;
mod book;
mod links;
mod messages;
mod programs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::run;

/// The book's folder.
const BOOK: &str = "docs";

/// A page of the book, as it should be.
struct Page {
    /// Its path below [`BOOK`].
    name: String,
    text: String,
}

/// Writes the generated pages, checks everything, builds the book.
pub(crate) fn make(root: &Path) -> Result<()> {
    run::build(root)?;
    for page in generated(root)? {
        let path = path(root, &page);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, page.text).with_context(|| path.display().to_string())?;
    }
    checked(root)?;
    book::build(root)
}

/// Checks that the generated pages are what the sources give, and the rest of the book. Needs the programs to be built.
pub(crate) fn check(root: &Path) -> Result<()> {
    let stale: Vec<_> = generated(root)?
        .into_iter()
        .filter(|page| fs::read_to_string(path(root, page)).ok().as_deref() != Some(&page.text))
        .map(|page| page.name)
        .collect();
    ensure!(stale.is_empty(), "{BOOK} is stale; `cargo xtask docs` makes it anew: {}", stale.join(", "));
    checked(root)
}

fn checked(root: &Path) -> Result<()> {
    let book = root.join(BOOK);
    let mut faults = links::faults(&book)?;
    faults.extend(messages::faults(root, &book.join("troubleshooting.md"))?);
    ensure!(faults.is_empty(), "the book is not right:\n{}", faults.join("\n"));
    Ok(())
}

fn generated(root: &Path) -> Result<Vec<Page>> {
    let mut pages = api::pages(root)?;
    pages.extend(programs::pages(&run::target(root)?.join("release"))?);
    Ok(pages)
}

fn path(root: &Path, page: &Page) -> PathBuf {
    root.join(BOOK).join(&page.name)
}
