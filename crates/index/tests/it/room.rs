//! A builder whose disk has no room for a row, or for the rest of one: it never ends in a generation whose rows are shifted.

use std::{fs, path::Path, process::Command};

use fondue_domain::Embedding;
use fondue_index::{Builder, IndexError, Item, Metadata, NewItem, Precision, Root, Value};

const NAME: &str = "room::a_row_that_has_no_room_is_the_last_one";
/// What the limited process tells of each case.
const DONE: &str = "refused for the sake of ";

/// A kind of row that fills one file before all others.
struct Case {
    fills: &'static str,
    dim: usize,
    precision: Precision,
    row: fn(usize) -> NewItem,
}

const CASES: [Case; 6] = [
    Case { fills: "vectors.f32", dim: 3000, precision: Precision::F32, row: small },
    Case { fills: "vectors.f16", dim: 3000, precision: Precision::F16, row: small },
    // Codes and scale are written already, each in full.
    Case { fills: "vectors.f32", dim: 3000, precision: Precision::Int8, row: small },
    // Many rows wait together to be written.
    Case { fills: "items.blob", dim: 1, precision: Precision::F32, row: small },
    Case { fills: "ids.blob", dim: 1, precision: Precision::F32, row: named_at_length },
    // All the rest of the row is written by then.
    Case { fills: "pictures.blob", dim: 1, precision: Precision::F32, row: pictured },
];

fn small(n: usize) -> NewItem {
    NewItem { item: Item { id: n.to_string(), ..Item::default() }, picture: None, sha256: [0; 32] }
}

fn named_at_length(n: usize) -> NewItem {
    let mut new = small(n);
    new.item.id = format!("{n:01000}");
    new
}

fn pictured(n: usize) -> NewItem {
    NewItem { picture: Some(vec![n as u8; 10_000]), ..small(n) }
}

fn vector(dim: usize) -> Embedding {
    Embedding::normalized(vec![1.0; dim]).unwrap()
}

/// Whether no file of this process may grow without end.
fn is_limited() -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
    !line.trim_start().starts_with("unlimited")
}

/// Nothing more goes in, and nothing comes out.
#[track_caller]
fn is_broken(mut builder: Builder, root: &Path, dim: usize, other: impl Fn(usize) -> NewItem) {
    let rows = builder.len();
    for n in 1_000_000..1_000_003 {
        let refused = builder.add(other(n), &vector(dim)).unwrap_err();
        assert!(matches!(refused, IndexError::HalfWritten { row } if row == rows), "{refused}");
    }
    assert_eq!(builder.len(), rows);
    let refused = builder.publish().err().unwrap();
    assert!(matches!(refused, IndexError::HalfWritten { row } if row == rows), "{refused}");
    assert_eq!(fs::read_dir(root.join("generations")).unwrap().count(), 0);
}

#[test]
fn a_row_that_has_no_room_is_the_last_one() {
    if is_limited() {
        return CASES.iter().for_each(fill);
    }
    // Once more, in a process whose files have so many blocks at most, of 512 bytes or of 1024 as the shell will have it.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let mut child = Command::new("sh");
    child.args(["-c", script]).arg(std::env::current_exe().unwrap()).args([NAME, "--exact", "--nocapture"]);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches(DONE).count(), CASES.len(), "{text}");
}

fn fill(case: &Case) {
    let root = tempfile::tempdir().unwrap();
    let new = |precision| Builder::new(root.path(), case.dim, "model").unwrap().stored_as(precision).unwrap();
    let mut builder = new(case.precision);
    let error = loop {
        match builder.add((case.row)(builder.len()), &vector(case.dim)) {
            Ok(()) => assert!(builder.len() < 10_000, "there was room for all of it"),
            Err(error) => break error,
        }
    };
    let IndexError::Io { path, .. } = &error else { panic!("{error}") };
    assert_eq!(path.file_name().unwrap(), case.fills, "{error}");
    assert!(builder.len() > 1, "nothing had room");
    println!("{DONE}{} after {} rows", case.fills, builder.len());
    is_broken(builder, root.path(), case.dim, small);
    // What has room is built as ever.
    let mut builder = new(case.precision);
    builder.add(small(0), &vector(case.dim)).unwrap();
    let id = builder.publish().unwrap();
    Root::open(root.path()).unwrap().generation(&id).unwrap().verify().unwrap();
}

/// A column that cannot be begun leaves no other file longer than the rows, but the vectors.
#[test]
fn a_column_that_cannot_be_begun_ends_the_build() {
    let root = tempfile::tempdir().unwrap();
    let dated = |n: usize| {
        let mut metadata = Metadata::new();
        metadata.set("year", Value::Number(n as f64)).unwrap();
        NewItem { item: Item { metadata, ..small(n).item }, ..small(n) }
    };
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    builder.add(small(0), &vector(2)).unwrap();
    // In the way of its file, in the folder that is built in.
    let mut entries = fs::read_dir(root.path().join("generations")).unwrap();
    let in_the_way = entries.next().unwrap().unwrap().path().join("new/column-0.u64");
    fs::create_dir(&in_the_way).unwrap();
    let error = builder.add(dated(1), &vector(2)).unwrap_err();
    assert!(matches!(&error, IndexError::Io { path, .. } if *path == in_the_way), "{error}");
    fs::remove_dir(&in_the_way).unwrap();
    is_broken(builder, root.path(), 2, dated);
}

#[test]
fn what_was_refused_for_its_own_sake_breaks_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    builder.add(small(0), &vector(2)).unwrap();
    let nameless = NewItem { item: Item::default(), ..small(1) };
    for (new, dim) in [(small(0), 2), (small(1), 3), (nameless, 2)] {
        builder.add(new, &vector(dim)).unwrap_err();
    }
    builder.add(small(1), &vector(2)).unwrap();
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    generation.verify().unwrap();
    let row = generation.row("1").unwrap();
    assert_eq!((generation.len(), row), (2, Some(1)));
}
