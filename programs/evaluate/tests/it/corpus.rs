//! The corpus's figures, bars, page and card.

use std::fs;

use serde_json::Value;

use crate::{read, report, rows, run, sets, skipped};

const WORDS: [&str; 3] = ["corpus", "--corpus", "corpus"];

#[test]
fn every_picture_that_counts_is_judged_once_and_bars_decide_the_code() {
    let folder = tempfile::tempdir().unwrap();
    sets::corpus(folder.path());
    let all = report(folder.path(), &WORDS);
    assert_eq!(skipped(&all), Vec::<String>::new());
    // 8 things in 3 styles: one picture held out, one thing held out, one picture unused.
    for table in ["text_to_picture", "naming"] {
        let n: Vec<u64> = rows(&all, table).iter().map(|row| row[2].as_u64().unwrap()).collect();
        assert_eq!(n, [6, 7, 6, 19, 1, 0, 0, 1, 1, 1, 1, 3], "{table}");
    }
    let chance = rows(&all, "text_to_picture")[0][7].as_f64().unwrap();
    assert_eq!(chance, 1.0 / 8.0);
    assert_eq!(rows(&all, "text_to_picture")[2][7].as_f64().unwrap(), 1.0 / 7.0, "without the unused one");
    // Each thing is asked for in four ways; each counts in the styles that it is drawn in.
    let ret: Vec<u64> = rows(&all, "ret").iter().map(|row| row[3].as_u64().unwrap()).collect();
    assert_eq!(ret[..5], [16, 8, 8, 8, 8]);
    assert_eq!(ret[7..], [4, 4], "pictures that were not trained on");
    assert_eq!(rows(&all, "dialogue")[3][2], 19 * 4);
    let bars = all["bars"].as_array().unwrap();
    assert_eq!(bars.len(), 8);
    // Seven things have a picture that was trained on.
    let changes: Vec<u64> = rows(&all, "changes").iter().map(|row| row[2].as_u64().unwrap()).collect();
    assert_eq!(changes, [7, 7, 7]);
    assert!(bars.iter().any(|bar| bar["passed"] == false), "no model knows these pictures");
    let (code, text, errors) = run(folder.path(), &[&WORDS[..], &["--bars"]].concat());
    assert_eq!((code, errors.as_str()), (1, ""));
    assert!(text.contains("FAIL  "), "{text}");
    assert_eq!(tables(&read(folder.path())), tables(&all), "kept answers are the same answers");
}

fn tables(report: &Value) -> &Value {
    &report["tables"]
}

#[test]
fn the_card_has_figures_failures_seed_and_licences() {
    let folder = tempfile::tempdir().unwrap();
    sets::corpus(folder.path());
    fs::write(folder.path().join("how.md"), "It was trained by `fondue train`.\n").unwrap();
    fs::remove_file(folder.path().join("corpus/pictures/noto/f3.png")).unwrap();
    let words = ["--limit", "2", "--card", "CARD.md", "--card-text", "how.md", "--html", "page.html"];
    let report = report(folder.path(), &[&WORDS[..], &words].concat());
    let skipped = skipped(&report);
    assert!(skipped.len() == 1 && skipped[0].starts_with("pictures/noto/f3.png: "), "{skipped:?}");
    let card = fs::read_to_string(folder.path().join("CARD.md")).unwrap();
    for wanted in [
        "It was trained by `fondue train`.",
        "fondue evaluate corpus --corpus corpus --limit 2",
        "with seed 77",
        "| held-out pictures found by name, R@1 |",
        "### Found by name\n",
        "## Failures\n",
        "| twemoji-assets | 1.5.1 | crate | drawings, style twemoji | CC-BY-4.0 |",
    ] {
        assert!(card.contains(wanted), "{wanted}\n{card}");
    }
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("url(data:image/png;base64,"));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
}
