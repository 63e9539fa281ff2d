//! Two generations of one index: a good one that is served, and one to be attacked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use fondue_domain::Embedding;
use fondue_index::{
    Builder, Condition, Exclusions, Filter, Generation, Graph, Hit, Index, IndexError, Item, Metadata,
    NewItem, Precision, Query, Root, Test, Value,
    graph::{self, Ask, Graphing, Params, Scratch},
    live::{Limits, Settings},
};
use tempfile::TempDir;

pub(crate) const DIM: usize = 5;
pub(crate) const ROWS: usize = 9;
const PARAMS: Params = Params { m: 2, ef_construction: 10, threads: 1 };
pub(crate) const SETTINGS: Settings = Settings {
    verify: true,
    max_open: 2,
    collect_after: Duration::ZERO,
    graphing: Graphing { above: 1000, params: PARAMS },
    limits: Limits { changes: 100, bytes: 1 << 20, batch_bytes: 1 << 16 },
};

/// An index whose active generation is good; another one is there to be attacked.
pub(crate) struct Stand {
    pub(crate) root: TempDir,
    pub(crate) good: String,
    pub(crate) attacked: String,
}

impl Stand {
    pub(crate) fn new(precision: Precision) -> Self {
        let root = tempfile::tempdir().unwrap();
        let good = build(root.path(), Precision::F32, 3);
        let attacked = build(root.path(), precision, ROWS);
        Root::open(root.path()).unwrap().activate(&good).unwrap();
        Self { root, good, attacked }
    }

    pub(crate) fn index(&self) -> Index {
        Index::open(self.root.path(), SETTINGS).unwrap()
    }

    /// The attacked generation's.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("generations").join(&self.attacked)
    }

    /// Names of its files, and what they hold.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect();
        files.sort();
        files
    }

    /// Puts bytes in a file's place: beside and renamed, as what is mapped must not change.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let beside = self.root.path().join("beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(&beside, self.folder().join(name)).unwrap();
    }
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The name of the file that an error is about.
#[track_caller]
pub(crate) fn at_fault(error: &IndexError) -> &Path {
    match error {
        IndexError::Io { path, .. } | IndexError::Damaged { path, .. } | IndexError::Format { path, .. } => {
            path
        }
        other => panic!("it names no file: {other}"),
    }
}

pub(crate) fn vector(seed: usize) -> Embedding {
    let value = |n: usize| ((seed * 7919 + n * 104_729 + seed * n * 31) % 2003) as f32 / 1001.0 - 1.0;
    Embedding::normalized((0..DIM).map(value).collect()).unwrap()
}

/// With pictures, columns of every kind, and a graph; two and two have the same vector.
fn build(root: &Path, precision: Precision, rows: usize) -> String {
    let mut builder = Builder::new(root, DIM, "model").unwrap().stored_as(precision).unwrap();
    for n in 0..rows {
        let mut metadata = Metadata::new();
        metadata.set("year", Value::Number(2000.0 + n as f64)).unwrap();
        metadata.set("public", Value::Truth(n % 2 == 0)).unwrap();
        metadata.set("place", Value::Text(format!("place {}", n % 3))).unwrap();
        let item = Item {
            id: format!("id {}", n * 7 % rows),
            caption: format!("no {n}"),
            group: format!("group {}", n % 5),
            media_type: "image/png".to_owned(),
            metadata,
            ..Item::default()
        };
        let new = NewItem { item, picture: Some(vec![n as u8; n + 1]), sha256: [n as u8; 32] };
        builder.add(new, &vector(n - n % 2)).unwrap();
    }
    let mut laid = builder.lay_down().unwrap();
    graph::add(&mut laid, PARAMS, &|_, _| true).unwrap();
    laid.seal().unwrap().publish().unwrap()
}

/// Uses all that a generation offers, whatever its files say: what cannot be read is an error, and nothing panics.
pub(crate) fn use_it(generation: &Generation) {
    let (vector, exclusions) =
        (vector(99), Exclusions { ids: ["id 3".to_owned()].into(), ..Exclusions::default() });
    for field in ["year", "public", "place", "group", "caption", "id"] {
        let test =
            Test::AnyOf(vec![Value::Truth(true), Value::Number(2003.0), Value::Text("no 3".to_owned())]);
        let filter = Filter { conditions: vec![Condition { field: field.to_owned(), test, negate: true }] };
        let _ = generation.search(&Query { vector: &vector, k: 5, filter: &filter, exclusions: &exclusions });
    }
    for row in 0..=generation.len() {
        let _ = (generation.item(row), generation.picture(row), generation.sha256(row));
    }
    let _ = generation.row("id 3");
    if let Ok(Some(graph)) = Graph::of(generation) {
        let ask = Ask { query: vector.values(), k: 5, ef: 10, admit: None, accept: None };
        let _ = graph.search(&ask, &mut Scratch::default());
    }
}

/// What an index finds now.
pub(crate) fn found(index: &Index) -> Vec<Hit> {
    let (vector, filter, exclusions) = (vector(99), Filter::default(), Exclusions::default());
    let query = Query { vector: &vector, k: 10, filter: &filter, exclusions: &exclusions };
    index.view("").unwrap().generation().search(&query).unwrap()
}
