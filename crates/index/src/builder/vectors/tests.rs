//! Every precision comes back, is searched rightly, and is copied bit for bit.

use std::{fs, path::Path};

use fondue_domain::Embedding;

use crate::{
    Builder, Exclusions, Filter, Generation, GraphFacts, IndexError, Item, NewItem, Precision, Query, Root,
};

const DIM: usize = 20;
const ROWS: usize = 50;

fn vector(seed: usize) -> Embedding {
    let value = |n: usize| ((seed * 7919 + n * 104_729 + seed * n * 31) % 2003) as f32 / 1001.0 - 1.0;
    Embedding::normalized((0..DIM).map(value).collect()).unwrap()
}

fn builder(root: &Path, precision: Precision) -> Builder {
    Builder::new(root, DIM, "model").unwrap().stored_as(precision).unwrap()
}

fn build(root: &Path, precision: Precision) -> Generation {
    let mut builder = builder(root, precision);
    for n in 0..ROWS {
        let item = Item { id: n.to_string(), caption: format!("no {n}"), ..Item::default() };
        builder
            .add(NewItem { item, picture: Some(vec![n as u8; n]), sha256: [n as u8; 32] }, &vector(n))
            .unwrap();
    }
    open(root, &builder.publish().unwrap())
}

fn open(root: &Path, id: &str) -> Generation {
    let generation = Root::open(root).unwrap().generation(id).unwrap();
    generation.verify().unwrap();
    generation
}

#[test]
fn each_precision_finds_what_f32_finds() {
    let root = tempfile::tempdir().unwrap();
    let generations = Precision::ALL.map(|precision| build(root.path(), precision));
    let ids: std::collections::HashSet<&str> = generations.iter().map(Generation::id).collect();
    assert_eq!(ids.len(), 3);
    for (generation, precision) in generations.iter().zip(Precision::ALL) {
        assert_eq!(generation.precision(), precision);
        let (vector, filter, exclusions) = (vector(99), Filter::default(), Exclusions::default());
        let query = Query { vector: &vector, k: 5, filter: &filter, exclusions: &exclusions };
        let (expected, found) = (generations[0].search(&query).unwrap(), generation.search(&query).unwrap());
        for (a, b) in expected.iter().zip(&found) {
            let tolerance = if precision == Precision::F16 { 1e-3 } else { 0.0 };
            assert!(a.row == b.row && (a.score - b.score).abs() <= tolerance, "{precision}: {a:?} {b:?}");
        }
    }
}

#[test]
fn rows_are_copied_bit_for_bit() {
    for precision in Precision::ALL {
        let root = tempfile::tempdir().unwrap();
        let old = build(root.path(), precision);
        let mut builder = builder(root.path(), precision).instead_of(old.id());
        for row in (0..ROWS).rev() {
            builder.add_row_of(&old, row).unwrap();
        }
        let again = builder.add_row_of(&old, 3).unwrap_err();
        assert!(matches!(again, IndexError::DuplicateId { .. }), "{again}");
        assert!(builder.add_row_of(&old, ROWS).is_err());
        let new = open(root.path(), &builder.publish().unwrap());
        assert_eq!(new.parent(), Some(old.id()));
        for row in 0..ROWS {
            let from = ROWS - 1 - row;
            let (mut a, mut b) = ([0.0; DIM], [0.0; DIM]);
            assert!(new.rows().unwrap().read(row, &mut a) && old.rows().unwrap().read(from, &mut b));
            assert_eq!(a.map(f32::to_bits), b.map(f32::to_bits));
            assert_eq!(new.item(row).unwrap(), old.item(from).unwrap());
            assert_eq!((new.picture(row), new.sha256(row)), (old.picture(from), old.sha256(from)));
        }
    }
}

#[test]
fn files_made_of_all_rows_are_sealed_with_them() {
    use std::io::Write;
    let root = tempfile::tempdir().unwrap();
    let mut builder = builder(root.path(), Precision::F32);
    for n in 0..3 {
        let item = Item { id: n.to_string(), ..Item::default() };
        builder.add(NewItem { item, picture: None, sha256: [0; 32] }, &vector(n)).unwrap();
    }
    let mut laid = builder.lay_down().unwrap();
    assert_eq!((laid.len(), laid.dim(), laid.rows().unwrap().len(DIM)), (3, DIM, 3));
    let links: [u32; 6] = [1, 2, 0, 2, 0, 1];
    let parts: [(&str, &[u8]); 5] = [
        ("graph.links", bytemuck::cast_slice(&links)),
        ("graph.upper", &[]),
        ("graph.copies", &[]),
        ("graph.codes", &[1; 3 * DIM]),
        ("graph.scales", bytemuck::cast_slice(&[0.5f32; 3])),
    ];
    for (name, bytes) in parts {
        let mut file = laid.file(name).unwrap();
        file.write_all(bytes).unwrap();
        file.finish().unwrap();
    }
    assert_eq!(laid.map("graph.links").unwrap().bytes().len(), 24);
    let facts = GraphFacts { m: 1, ef_construction: 2, entry: 0, upper: Vec::new() };
    laid.set_graph(facts.clone());
    let id = laid.seal().unwrap().publish().unwrap();
    let generation = open(root.path(), &id);
    assert_eq!(generation.graph_facts(), Some(&facts));
    assert_eq!(generation.graph_file::<u32>("graph.links").unwrap(), links);
    assert!(generation.graph_file::<u32>("graph.other").is_err());
    let path = generation.folder().join("graph.links");
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytemuck::cast_slice(&[1u32, 2, 0, 2, 0, 0])).unwrap();
    let error = Generation::open(generation.folder()).unwrap().verify().unwrap_err();
    assert!(error.to_string().contains("graph.links"), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(Generation::open(generation.folder()).is_err());
}
