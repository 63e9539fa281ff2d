//! Files that are not as they should be: each error names the file and what is wrong, and nothing is published.

use std::{fs, path::PathBuf, process::Command};

use fondue_embed::import::{TableError, TableFault};
use fondue_pickle::{Dtype, Kind, PickleError};

use crate::{DIM, ROWS, data, import, model};

/// The error of an import, and nothing published.
#[track_caller]
fn refused(sources: &[PathBuf], flags: &[&str]) -> anyhow::Error {
    let index = tempfile::tempdir().unwrap();
    let error = import(index.path(), sources, flags).unwrap_err();
    let left = fs::read_dir(index.path().join("generations")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{error:#}");
    error
}

#[test]
fn tables_that_do_not_fit_together() {
    let embeddings = || "embeddings".to_owned();
    for (name, fault) in [
        ("list.pkl", TableFault::Root(Kind::Array)),
        ("no_paths.pkl", TableFault::Missing("paths")),
        ("no_embeddings.pkl", TableFault::Missing("embeddings")),
        ("paths_text.pkl", TableFault::Paths(Kind::Text)),
        ("path_none.pkl", TableFault::Path { row: 5, found: Kind::None }),
        ("texts.pkl", TableFault::Embeddings { what: "embeddings[0]".to_owned(), found: Kind::Text }),
        ("cube.pkl", TableFault::Shape { what: embeddings(), shape: vec![ROWS, 1, DIM] }),
        ("integers.pkl", TableFault::Dtype { what: embeddings(), dtype: Dtype::I32 }),
        ("ragged.pkl", TableFault::Dim { what: "embeddings[2]".to_owned(), got: 3, expected: DIM }),
        ("lengths.pkl", TableFault::Lengths { n_paths: 5, n_rows: ROWS }),
        ("lengths_list.pkl", TableFault::Lengths { n_paths: 7, n_rows: ROWS }),
        ("expanded.pkl", TableFault::Lengths { n_paths: ROWS, n_rows: 1 << 40 }),
    ] {
        // Wherever it stands among good ones, before anything is written.
        for sources in [vec![data(name)], vec![data("array_f32.pkl"), data(name)]] {
            let error = refused(&sources, &[]);
            let table: &TableError = error.downcast_ref().unwrap();
            assert_eq!((&table.path, &table.fault), (&data(name), &fault), "{error:#}");
            assert!(error.to_string().contains(name), "{error:#}");
        }
    }
}

#[test]
fn what_no_pickle_of_numbers_is_passes_through() {
    let error = refused(&[data("code.pkl")], &[]);
    let pickle: &PickleError = error.downcast_ref().unwrap();
    assert!(matches!(pickle, PickleError::Global { name, .. } if name == "system"), "{error:#}");
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pkl");
    let whole = fs::read(data("array_f32.pkl")).unwrap();
    for len in 0..whole.len() {
        fs::write(&cut, &whole[..len]).unwrap();
        let error = refused(std::slice::from_ref(&cut), &[]);
        assert!(error.is::<PickleError>() && error.to_string().contains("cut.pkl"), "{len}: {error:#}");
    }
}

#[test]
fn rows_of_other_lengths() {
    let error = refused(&[data("array_f32.pkl"), data("empty.pkl"), data("shipped.pkl")], &[]).to_string();
    assert!(
        error.contains("shipped.pkl: rows of 256 values") && error.contains("array_f32.pkl have 4"),
        "{error}"
    );
    let model = model();
    let error = refused(&[data("array_f32.pkl")], &["--model", model.to_str().unwrap()]).to_string();
    assert!(error.contains("array_f32.pkl: rows of 4 values") && error.contains("has 256"), "{error}");
    // A few bytes can claim rows of a terabyte.
    let error = refused(&[data("wide.pkl")], &[]).to_string();
    assert!(error.contains("not 1099511627776"), "{error}");
}

#[test]
fn nothing_to_import() {
    let error = refused(&[data("empty.pkl")], &[]).to_string();
    assert!(error.contains("no row in 1 files"), "{error}");
    let error = refused(&[data("zeros.pkl")], &[]).to_string();
    assert!(error.contains("no row is left of 6") && error.contains("left out: 6 rows"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&[folder.path().to_owned()], &[]).to_string();
    assert!(error.contains("holds no cc3m_embeddings*.pkl"), "{error}");
    let error = format!("{:#}", refused(&[data("absent.pkl")], &[]));
    assert!(error.contains("absent.pkl"), "{error}");
}

#[test]
fn the_program_fails_with_the_files_name() {
    let index = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    let output = command.arg("import").arg(data("lengths.pkl")).arg("--index").arg(index.path()).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("lengths.pkl: 5 `paths`, but 6 rows in `embeddings`"), "{text}");
}
