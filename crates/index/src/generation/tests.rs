//! Built, opened, searched, damaged.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{
    Builder, NewItem, Root,
    manifest::{FILE, VECTORS},
};

const DIM: usize = 11;

/// Numbers that look random and are the same each time.
fn vector(seed: usize) -> Embedding {
    let value = |n: usize| ((seed * 7919 + n * 104_729 + seed * n * 31) % 2003) as f32 / 1001.0 - 1.0;
    Embedding::normalized((0..DIM).map(value).collect()).unwrap()
}

fn new_item(n: usize) -> NewItem {
    let item = Item {
        id: format!("id-{}", (n * 37) % 1000),
        caption: format!("caption “{n}”"),
        group: "group".to_owned(),
        media_type: "image/png".to_owned(),
        ..Item::default()
    };
    NewItem { item, picture: (!n.is_multiple_of(3)).then(|| vec![n as u8; n]), sha256: [n as u8; 32] }
}

fn search(
    generation: &Generation,
    vector: &Embedding,
    k: usize,
    exclusions: &Exclusions,
) -> Result<Vec<Hit>, IndexError> {
    generation.search(&Query { vector, k, filter: &Filter::default(), exclusions })
}

fn build(rows: usize) -> (TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    for n in 0..rows {
        // Rows 5 and 6 are alike, so that ties are seen.
        builder.add(new_item(n), &vector(if n == 6 { 5 } else { n })).unwrap();
    }
    let id = builder.publish().unwrap();
    (root, id)
}

/// Beside and renamed: a file that is mapped must not be changed in place.
fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_file_name("beside");
    fs::write(&beside, bytes).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn oracle(rows: usize, query: &Embedding, k: usize, excluded: &[usize]) -> Vec<usize> {
    let cosine = |n: usize| -> f64 {
        let row = vector(if n == 6 { 5 } else { n });
        row.values().iter().zip(query.values()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let mut all: Vec<usize> = (0..rows).filter(|n| !excluded.contains(n)).collect();
    all.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)).then(a.cmp(&b)));
    all.truncate(k);
    all
}

#[test]
fn search_is_exact_with_ties_by_row() {
    let (root, id) = build(100);
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    for (seed, k) in [(5, 3), (1000, 10), (1001, 1), (1002, 100), (1003, 1000), (1004, 0)] {
        let query = vector(seed);
        let hits = search(&generation, &query, k, &Exclusions::default()).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), oracle(100, &query, k, &[]), "k {k}");
    }
    let same = search(&generation, &vector(5), 2, &Exclusions::default()).unwrap();
    assert_eq!((same[0].row, same[1].row), (5, 6));
    assert!((same[0].score - 1.0).abs() < 1e-6);
    assert!(matches!(
        search(&generation, &Embedding::normalized(vec![1.0; 3]).unwrap(), 1, &Exclusions::default()),
        Err(IndexError::Dim { got: 3, expected: DIM })
    ));
}

#[test]
fn what_is_excluded_is_replaced_by_the_next_best() {
    let (root, id) = build(50);
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    let query = vector(5);
    let best = oracle(50, &query, 4, &[]);
    let exclusions = Exclusions {
        ids: [new_item(best[0]).item.id, "unknown".to_owned()].into(),
        sha256: [new_item(best[2]).sha256].into(),
    };
    let hits = search(&generation, &query, 10, &exclusions).unwrap();
    assert_eq!(
        hits.iter().map(|hit| hit.row).collect::<Vec<_>>(),
        oracle(50, &query, 10, &[best[0], best[2]])
    );
}

#[test]
fn everything_comes_back() {
    let (root, id) = build(40);
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    generation.verify().unwrap();
    assert_eq!((generation.len(), generation.dim(), generation.fingerprint()), (40, DIM, "model"));
    assert_eq!(generation.id(), id);
    for n in 0..40 {
        let NewItem { item, picture, .. } = new_item(n);
        let expected =
            Item { media_type: if picture.is_some() { item.media_type } else { String::new() }, ..item };
        assert_eq!(generation.item(n).unwrap(), expected);
        assert_eq!(generation.picture(n).map(<[u8]>::to_vec), picture.filter(|bytes| !bytes.is_empty()));
        assert_eq!(generation.row(&expected.id).unwrap(), Some(n));
    }
    assert_eq!(generation.row("no such").unwrap(), None);
    assert!(generation.item(40).is_err());
    assert!(generation.picture(40).is_none());
}

#[test]
fn the_same_content_has_the_same_id_and_activation_is_by_name() {
    let (root, id) = build(10);
    assert_eq!(build(10).1, id);
    assert_ne!(build(11).1, id);
    let root = Root::open(root.path()).unwrap();
    assert!(matches!(root.active(), Err(IndexError::NoneActive { .. })));
    root.activate(&id).unwrap();
    assert_eq!(root.active().unwrap(), id);
    for wrong in ["g0000000000000000", "../../etc", "", "G0123456789abcdef"] {
        assert!(matches!(root.activate(wrong), Err(IndexError::NoGeneration { .. })), "{wrong}");
    }
    assert_eq!(root.active().unwrap(), id);
    assert_eq!(root.generations().unwrap(), [id]);
}

#[test]
fn what_cannot_be_added_is_refused_and_the_rest_is_published() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    builder.add(new_item(1), &vector(1)).unwrap();
    assert!(matches!(builder.add(new_item(1), &vector(2)), Err(IndexError::DuplicateId { .. })));
    let short = Embedding::normalized(vec![1.0; 4]).unwrap();
    assert!(matches!(builder.add(new_item(2), &short), Err(IndexError::Dim { got: 4, .. })));
    let mut nameless = new_item(3);
    nameless.item.id = String::new();
    assert!(matches!(builder.add(nameless, &vector(3)), Err(IndexError::IdLength { got: 0, .. })));
    let id = builder.publish().unwrap();
    assert_eq!(Root::open(root.path()).unwrap().generation(&id).unwrap().len(), 1);
    for dim in [0, (1 << 16) + 1] {
        assert!(matches!(Builder::new(root.path(), dim, "model"), Err(IndexError::DimLimit { .. })));
    }
    assert!(matches!(Builder::new(root.path(), DIM, "model").unwrap().publish(), Err(IndexError::Empty)));
    // Nothing half-made is left.
    assert_eq!(fs::read_dir(root.path().join("generations")).unwrap().count(), 1);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let (root, id) = build(20);
    let folder = root.path().join("generations").join(&id);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut noticed = 0;
    let mut tried = 0;
    for path in names {
        let whole = fs::read(&path).unwrap();
        let mut variants =
            vec![Vec::new(), whole[..whole.len() / 2].to_vec(), [whole.as_slice(), b"x"].concat()];
        for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            for bit in [0x01, 0x80] {
                let mut flipped = whole.clone();
                flipped[at] ^= bit;
                variants.push(flipped);
            }
        }
        for variant in variants {
            tried += 1;
            replace(&path, &variant);
            let Ok(generation) = Generation::open(&folder) else {
                noticed += 1;
                continue;
            };
            // Whatever opens can be used without a panic, and its checksums tell of the damage.
            let _ = search(&generation, &vector(3), 5, &Exclusions::default());
            for row in 0..generation.len() + 1 {
                let _ = (generation.item(row), generation.picture(row));
            }
            let _ = generation.row("id-37");
            noticed += usize::from(generation.verify().is_err());
        }
        replace(&path, &whole);
    }
    assert_eq!(noticed, tried);
    Generation::open(&folder).unwrap().verify().unwrap();
}

#[test]
fn many_ties_come_in_the_order_of_rows_for_every_k() {
    const ROWS: usize = 60;
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), 4, "model").unwrap();
    // Rows are axes, so that a row's score is one number of the query, exactly.
    let axis = |row: usize| (row * row + row / 7) % 4;
    for row in 0..ROWS {
        let mut values = vec![0.0; 4];
        values[axis(row)] = 1.0;
        builder.add(new_item(row), &Embedding::normalized(values).unwrap()).unwrap();
    }
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    let query = Embedding::normalized(vec![-1.0, 3.0, 2.0, 3.0]).unwrap();
    for excluded_every in [1, 2, 5, 100] {
        let excluded = |row: usize| row % excluded_every == excluded_every - 1;
        let mut exclusions = Exclusions::default();
        for row in (0..ROWS).filter(|&row| excluded(row)) {
            if row.is_multiple_of(2) {
                exclusions.ids.insert(new_item(row).item.id);
            } else {
                exclusions.sha256.insert(new_item(row).sha256);
            }
        }
        let mut expected: Vec<usize> = (0..ROWS).filter(|&row| !excluded(row)).collect();
        // Stable, so that equal scores stay in the order of rows.
        expected.sort_by(|&a, &b| query.values()[axis(b)].total_cmp(&query.values()[axis(a)]));
        for k in 0..ROWS + 3 {
            let hits = search(&generation, &query, k, &exclusions).unwrap();
            let rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
            assert_eq!(rows, expected[..k.min(expected.len())], "k {k}, every {excluded_every}");
        }
    }
}

#[test]
fn rows_that_are_no_numbers_are_not_found_and_scores_are_cosines() {
    let (root, id) = build(10);
    let folder = root.path().join("generations").join(id);
    let path = folder.join(VECTORS);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * DIM * 4..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[7 * DIM * 4..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    replace(&path, &bytes);
    let generation = Generation::open(&folder).unwrap();
    let hits = search(&generation, &vector(1), 10, &Exclusions::default()).unwrap();
    assert_eq!(hits.len(), 9);
    assert!(hits.iter().all(|hit| hit.row != 2 && (-1.0..=1.0).contains(&hit.score)), "{hits:?}");
}

#[test]
fn lies_of_offsets_order_and_manifest_are_refused_with_the_files_name() {
    let (root, id) = build(20);
    let folder = root.path().join("generations").join(id);
    let put = |name: &str, at: usize, bytes: &[u8]| {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[at..][..bytes.len()].copy_from_slice(bytes);
        replace(&path, &changed);
        let error = Generation::open(&folder).and_then(|opened| {
            // What the order says is looked at with the checksums; until then nothing may break.
            let _ = opened.row("id-37");
            opened.verify()
        });
        let error = error.err();
        replace(&path, &whole);
        assert!(
            matches!(&error, Some(IndexError::Damaged { path: at, .. }) if *at == path),
            "{name}: {error:?}"
        );
    };
    for name in ["ids.u64", "items.u64", "pictures.u64"] {
        put(name, 0, &1u64.to_le_bytes());
        put(name, 8 * 5, &u64::MAX.to_le_bytes());
        put(name, 8 * 19, &0u64.to_le_bytes());
        put(name, 8 * 20, &(1u64 << 40).to_le_bytes());
    }
    put(ORDER, 4 * 3, &20u32.to_le_bytes());
    put(ORDER, 4 * 3, &u32::MAX.to_le_bytes());
    let first = fs::read(folder.join(ORDER)).unwrap()[..4].to_owned();
    put(ORDER, 4, &first);

    let path = folder.join(FILE);
    let text = fs::read_to_string(&path).unwrap();
    for (old, new) in [
        ("\"rows\": 20", "\"rows\": 21"),
        ("\"rows\": 20", "\"rows\": 0"),
        ("\"rows\": 20", "\"rows\": 18446744073709551615"),
        ("\"dim\": 11", "\"dim\": 0"),
        ("\"dim\": 11", "\"dim\": 4611686018427387904"),
        ("\"format\": 2", "\"format\": 1"),
        ("\"cosine\"", "\"dot\""),
        ("\"model\"", "\"other\""),
        ("\n}", "\n}\n"),
    ] {
        assert!(text.contains(old), "{text}");
        replace(&path, text.replace(old, new).as_bytes());
        assert!(Generation::open(&folder).is_err(), "{new}");
    }
    let error = {
        replace(&path, text.replace("\"format\": 2", "\"format\": 1").as_bytes());
        Generation::open(&folder).err().unwrap()
    };
    assert!(error.to_string().contains("build or import the index again"), "{error}");
    // Sealed again, as nobody does by accident: the checksums it lacks are missed.
    let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
    manifest.files.clear();
    replace(&path, &manifest.seal().0);
    assert!(matches!(Generation::open(&folder), Err(IndexError::Damaged { .. })));
    replace(&path, text.as_bytes());
    fs::write(folder.join("more"), "").unwrap();
    let error = Generation::open(&folder).unwrap().verify().unwrap_err();
    assert!(error.to_string().contains("more"), "{error}");
    fs::remove_file(folder.join("more")).unwrap();
    Generation::open(&folder).unwrap().verify().unwrap();
}

#[test]
fn building_again_repairs_a_damaged_generation() {
    let (root, id) = build(10);
    let folder = root.path().join("generations").join(&id);
    let path = folder.join("pictures.blob");
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    replace(&path, &bytes);
    let open_before = Generation::open(&folder).unwrap();
    assert!(open_before.verify().is_err());
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    for n in 0..10 {
        builder.add(new_item(n), &vector(if n == 6 { 5 } else { n })).unwrap();
    }
    assert_eq!(builder.publish().unwrap(), id);
    Generation::open(&folder).unwrap().verify().unwrap();
    // What is mapped already is what it was.
    assert!(open_before.verify().is_err());
    assert_eq!(fs::read_dir(root.path().join("generations")).unwrap().count(), 1);
}

#[test]
fn whoever_may_read_the_index_may_read_which_generation_is_active() {
    use std::os::unix::fs::PermissionsExt;
    let (root, id) = build(1);
    Root::open(root.path()).unwrap().activate(&id).unwrap();
    fs::write(root.path().join("any"), "").unwrap();
    let mode = |name: &str| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("ACTIVE"), mode("any"));
    // Nothing temporary is left.
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
}

#[test]
fn the_vision_tower_is_told_where_it_is_known() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap().seen_by("tower");
    builder.add(new_item(1), &vector(1)).unwrap();
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    generation.verify().unwrap();
    assert_eq!((generation.fingerprint(), generation.vision_fingerprint()), ("model", Some("tower")));
    // Manifests of before it was noted are as those in which it is not known.
    let (root, id) = build(1);
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    assert_eq!(generation.vision_fingerprint(), None);
    let text = fs::read_to_string(root.path().join("generations").join(id).join(FILE)).unwrap();
    assert!(!text.contains("vision"), "{text}");
}

#[test]
fn duplicates_are_named_wherever_they_come() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    for n in 0..1000 {
        builder.add(new_item(n), &vector(n)).unwrap();
        let before = new_item(n * 7 % (n + 1));
        let name = before.item.id.clone();
        let error = builder.add(before, &vector(n)).unwrap_err();
        assert!(matches!(&error, IndexError::DuplicateId { id } if *id == name), "{error}");
        assert!(error.to_string().contains(&name));
    }
    assert_eq!(builder.len(), 1000);
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    assert!((0..1000).all(|n| generation.row(&new_item(n).item.id).unwrap() == Some(n)));
}

#[test]
fn empty_bytes_are_no_picture() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), DIM, "model").unwrap();
    builder.add(NewItem { picture: Some(Vec::new()), ..new_item(1) }, &vector(1)).unwrap();
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    assert_eq!((generation.picture(0), generation.item(0).unwrap().media_type), (None, String::new()));
}
