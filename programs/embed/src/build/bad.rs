//! Entries that are left out: the first few on stderr, all of them in a file.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use super::source::Bad;

/// Shows the first ones while work goes on.
pub(crate) struct Shown {
    left: usize,
    more: bool,
}

impl Shown {
    pub(crate) fn new(max: usize) -> Self {
        Self { left: max, more: false }
    }

    pub(crate) fn show(&mut self, bar: &ProgressBar, bad: &Bad) {
        if self.left > 0 {
            self.left -= 1;
            bar.suspend(|| eprintln!("left out: {}", text(bad)));
        } else if !self.more {
            self.more = true;
            bar.suspend(|| eprintln!("left out: more, which --report FILE lists"));
        }
    }
}

/// As one line.
pub(crate) fn text(bad: &Bad) -> String {
    let Bad { line, image, reason } = bad;
    let image = if image.is_empty() { String::new() } else { format!(" `{}`", clean(image)) };
    format!("line {line}{image}: {}", clean(reason))
}

/// A table of all: line, image, reason. It appears whole.
pub(crate) struct Report {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Report {
    pub(crate) fn begin(path: &std::path::Path) -> Result<Self> {
        let part = part(path);
        let file = File::create(&part).with_context(|| format!("report {}", part.display()))?;
        let mut report = Self { path: path.to_owned(), file: BufWriter::new(file) };
        report.write("line\timage\treason\n")?;
        Ok(report)
    }

    pub(crate) fn add(&mut self, bad: &Bad) -> Result<()> {
        self.write(&format!("{}\t{}\t{}\n", bad.line, clean(&bad.image), clean(&bad.reason)))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let at = || format!("report {}", self.path.display());
        self.file
            .into_inner()
            .map_err(|error| error.into_error())
            .with_context(at)?
            .sync_all()
            .with_context(at)?;
        fs::rename(part(&self.path), &self.path).with_context(at)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("report {}", self.path.display()))
    }
}

fn part(path: &std::path::Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Without what would make two lines or cells of it, or move a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars().take(500).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
