//! Builds the book with mdBook, which is installed once, into a folder of the user's cache.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::BOOK;
use crate::{
    cache,
    run::{call, cargo, target},
};

const VERSION: &str = "0.5.4";

/// Builds the book into `book/` of the target folder.
pub(super) fn build(root: &Path) -> Result<()> {
    let out = target(root)?.join("book");
    call(Command::new(mdbook(root)?).arg("build").arg(root.join(BOOK)).arg("--dest-dir").arg(&out))?;
    println!("The book: {}", out.join("index.html").display());
    Ok(())
}

/// The program, installed unless it is there. Without its own server and watcher, which need more than twice the packages.
fn mdbook(root: &Path) -> Result<PathBuf> {
    let (cache, _alone) = cache::alone("mdbook")?;
    let home = cache.join(format!("mdbook-{VERSION}"));
    let program = home.join("bin").join("mdbook");
    if !program.exists() {
        println!("Installing mdBook {VERSION} into {} (once, some minutes) …", home.display());
        let mut install = cargo(root);
        install.args(["install", "mdbook", "--locked", "--version", VERSION]);
        install.args(["--no-default-features", "--features", "search", "--root"]).arg(&home);
        call(install.env_remove("CARGO_TARGET_DIR")).context("mdBook could not be installed")?;
    }
    Ok(program)
}
