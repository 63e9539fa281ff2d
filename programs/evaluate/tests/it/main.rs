//! The real program on the shipped model and small sets that are made here.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod captions;
mod corpus;
mod kept;
mod naive;
mod refusals;
mod sets;
mod visdial;
mod vist;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}

/// The program on the shipped model, its work in `folder`, its report in `folder/report.json`.
fn program(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-evaluate"));
    command.args(words).arg("--model").arg(shipped()).arg("--threads=1").current_dir(folder);
    command.args(["--work", "work", "--json", "report.json"]);
    command
}

/// Exit code, output and errors.
fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = program(folder, words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The report of a run that goes well.
#[track_caller]
fn report(folder: &Path, words: &[&str]) -> Value {
    let (code, _, errors) = run(folder, words);
    assert_eq!((code, errors.as_str()), (0, ""));
    read(folder)
}

fn read(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

/// The rows of a table, by its name.
fn rows<'a>(report: &'a Value, name: &str) -> &'a Vec<Value> {
    let table = report["tables"].as_array().unwrap().iter().find(|table| table["name"] == name);
    table.unwrap()["rows"].as_array().unwrap()
}

/// What was skipped, one a line.
fn skipped(report: &Value) -> Vec<String> {
    let skipped = report["skipped"].as_array().unwrap().iter();
    skipped
        .map(|one| format!("{}: {}", one["what"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn near(got: &Value, wanted: f64) {
    let got = got.as_f64().unwrap();
    assert!((got - wanted).abs() < 1e-6, "{got} {wanted}");
}
