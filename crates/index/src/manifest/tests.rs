//! Manifests that were sealed again after they were changed, as nobody does by accident: what they say is checked all the
//! same, and nothing is set aside for it.

use std::fs;

use fondue_domain::Embedding;
use tempfile::TempDir;

use super::*;
use crate::{
    Builder, Generation, Graph, Item, Metadata, NewItem, Value,
    graph::{self, Params},
    metadata::MAX_NAME,
};

const DIM: usize = 3;
const ROWS: usize = 4;

/// A folder with a generation of four rows, a column, and a graph; and its manifest.
fn generation() -> (TempDir, Manifest) {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    for n in 0..ROWS {
        let mut metadata = Metadata::new();
        metadata.set("year", Value::Number(n as f64)).unwrap();
        let item = Item { id: n.to_string(), group: "g".to_owned(), metadata, ..Item::default() };
        let vector = Embedding::normalized(vec![1.0, n as f32, 2.0]).unwrap();
        builder.add(NewItem { item, picture: None, sha256: [0; 32] }, &vector).unwrap();
    }
    let mut laid = builder.lay_down().unwrap();
    graph::add(&mut laid, Params { m: 2, ef_construction: 4, threads: 1 }, &|_, _| true).unwrap();
    let id = laid.seal().unwrap().publish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root.path().join("generations").join(id)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let manifest = Manifest::read(folder.path()).unwrap();
    (folder, manifest)
}

/// Opens the generation with a changed manifest, sealed again.
fn opened(folder: &TempDir, manifest: &Manifest) -> Result<Generation, IndexError> {
    fs::write(folder.path().join(FILE), manifest.clone().seal().0).unwrap();
    Generation::open(folder.path())
}

/// It is refused for the sake of this file; the reason.
#[track_caller]
fn refused(folder: &TempDir, manifest: &Manifest, name: &str) -> String {
    match opened(folder, manifest).err() {
        Some(IndexError::Damaged { path, reason }) if path == folder.path().join(name) => reason,
        Some(error) => panic!("not for the sake of {name}: {error}"),
        None => panic!("it was not noticed that {name} does not fit"),
    }
}

fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_owned(), kind }
}

#[test]
fn only_plain_names_are_names_of_files() {
    let (folder, manifest) = generation();
    opened(&folder, &manifest).unwrap();
    // It is there, and of the right length, wherever the name leads.
    fs::write(folder.path().with_extension("outside"), "1234").unwrap();
    let outside = folder.path().with_extension("outside");
    let beside = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
    let stored = Stored { bytes: 4, sha256: hex::encode(Sha256::digest("1234")) };
    for name in [
        &*beside,
        outside.to_str().unwrap(),
        "../x",
        "/etc/passwd",
        "",
        ".",
        "..",
        ".hidden",
        "graph./x",
        "graph.\\x",
        "graph.A",
        "Graph.links",
        "0.graph",
        "-graph",
        "graph.ä",
        "graph.\0",
        "graph._",
        " graph",
    ] {
        let mut changed = manifest.clone();
        changed.files.insert(name.to_owned(), stored.clone());
        let reason = refused(&folder, &changed, FILE);
        assert_eq!(reason, format!("it names a file `{name}`"));
    }
    // A plain one that is there belongs to a graph, or to nothing.
    for (name, belongs) in [("graph.more-1", true), ("more", false)] {
        fs::write(folder.path().join(name), "1234").unwrap();
        let mut changed = manifest.clone();
        changed.files.insert(name.to_owned(), stored.clone());
        match belongs {
            true => assert!(opened(&folder, &changed).unwrap().files().any(|(file, _)| file == name)),
            false => assert_eq!(refused(&folder, &changed, name), "is not of this format"),
        }
    }
    fs::remove_file(outside).unwrap();
}

#[test]
fn a_manifest_has_so_many_bytes_and_no_more() {
    let (folder, manifest) = generation();
    let padded = |bytes: usize| {
        let (short, _) = Manifest { fingerprint: String::new(), ..manifest.clone() }.seal();
        let fingerprint = "x".repeat(bytes - short.len());
        let long = Manifest { fingerprint, ..manifest.clone() };
        assert_eq!(long.clone().seal().0.len(), bytes);
        long
    };
    opened(&folder, &padded(MAX_BYTES)).unwrap();
    let reason = refused(&folder, &padded(MAX_BYTES + 1), FILE);
    assert_eq!(reason, format!("{} bytes, limit {MAX_BYTES}", MAX_BYTES + 1));
    // A larger one is not read at all.
    fs::File::create(folder.path().join(FILE)).unwrap().set_len(1 << 28).unwrap();
    assert!(matches!(Generation::open(folder.path()), Err(IndexError::Damaged { .. })));
}

#[test]
fn wrong_columns_are_refused_by_name() {
    let (folder, manifest) = generation();
    assert_eq!(manifest.columns, [column("group", Kind::Text), column("year", Kind::Number)]);
    let with = |columns: Vec<Column>| Manifest { columns, ..manifest.clone() };
    let year = column("year", Kind::Number);
    let too_long = "n".repeat(MAX_NAME + 1);
    for (columns, expected) in [
        (vec![year.clone(), year.clone()], "column `year`: is there twice"),
        (vec![year.clone(), column("year", Kind::Text)], "column `year`: is there twice"),
        (vec![column("group", Kind::Text), column("group", Kind::Text)], "column `group`: is there twice"),
        (vec![column("group", Kind::Number), year.clone()], "column `group`: must hold text"),
        (vec![column("media_type", Kind::Truth), year.clone()], "column `media_type`: must hold text"),
        (vec![column("caption", Kind::Text), year.clone()], "column `caption`: the name is taken"),
        (vec![column("id", Kind::Text), year.clone()], "column `id`: the name is taken"),
        (vec![column("", Kind::Text), year.clone()], "column ``: a name has"),
        (vec![column(&too_long, Kind::Text), year.clone()], "a name has 1 … 64 bytes, this one 65"),
    ] {
        let reason = refused(&folder, &with(columns), FILE);
        assert!(reason.contains(expected), "{reason}");
    }
    // What may be, but is not what the files are.
    let reason = refused(&folder, &with(vec![year.clone()]), "column-1.u64");
    assert_eq!(reason, "is not of this format");
    let three = [manifest.columns.clone(), vec![column("more", Kind::Text)]].concat();
    assert!(
        matches!(opened(&folder, &with(three)), Err(IndexError::Io { path, .. }) if path.ends_with("column-2.u64"))
    );
}

#[test]
fn there_are_so_many_columns_and_no_more() {
    let (folder, manifest) = generation();
    let most = MAX_COLUMNS + DESCRIBED.len();
    let mut many = manifest.clone();
    let first = fs::read(folder.path().join("column-1.u64")).unwrap();
    for at in 2..=most {
        let name = format!("column-{at}.u64");
        fs::write(folder.path().join(&name), &first).unwrap();
        many.columns.push(column(&format!("f{at}"), Kind::Number));
        many.files.insert(name, manifest.files["column-1.u64"].clone());
        if many.columns.len() == most {
            assert_eq!(opened(&folder, &many).unwrap().fields().count(), most - 1, "all but the group");
        }
    }
    assert_eq!(refused(&folder, &many, FILE), format!("{} columns", most + 1));
}

#[test]
fn lengths_that_do_not_fit_are_refused_with_the_files_name() {
    let (folder, manifest) = generation();
    for name in manifest.files.keys() {
        for change in [-1i64, 1, i64::MAX / 2] {
            let mut changed = manifest.clone();
            let stored = changed.files.get_mut(name).unwrap();
            if let Some(bytes) = stored.bytes.checked_add_signed(change) {
                stored.bytes = bytes;
                assert!(refused(&folder, &changed, name).contains("the manifest tells of"), "{name}");
            }
        }
    }
    // The manifest and the file agree, and neither with the number of rows.
    for (name, bytes) in [
        (VECTORS, ROWS * DIM * 4 + 4),
        (VECTORS, ROWS * DIM * 4 + 1),
        (DIGESTS, ROWS * 32 - 32),
        (ORDER, ROWS * 4 + 4),
        ("column-0.u64", ROWS * 8 - 8),
        ("column-1.u64", ROWS * 8 + 8),
        ("ids.u64", (ROWS + 2) * 8),
        ("items.u64", ROWS * 8),
        ("pictures.u64", (ROWS + 1) * 8 + 3),
    ] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(
            &path,
            [&whole[..whole.len().min(bytes)], &vec![0; bytes.saturating_sub(whole.len())]].concat(),
        )
        .unwrap();
        let mut changed = manifest.clone();
        changed.files.get_mut(name).unwrap().bytes = bytes as u64;
        refused(&folder, &changed, name);
        fs::write(&path, whole).unwrap();
    }
    // Other rows and other dimensions than the files'.
    for (rows, dim) in [(ROWS - 1, DIM), (ROWS + 1, DIM), (ROWS, DIM - 1), (ROWS, DIM + 1), (DIM, ROWS)] {
        let changed = Manifest { rows, dim, ..manifest.clone() };
        assert!(matches!(opened(&folder, &changed), Err(IndexError::Damaged { .. })), "{rows} × {dim}");
    }
    for (rows, dim) in [(0, DIM), (u32::MAX as usize + 1, DIM), (ROWS, 0), (ROWS, MAX_DIM + 1)] {
        let reason = refused(&folder, &Manifest { rows, dim, ..manifest.clone() }, FILE);
        assert_eq!(reason, format!("{rows} rows of {dim} values"));
    }
}

/// Bytes that this process had at most, set aside or used.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn huge_numbers_are_refused_and_nothing_is_set_aside_for_them() {
    let (folder, manifest) = generation();
    let before = peak();
    for rows in [u32::MAX as usize, 1 << 31, usize::MAX, usize::MAX / 32 + 2] {
        for dim in [DIM, MAX_DIM] {
            for precision in Precision::ALL {
                let changed = Manifest { rows, dim, precision, ..manifest.clone() };
                assert!(opened(&folder, &changed).is_err(), "{rows} rows of {dim}");
            }
        }
    }
    let facts = manifest.graph.clone().unwrap();
    let with = |change: &dyn Fn(&mut GraphFacts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        Manifest { graph: Some(facts), ..manifest.clone() }
    };
    for m in [0, 1, 3, 1 << 32, usize::MAX / 2, usize::MAX / 2 + 1, usize::MAX] {
        refused(&folder, &with(&|facts| facts.m = m), graph::LINKS);
    }
    for entry in [ROWS as u32, u32::MAX] {
        refused(&folder, &with(&|facts| facts.entry = entry), graph::LINKS);
    }
    for nodes in [1 << 32, usize::MAX / 2, usize::MAX] {
        refused(&folder, &with(&|facts| facts.upper = vec![nodes]), graph::LINKS);
        refused(&folder, &with(&|facts| facts.upper.push(nodes)), graph::LINKS);
    }
    // Levels that cost nothing on the disk: up to the limit they are levels.
    let fill = |n: usize| with(&|facts| facts.upper.resize(n, 0));
    let generation = opened(&folder, &fill(MAX_LEVELS)).unwrap();
    assert!(Graph::of(&generation).unwrap().is_some());
    for n in [MAX_LEVELS + 1, 300_000] {
        assert_eq!(refused(&folder, &fill(n), FILE), format!("a graph of {n} levels above the lowest"));
    }
    // A graph that is told of and not there.
    let mut changed = manifest.clone();
    changed.files.retain(|name, _| !name.starts_with("graph."));
    let reason = match opened(&folder, &changed).err() {
        Some(IndexError::Damaged { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, "the manifest does not name it");
    assert!(peak() - before < 1 << 30, "{} bytes were set aside", peak() - before);
}
