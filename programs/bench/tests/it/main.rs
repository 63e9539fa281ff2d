//! `fondue bench` as people run it, on tiny models without peers. What it says of time is not judged here.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use fondue_bench::{Report, Wanted};
use tempfile::TempDir;

/// A copy of the program with the services beside it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = PathBuf::from(env!("CARGO_BIN_EXE_fondue-bench"));
    let service = own.with_file_name("examples").join("service");
    fs::copy(&own, folder.path().join("fondue-bench")).unwrap();
    for name in ["fondue-language", "fondue-vision"] {
        symlink(&service, folder.path().join(name)).unwrap();
    }
    folder
}

fn bench(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(folder.join("fondue-bench"));
    command.args(words).args(["--threads", "1", "--cache", "cache"]).current_dir(folder).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_quick_run_measures_every_cell_and_keeps_earlier_runs() {
    let folder = folder();
    fs::write(folder.path().join("all.md"), "# Mine\n\n## Earlier\n\nfigures\n").unwrap();
    let output = bench(folder.path(), &["--quick", "--out", "all.json", "--markdown", "all.md"]);
    assert!(output.status.success(), "{}", told(&output));
    let report: Report =
        serde_json::from_str(&fs::read_to_string(folder.path().join("all.json")).unwrap()).unwrap();

    let cells: Vec<_> = report.cells.iter().map(|cell| (cell.prompt, cell.dialogues)).collect();
    assert_eq!(cells, [(32, 1), (32, 8), (64, 1), (64, 8)]);
    for system in report.cells.iter().flat_map(|cell| &cell.systems) {
        let figures = system.figures;
        assert!(figures.ttft > 0.0 && figures.decode > 0.0 && figures.overall > 0.0, "{figures:?}");
        assert!(figures.p50 <= figures.p99 && figures.peak > 1e6, "{figures:?}");
        let against = system.against.as_ref().unwrap();
        assert!(against.limit > 0.0 && against.ratios.is_empty(), "{against:?}");
        assert!((against.share - figures.decode / against.limit).abs() < 1e-9 * against.share, "{against:?}");
    }
    let systems: Vec<_> = report.cells[0].systems.iter().map(|system| system.name.as_str()).collect();
    assert_eq!(systems, ["fondue f32", "fondue int8"]);
    assert!(report.bandwidth > 1e8 && report.pictures.len() == 1 && report.pictures[0].per_second > 0.0);
    // Next turn, long prompt and memory, of both.
    assert_eq!(report.bars.len(), 6);
    assert!(report.bars.iter().all(|bar| bar.value > 0.0 && bar.bar.is_some()), "{:?}", report.bars);
    let reused = &report.bars[0];
    assert_eq!(reused.bar, Some(Wanted::AtMost(0.15)));
    assert!(reused.figure.contains("of 544 tokens were there"), "{}", reused.figure);
    assert!(!reused.figure.contains("; 0 of 544"), "the next turn found nothing: {}", reused.figure);

    let text = fs::read_to_string(folder.path().join("all.md")).unwrap();
    assert!(text.starts_with("# Mine\n") && text.ends_with("\n## Earlier\n\nfigures\n"), "{text}");
    assert!(text.contains(&report.markdown()), "{text}");
}

#[test]
fn what_stands_in_the_way_is_said_before_the_work() {
    let folder = folder();
    let output = bench(folder.path(), &["--quick", "--out", "nowhere/all.json"]);
    assert!(!output.status.success() && told(&output).contains("nowhere/all.json cannot be written"));
    let output = bench(folder.path(), &["language", "--quick", "--kv-bytes", "1099511627776"]);
    assert!(told(&output).contains("--kv-bytes"), "{}", told(&output));
    let output = bench(folder.path(), &["language", "--quick", "--service-flag=--no-such-flag"]);
    assert!(!output.status.success() && told(&output).contains("--no-such-flag"), "{}", told(&output));
}
