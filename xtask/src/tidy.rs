//! Rules of the tree that no compiler checks.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};

const UNSAFE: [&str; 5] = [
    "crates/mapped/",
    "crates/kernels/",
    "crates/model/src/placement/cuda.rs",
    "tests/simulation/src/chance.rs",
    "tests/skew/",
];
const MAX_LINES: usize = 600;

/// Checks every file that git tracks or would track.
pub(crate) fn check(root: &Path) -> Result<()> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(words).current_dir(root).output()?;
    ensure!(output.status.success(), "git ls-files failed");
    let names = String::from_utf8(output.stdout)?;
    let mut faults = Vec::new();
    for name in names.split_terminator('\0') {
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            faults.extend(faults_of(name, &text).into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    ensure!(faults.is_empty(), "the tree is not tidy:\n{}", faults.join("\n"));
    Ok(())
}

/// What is wrong with one file.
fn faults_of(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // In two pieces, so that this file does not accuse itself.
    for (a, b) in [("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("../sh", "ared")] {
        if text.contains(&format!("{a}{b}")) {
            faults.push(format!("names a place of one machine: {a}{b}"));
        }
    }
    if !name.ends_with(".rs") {
        return faults;
    }
    for (a, b) in [("#[ig", "nore"), ("to", "do!("), ("unimple", "mented!(")] {
        if text.contains(&format!("{a}{b}")) {
            faults.push(format!("unfinished or skipped: {a}{b}"));
        }
    }
    if !text.starts_with("//!") {
        faults.push("has no doorplate (//!) as its first line".to_owned());
    }
    if text.lines().count() > MAX_LINES {
        faults.push(format!("has more than {MAX_LINES} lines"));
    }
    if name.ends_with("/mod.rs") {
        faults.push("is a mod.rs; use foo.rs beside foo/".to_owned());
    }
    let may = UNSAFE.iter().any(|place| name.starts_with(place));
    if text.contains(concat!("allow(unsafe", "_code)")) && !may {
        faults.push(format!("allows unsafe code; only these may: {}", UNSAFE.join(", ")));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_fault() {
        assert!(faults_of("a.rs", "//! Good.\n").is_empty());
        for bad in
            ["fn a() {}", &"//!\n".repeat(601), concat!("//!\n#[ig", "nore]"), concat!("//! /ro", "ot/x")]
        {
            assert_eq!(faults_of("a.rs", bad).len(), 1, "{bad:.30}");
        }
        assert_eq!(faults_of("a/mod.rs", "//!").len(), 1);
        assert_eq!(faults_of("notes.md", concat!("see ../sh", "ared")).len(), 1);
    }
}
