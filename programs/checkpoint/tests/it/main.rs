//! The real program on the shipped model, in the forms that models are published in, whole and damaged.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod checks;
mod converts;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}

/// A copy of the shipped model, to damage.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["opt", "clip", "fromage"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        for entry in fs::read_dir(shipped().join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fondue-model"))
}

/// Exit code, output and errors.
fn run(words: &[&str], folders: &[&Path]) -> (i32, String, String) {
    let output = program().args(words).args(folders).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The report of a check.
fn report(folders: &[&Path]) -> Value {
    let (code, text, errors) = run(&["check", "--json"], folders);
    assert_eq!(errors, "");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, i32::from(report["ok"] != true));
    assert_eq!(report["ok"] == true, report["faults"].as_array().unwrap().is_empty());
    report
}

/// What is wrong, one fault a line.
fn faults(report: &Value) -> Vec<String> {
    let faults = report["faults"].as_array().unwrap().iter();
    let text = |fault: &Value, key: &str| fault[key].as_str().unwrap().to_owned();
    faults.map(|fault| format!("{}: {}", text(fault, "place"), text(fault, "what"))).collect()
}
