//! A log cut off or damaged at every byte: what is read is a beginning of what was written, or nothing at all.

use std::{collections::BTreeSet, fs};

use super::*;
use crate::Item;

const DIM: usize = 3;
const ID: &str = "g0123456789abcdef";

fn batch(n: usize) -> Vec<u8> {
    let mut batch = Vec::new();
    for id in 0..n % 3 + 1 {
        let item = Item { id: format!("{n}-{id}"), caption: "a caption".to_owned(), ..Item::default() };
        write_put(&mut batch, &item, &[n as u8; 32], &[n as f32, 0.5, -1.0], &vec![7; n * 5]);
    }
    write_removal(&mut batch, "gone");
    batch
}

fn ids(batches: &[Vec<Change>]) -> Vec<Vec<String>> {
    let id = |change: &Change| match change {
        Change::Put(put) => put.item.id.clone(),
        Change::Remove(removal) => format!("-{}", removal.id),
    };
    batches.iter().map(|batch| batch.iter().map(id).collect()).collect()
}

/// What an opened log says.
fn opened(root: &Path, writable: bool) -> Result<(Log, Vec<Vec<Change>>, u64), IndexError> {
    let mut batches = Vec::new();
    let Opened { log, cut } = Log::open(root, ID, DIM, writable, &mut |changes| {
        batches.push(changes);
        Ok(())
    })?;
    Ok((log, batches, cut))
}

/// A log of some batches, one after the other.
fn written(root: &Path, n: usize) -> Vec<u8> {
    let (mut log, ..) = opened(root, true).unwrap();
    for n in 0..n {
        log.append(&batch(n)).unwrap();
    }
    fs::read(Log::path(root, ID)).unwrap()
}

fn put(root: &Path, bytes: &[u8]) {
    fs::write(Log::path(root, ID), bytes).unwrap();
}

#[test]
fn what_was_written_is_read_and_pictures_are_where_they_should_be() {
    let root = tempfile::tempdir().unwrap();
    let bytes = written(root.path(), 6);
    let (log, batches, cut) = opened(root.path(), true).unwrap();
    assert_eq!((batches.len(), cut, log.mark()), (6, 0, Mark { end: bytes.len() as u64, next: 6 }));
    let extent = Log::extent(root.path(), ID, DIM).unwrap();
    assert!(matches!(extent, Some(Extent { first: 0, taken: 0, next: 6, .. })));
    for (n, changes) in batches.iter().enumerate() {
        assert_eq!(changes.len(), n % 3 + 2);
        for change in changes {
            let Change::Put(put) = change else { continue };
            let Span { start, length } = put.picture;
            assert_eq!(bytes[start as usize..][..length as usize], vec![7; n * 5]);
            assert_eq!((put.vector[0], put.sha256), (n as f32, [n as u8; 32]));
        }
    }
}

#[test]
fn every_beginning_of_a_log_is_read_as_far_as_it_goes() {
    let root = tempfile::tempdir().unwrap();
    let bytes = written(root.path(), 6);
    let all = ids(&opened(root.path(), true).unwrap().1);
    let mut seen = BTreeSet::new();
    for length in 0..=bytes.len() {
        put(root.path(), &bytes[..length]);
        let got = ids(&opened(root.path(), false).unwrap().1);
        assert_eq!(got, all[..got.len()], "{length} bytes");
        seen.insert(got.len());
        // What was unfinished is gone, and the next batch follows on what was whole. Each waits for the disk: not at
        // every byte, but at all that a header has.
        if length <= HEADER + FRAME || length.is_multiple_of(41) {
            let (mut log, ..) = opened(root.path(), true).unwrap();
            log.append(&batch(2)).unwrap();
            let again = ids(&opened(root.path(), true).unwrap().1);
            assert_eq!((again.len(), &again[..got.len()]), (got.len() + 1, &all[..got.len()]));
        }
        // A file that had grown before its bytes came.
        put(root.path(), &[&bytes[..length], &[0; 50]].concat());
        let grown = opened(root.path(), false).map(|opened| ids(&opened.1));
        assert!(grown.is_err() || grown.is_ok_and(|grown| grown == all[..grown.len()]), "{length} bytes");
    }
    assert_eq!(seen, (0..=6).collect());
}

#[test]
fn a_flipped_bit_is_refused_or_costs_the_last_batch_alone() {
    let root = tempfile::tempdir().unwrap();
    let bytes = written(root.path(), 5);
    let all = ids(&opened(root.path(), true).unwrap().1);
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        put(root.path(), &flipped);
        match opened(root.path(), false) {
            Ok(opened) => assert_eq!(ids(&opened.1), all[..4], "byte {at}"),
            Err(error) => {
                assert!(matches!(error, IndexError::DamagedLog { .. }), "{error}");
                assert!(error.to_string().contains("byte "), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > bytes.len() / 2, "{refused}");
    for (generation, dim) in [("gfedcba9876543210", DIM), (ID, DIM + 1)] {
        fs::write(Log::path(root.path(), generation), &bytes).unwrap();
        let opened = Log::open(root.path(), generation, dim, true, &mut |_| Ok(()));
        assert!(matches!(opened, Err(IndexError::DamagedLog { .. })));
    }
}

#[test]
fn nothing_is_kept_of_what_could_not_be_written() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), 2);
    let (mut log, ..) = opened(root.path(), true).unwrap();
    let writable = log.file.take();
    // A handle that cannot be written to stands for a disk that is full.
    log.file = Some(Arc::new(File::open(Log::path(root.path(), ID)).unwrap()));
    assert!(matches!(log.append(&batch(2)), Err(IndexError::Io { .. })));
    assert!(log.append(&batch(2)).is_err(), "as long as nothing can be taken back");
    log.file = writable;
    log.append(&batch(3)).unwrap();
    let (_, batches, _) = opened(root.path(), true).unwrap();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 3, 2]);
}
