//! What a builder keeps in memory for each row: measured in a process of its own, as its peak is shared by all tests.

use std::{fs, process::Command};

use fondue_domain::Embedding;
use fondue_index::{Builder, Item, NewItem};

const NAME: &str = "memory::a_row_takes_no_more_than_is_said";
/// What tells the other process that it is the one.
const ALONE: &str = "--skip=measured-alone";
/// The table of ids has just grown: nowhere are there more bytes for each row.
const ROWS: usize = (1 << 18) * 7 / 8 + 1;
/// As the builder's documentation says.
const BYTES: usize = 60;
/// Buffers of the files, and what the allocator keeps.
const BESIDE: usize = 1 << 20;

fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn a_row_takes_no_more_than_is_said() {
    if std::env::args().any(|word| word == ALONE) {
        return measure();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args([NAME, "--exact", "--nocapture", ALONE]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("bytes for each row"), "{text}");
}

fn measure() {
    let root = tempfile::tempdir().unwrap();
    let vector = Embedding::normalized(vec![1.0, 2.0]).unwrap();
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    let before = peak();
    for n in 0..ROWS {
        let item = Item { id: n.to_string(), caption: "caption ".repeat(10), ..Item::default() };
        builder.add(NewItem { item, picture: Some(vec![0; 100]), sha256: [0; 32] }, &vector).unwrap();
    }
    let added = peak() - before;
    println!("{} bytes for each row", added / ROWS);
    assert!(added < ROWS * BYTES + BESIDE, "{} bytes for each row", added / ROWS);
}
