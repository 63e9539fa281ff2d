//! `fondue bench` as people run it, on tiny models without peers. What it says of time is not judged here.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod fake;
mod serve;

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
    for name in ["language", "vision", "retrieval", "gateway", "index"].map(|name| format!("fondue-{name}")) {
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
    fs::write(
        folder.path().join("all.md"),
        "# Mine\n\n## 2001-01-01: earlier\n\nfigures\n\n# Retrieval\n\nSaid.\n",
    )
    .unwrap();
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
    assert!(text.starts_with("# Mine\n"), "{text}");
    let (models, retrieval) =
        text.split_once("\n## 2001-01-01: earlier\n\nfigures\n\n# Retrieval\n").unwrap();
    let searched = Report { cells: Vec::new(), pictures: Vec::new(), bars: Vec::new(), ..report.clone() };
    assert!(models.ends_with(&Report { galleries: Vec::new(), ..report }.markdown()), "{text}");
    assert!(retrieval.starts_with("\nSaid.\n\n## ") && retrieval.ends_with(&searched.markdown()), "{text}");
}

#[test]
fn a_quick_run_searches_scans_swaps_and_changes() {
    let folder = folder();
    let words = ["retrieval", "--quick", "--rows", "6k,600", "--out", "all.json", "--markdown", "all.md"];
    let output = bench(folder.path(), &words);
    assert!(output.status.success(), "{}", told(&output));
    let report: Report =
        serde_json::from_str(&fs::read_to_string(folder.path().join("all.json")).unwrap()).unwrap();
    assert_eq!(report.galleries.iter().map(|gallery| gallery.rows).collect::<Vec<_>>(), [6000, 600]);
    for gallery in &report.galleries {
        let scans: Vec<_> = gallery.exact.iter().map(|scan| (scan.name.as_str(), scan.together)).collect();
        assert_eq!(scans, [1, 8, 16].map(|together| ("fondue f32", together)));
        assert!(gallery.exact.iter().all(|scan| scan.recall == 1.0 && scan.bytes_per_second > 0.0));
        let best = gallery.graph.iter().map(|walk| walk.recall).fold(0.0, f64::max);
        assert!(best > 0.9 && gallery.graph.iter().all(|walk| walk.qps > 0.0 && walk.p50 <= walk.p99));
        let served: Vec<_> = gallery.served.iter().map(|one| (one.clients, one.ef.is_some())).collect();
        assert_eq!(served, [(1, false), (1, true), (8, false), (8, true)]);
        for one in &gallery.served {
            assert!(one.qps > 0.0 && one.p50 <= one.p99 && one.recall > 0.9, "{one:?}");
            assert!(one.ef.is_some() || one.recall == 1.0, "{one:?}");
        }
        assert!(gallery.systems.len() == 2 && gallery.systems.iter().all(|system| system.resident > 0.0));
        assert!(
            gallery.systems[0].build_seconds > 0.0 && gallery.systems[0].disk > gallery.rows as f64 * 1024.0
        );
        // Compared with nobody: speed against memory, memory, opening, swaps, ingest, compaction.
        let bars: Vec<_> = gallery.bars.iter().map(|bar| bar.what.as_str()).collect();
        for what in [
            "share of the bandwidth",
            "recall",
            "memory to",
            "first exact",
            "swapped",
            "ingested",
            "compaction",
        ] {
            assert!(bars.iter().any(|bar| bar.contains(what)), "{what}: {bars:?}");
        }
        let judged: Vec<_> = gallery.bars.iter().filter(|bar| bar.bar.is_some()).collect();
        assert!(judged.len() == 2 && judged.iter().all(|bar| bar.is_met() == Some(true)), "{judged:?}");
    }
    let text = fs::read_to_string(folder.path().join("all.md")).unwrap();
    assert!(text.starts_with("# Retrieval\n") && text.ends_with(&report.markdown()), "{text}");

    // What was built is there: nothing is made again.
    let output = bench(folder.path(), &["retrieval", "--quick", "--rows", "600", "--part", "within"]);
    assert!(output.status.success() && !told(&output).contains("Making"), "{}", told(&output));
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
