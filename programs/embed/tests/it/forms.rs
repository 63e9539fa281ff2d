//! Every form that embeddings come in makes the same index.

use std::{collections::HashSet, fs, path::PathBuf, process::Command};

use fondue_domain::Embedding;
use fondue_embed::import::{Reason, Report};
use fondue_index::{Exclusions, Filter, Generation, Hit, Item, Query};
use fondue_pickle::Dtype;
use sha2::{Digest, Sha256};

use crate::{DIM, ROWS, active, data, import, model, row, url};

/// Imports one file of tests/data into a new index.
fn imported(name: &str) -> (Report, Generation) {
    let index = tempfile::tempdir().unwrap();
    let report = import(index.path(), &[data(name)], &[]).unwrap();
    let generation = active(index.path());
    assert_eq!(generation.id(), report.generation);
    (report, generation)
}

/// Rows `from` to `to` of the index are those of the formula, from 0.
#[track_caller]
fn holds_the_rows(generation: &Generation, from: usize, to: usize) {
    for n in from..to {
        let query = row(n - from);
        let hits = search(generation, &query, generation.len(), &Exclusions::default()).unwrap();
        assert_eq!(hits[0].row, n);
        assert!(hits[0].score > 0.99999, "row {n}: {}", hits[0].score);
        for hit in hits.iter().filter(|hit| (from..to).contains(&hit.row)) {
            let other = row(hit.row - from);
            let cosine: f32 = other.values().iter().zip(query.values()).map(|(a, b)| a * b).sum();
            assert!((cosine - hit.score).abs() < 1e-5, "rows {n} and {}", hit.row);
        }
    }
}

fn search(
    generation: &Generation,
    vector: &Embedding,
    k: usize,
    exclusions: &Exclusions,
) -> Result<Vec<Hit>, fondue_index::IndexError> {
    generation.search(&Query { vector, k, filter: &Filter::default(), exclusions })
}

#[test]
fn arrays_tensors_and_lists_of_them_in_every_type() {
    let mut ids = HashSet::new();
    for (name, dtypes, n_parts) in [
        ("array_f64.pkl", &[Dtype::F64][..], 1),
        ("array_f32.pkl", &[Dtype::F32], 1),
        ("array_f16.pkl", &[Dtype::F16], 1),
        ("rows_f32.pkl", &[Dtype::F32], ROWS),
        ("rows_f16.pkl", &[Dtype::F16], ROWS),
        ("blocks_f32.pkl", &[Dtype::F32], 4),
        ("blocks_mixed.pkl", &[Dtype::F16, Dtype::F32], 3),
        ("tensors_bf16.pkl", &[Dtype::BF16], ROWS),
        ("tensor_f32.pkl", &[Dtype::F32], 1),
        ("saved_bf16.pkl", &[Dtype::BF16], 1),
        ("saved_rows_f16.pkl", &[Dtype::F16], ROWS),
    ] {
        let (report, generation) = imported(name);
        let [facts] = &report.files[..] else { panic!("{report:?}") };
        assert_eq!((facts.n_rows, facts.dim, facts.n_parts), (ROWS, Some(DIM), n_parts), "{name}");
        assert_eq!(facts.dtypes, dtypes, "{name}");
        assert_eq!((report.n_kept, report.dim, report.left_out.total()), (ROWS, DIM, 0));
        holds_the_rows(&generation, 0, ROWS);
        ids.insert(report.generation);
    }
    assert_eq!(ids.len(), 1, "the numbers are exact in every type, so the content is the same");
}

#[test]
fn a_row_is_its_url() {
    let (_, generation) = imported("array_f32.pkl");
    for n in 0..ROWS {
        let item = Item { id: url(n), url: url(n), ..Item::default() };
        assert_eq!((generation.item(n).unwrap(), generation.picture(n)), (item, None));
        assert_eq!(generation.row(&url(n)).unwrap(), Some(n));
    }
    // To exclude one by its digest excludes no other; pictures without bytes do not share one.
    let exclusions = Exclusions { sha256: [Sha256::digest(url(2)).into()].into(), ..Exclusions::default() };
    let rows = search(&generation, &row(2), 10, &exclusions).unwrap();
    assert_eq!(rows.iter().map(|hit| hit.row).collect::<HashSet<_>>(), [0, 1, 3, 4, 5].into());
}

#[test]
fn files_follow_each_other_by_name_and_folders_by_their_place() {
    let (folder, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The second one's rows are in the first one too, by URL.
    for (from, to) in [
        ("array_f16.pkl", "cc3m_embeddings_b.pkl"),
        ("odd.pkl", "cc3m_embeddings.pkl"),
        ("code.pkl", "other.pkl"),
        ("code.pkl", "cc3m_embeddings.txt"),
    ] {
        fs::copy(data(from), folder.path().join(to)).unwrap();
    }
    fs::create_dir(folder.path().join("cc3m_embeddings_c.pkl")).unwrap();
    let sources: [PathBuf; 2] = [folder.path().to_owned(), data("empty.pkl")];
    let report = import(index.path(), &sources, &[]).unwrap();
    let names: Vec<_> = report.files.iter().map(|facts| facts.path.file_name().unwrap()).collect();
    assert_eq!(names, ["cc3m_embeddings.pkl", "cc3m_embeddings_b.pkl", "empty.pkl"]);
    assert_eq!((report.files[2].n_rows, report.files[2].dim), (0, None));
    // 0, 2, 7 (the first good one of 1) and 8 of the first; of the second those that are not there yet.
    let generation = active(index.path());
    let found: Vec<_> = (0..report.n_kept).map(|n| generation.item(n).unwrap().url).collect();
    assert_eq!(found, [0, 2, 1, 8, 3, 4, 5].map(url));
}

#[test]
fn rows_that_cannot_be_used_are_left_out_and_told() {
    let (report, generation) = imported("odd.pkl");
    assert_eq!(report.files[0].n_rows, 12);
    let reasons = [Reason::Duplicate, Reason::Zero, Reason::NotFinite, Reason::NotUrl, Reason::TooLong];
    assert_eq!(reasons.map(|reason| report.left_out.count(reason)), [2, 1, 2, 2, 1]);
    assert_eq!((report.left_out.total(), report.n_kept, generation.len()), (8, 4, 4));
    let text = report.to_string();
    assert!(
        text.contains(
            "left out: 2 rows that have a URL or an id that came before: https://example.org/0.jpg"
        ),
        "{text}"
    );
    assert!(
        text.contains("no URL of http or https: photos/5.jpg, https://example.org/\u{fffd}[2J\n"),
        "{text}"
    );
    assert!(text.contains("https://example.org/9999") && !text.contains(&"9".repeat(100)), "{text}");
    assert!(text.contains("12 rows of 4 values, f32, one array"), "{text}");
    // The first of equal URLs stays, unless its vector cannot be used.
    assert_eq!(generation.row(&url(0)).unwrap(), Some(0));
    assert!(generation.row(&url(1)).unwrap().is_some());
    // However small a vector is, its direction counts.
    assert!(generation.row(&url(8)).unwrap().is_some());
}

#[test]
fn the_index_is_of_the_model_that_is_named() {
    let (index, model) = (tempfile::tempdir().unwrap(), model());
    let (opt, fromage, clip) = (model.join("opt"), model.join("fromage"), model.join("clip"));
    let [root, opt, fromage, clip] = [&model, &opt, &fromage, &clip].map(|path| path.to_str().unwrap());
    let language = fondue_model::fingerprint::language(opt.as_ref(), fromage.as_ref()).unwrap();
    let vision = fondue_model::fingerprint::vision(clip.as_ref()).unwrap();
    for (flags, by, seen_by) in [
        (&["--model", root][..], language.as_str(), Some(vision.as_str())),
        (&["--mapping", fromage, "--opt", opt], &language, None),
        (&["--clip", clip], "", Some(&vision)),
        (&[], "", None),
    ] {
        import(index.path(), &[data("shipped.pkl")], flags).unwrap();
        let generation = active(index.path());
        assert_eq!((generation.fingerprint(), generation.vision_fingerprint()), (by, seen_by), "{flags:?}");
    }
    for flags in [&["--model", root, "--opt", opt][..], &["--opt", opt], &["--mapping", fromage]] {
        assert!(import(index.path(), &[data("shipped.pkl")], flags).is_err(), "{flags:?}");
    }
}

#[test]
fn the_program_tells_what_it_did_and_may_leave_the_active_one_active() {
    let index = tempfile::tempdir().unwrap();
    let before = import(index.path(), &[data("array_f32.pkl")], &[]).unwrap().generation;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command.arg("import").arg(data("odd.pkl")).arg("--index").arg(index.path()).arg("--no-activate");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("4 pictures in generation g") && text.contains(", published in "), "{text}");
    assert!(
        text.contains("left out: 1 rows that have a vector of zeros") && text.contains("--model"),
        "{text}"
    );
    assert_eq!(active(index.path()).id(), before);
    let root = fondue_index::Root::open(index.path()).unwrap();
    assert_eq!(root.generations().unwrap().len(), 2);
}
