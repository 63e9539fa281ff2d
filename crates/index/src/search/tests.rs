//! When a graph is searched and when rows are scanned; both find the same.

use std::path::Path;

use fondue_domain::Embedding;

use super::*;
use crate::{
    Builder, Condition, Generation, Index, Item, NewItem, Root, Test, Value,
    graph::{self, Graphing, Params},
    live::{Limits, Settings as LiveSettings},
};

const DIM: usize = 16;
const ROWS: usize = 6000;

fn vector(seed: usize) -> Embedding {
    let mut state = seed as u64 + 1;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 31) as f32 - 0.5
    };
    Embedding::normalized((0..DIM).map(|_| draw()).collect()).unwrap()
}

fn index(root: &Path) -> Index {
    let mut builder = Builder::new(root, DIM, "model").unwrap();
    for n in 0..ROWS {
        let group = ["few", "many"][usize::from(!n.is_multiple_of(100))].to_owned();
        let item = Item { id: n.to_string(), group, ..Item::default() };
        builder.add(NewItem { item, picture: None, sha256: [0; 32] }, &vector(n)).unwrap();
    }
    let mut laid = builder.lay_down().unwrap();
    graph::add(&mut laid, Params::new(2), &|_, _| true).unwrap();
    let id = laid.seal().unwrap().publish().unwrap();
    let root_ = Root::open(root).unwrap();
    root_.generation(&id).unwrap().verify().unwrap();
    root_.activate(&id).unwrap();
    let settings = LiveSettings {
        verify: true,
        max_open: 1,
        collect_after: std::time::Duration::ZERO,
        graphing: Graphing { above: 1000, params: Params::new(2) },
        limits: Limits { changes: 1000, bytes: 1 << 30, batch_bytes: 1 << 20 },
    };
    Index::open(root, settings).unwrap()
}

fn group(name: &str) -> Filter {
    let test = Test::AnyOf(vec![Value::Text(name.to_owned())]);
    Filter { conditions: vec![Condition { field: "group".to_owned(), test, negate: false }] }
}

#[test]
fn a_graph_is_searched_where_it_pays_and_finds_what_a_scan_does() {
    let root = tempfile::tempdir().unwrap();
    let index = index(root.path());
    let searcher = Searcher::new(2, 256).unwrap();
    let near = How::Nearly { ef: None };
    let everything = Filter::default();
    let some = Exclusions { ids: ["7".to_owned()].into(), ..Exclusions::default() };
    // How much of the nearest a way of searching finds, and whether it says that it looked at all.
    let found = |how: How, k: usize, filter: &Filter, exclusions: &Exclusions| {
        let (mut hit, mut all, mut exact) = (0, 0, None);
        for seed in 0..30 {
            let (view, vector) = (index.view("").unwrap(), vector(100_000 + seed));
            let query = Query { vector: &vector, k, filter, exclusions };
            let (expected, answer) =
                (view.search(&query).unwrap(), searcher.search(&view, &query, how).unwrap());
            hit += answer.found.iter().filter(|a| expected.iter().any(|b| a.place == b.place)).count();
            all += expected.len();
            exact = Some(answer.exact);
        }
        (hit as f64 / all as f64, exact.unwrap())
    };
    let none = Exclusions::default();
    let (recall, exact) = found(near, 10, &everything, &none);
    assert!(recall > 0.98 && !exact, "{recall}");
    assert_eq!(found(How::Exactly, 10, &everything, &none), (1.0, true));
    let (recall, exact) = found(near, 10, &group("many"), &some);
    assert!(recall > 0.98 && !exact, "{recall}");
    assert_eq!(found(near, 10, &group("few"), &none), (1.0, true), "a scan of the few is faster, and exact");
    assert_eq!(found(near, ROWS, &everything, &none), (1.0, true), "all are wanted");

    // What is added is beside the graph, what is removed is not found, and a compacted index has a graph of its own.
    let item = Item { id: "new".to_owned(), ..Item::default() };
    index.ingest(vec![(NewItem { item, picture: None, sha256: [0; 32] }, vector(100_003))]).unwrap();
    index.delete((0..50).map(|n| n.to_string()).collect()).unwrap();
    for _ in 0..2 {
        let (view, vector) = (index.view("").unwrap(), vector(100_003));
        let query = Query { vector: &vector, k: 5, filter: &everything, exclusions: &none };
        let answer = searcher.search(&view, &query, near).unwrap();
        assert_eq!((view.item(answer.found[0].place).unwrap().id, answer.exact), ("new".to_owned(), false));
        let (recall, _) = found(near, 10, &everything, &none);
        assert!(recall > 0.98, "{recall}");
        index.compact(&mut |_, _| true).unwrap();
    }
    assert!(Graph::of(index.view("").unwrap().generation()).unwrap().is_some());
}

#[test]
fn filters_are_remembered_by_generation() {
    let root = tempfile::tempdir().unwrap();
    let index = index(root.path());
    let searcher = Searcher::new(1, 64).unwrap();
    let view = index.view("").unwrap();
    let generation: &Generation = view.generation();
    let first = searcher.select(generation, &group("few")).unwrap().unwrap();
    assert_eq!(first.count(), ROWS / 100);
    assert!(Arc::ptr_eq(&first, &searcher.select(generation, &group("few")).unwrap().unwrap()));
    assert!(searcher.select(generation, &Filter::default()).unwrap().is_none());
    for n in 0..REMEMBERED {
        searcher.select(generation, &group(&n.to_string())).unwrap();
    }
    assert_eq!(lock(&searcher.selections).len(), REMEMBERED);
    assert!(!Arc::ptr_eq(&first, &searcher.select(generation, &group("few")).unwrap().unwrap()));
}
