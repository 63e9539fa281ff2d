//! Torch's zip: where its pickle and its storages lie. Entries are stored as they are, so nothing is unpacked; all
//! counts and lengths are checked against the file before they are used. Checksums are not: writers may leave them
//! out, and data of gigabytes is not read before it is asked for.
//!
//! Source: PKWARE's APPNOTE 6.3 (with zip64), `torch/serialization.py` for the names.

use std::collections::HashMap;

use crate::{
    error::{PickleError, ZipFlaw, shown},
    machine::Storages,
    node::Span,
};

mod directory;

use directory::{Entry, directory};

/// Where a checkpoint's parts lie in the file.
pub(crate) struct Checkpoint<'a> {
    pub(crate) pickle: Span,
    pub(crate) storages: Storages<'a>,
}

/// A flaw and its offset.
#[derive(Debug)]
pub(crate) struct Fault(ZipFlaw, usize);

impl Fault {
    pub(crate) fn at(self, path: &std::path::Path) -> PickleError {
        PickleError::Zip { path: path.to_owned(), offset: self.1 as u64, flaw: self.0 }
    }
}

/// Whether a file starts as a zip does.
pub(crate) fn is_zip(file: &[u8]) -> bool {
    file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06")
}

/// Finds the parts of a checkpoint.
pub(crate) fn checkpoint(file: &[u8]) -> Result<Checkpoint<'_>, Fault> {
    let entries = directory(file)?;
    let mut places = HashMap::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        if places.insert(entry.name, place).is_some() {
            return Err(Fault(ZipFlaw::Duplicate(shown(entry.name)), entry.header));
        }
    }
    disjoint(&entries)?;
    let (prefix, pickle) = pickle(&entries, file.len())?;
    let mut storages = Storages::new();
    for entry in &entries {
        match entry.name.strip_prefix(prefix).and_then(|name| name.strip_prefix(b"/")) {
            Some(b"byteorder") if bytes(file, entry.data) != b"little" => {
                return Err(Fault(ZipFlaw::BigEndian, entry.data.start as usize));
            }
            Some(name) => {
                if let Some(key) = name.strip_prefix(b"data/") {
                    storages.insert(key, entry.data);
                }
            }
            None => {}
        }
    }
    Ok(Checkpoint { pickle, storages })
}

/// The only `<name>/data.pkl`, and the name.
fn pickle<'a>(entries: &[Entry<'a>], end: usize) -> Result<(&'a [u8], Span), Fault> {
    let mut found = None;
    for entry in entries {
        if let Some(prefix) = entry.name.strip_suffix(b"/data.pkl")
            && !prefix.contains(&b'/')
            && found.replace((prefix, entry.data)).is_some()
        {
            return Err(Fault(ZipFlaw::Duplicate("data.pkl".to_owned()), entry.header));
        }
    }
    found.ok_or(Fault(ZipFlaw::NoPickle, end))
}

/// Refuses entries that share bytes, or a small file could stand for much data.
fn disjoint(entries: &[Entry<'_>]) -> Result<(), Fault> {
    let mut order: Vec<&Entry<'_>> = entries.iter().collect();
    order.sort_unstable_by_key(|entry| entry.header);
    for pair in order.windows(2) {
        if pair[0].data.start + pair[0].data.len > pair[1].header as u64 {
            return Err(Fault(ZipFlaw::Overlap(shown(pair[1].name)), pair[1].header));
        }
    }
    Ok(())
}

fn bytes(file: &[u8], span: Span) -> &[u8] {
    file.get(span.start as usize..(span.start + span.len) as usize).unwrap_or_default()
}
