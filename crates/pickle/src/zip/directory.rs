//! The central directory at the end of a zip: each entry's name and place.

use super::Fault;
use crate::{
    error::{ZipFlaw, shown},
    node::Span,
};

/// A stored entry.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    /// Offset of its local header.
    pub(crate) header: usize,
    pub(crate) data: Span,
}

const END: usize = 22;
const LOCATOR: usize = 20;
const END64: usize = 56;
const CENTRAL: usize = 46;
const LOCAL: usize = 30;
/// A 32-bit field that says its value is in the zip64 fields.
const ELSEWHERE: u64 = u32::MAX as u64;

/// All entries. The number of them that the end record gives is checked, and never used to set memory aside.
pub(crate) fn directory(file: &[u8]) -> Result<Vec<Entry<'_>>, Fault> {
    let end = end(file).ok_or(Fault(ZipFlaw::NoEnd, file.len()))?;
    let wrong = |at| Fault(ZipFlaw::Record("end record"), at);
    let read = |at, size| field(file, at, size).ok_or(wrong(end));
    let (mut n, mut len, mut start) = (read(end + 10, 2)?, read(end + 12, 4)?, read(end + 16, 4)?);
    let mut limit = end;
    if let Some(locator) = end.checked_sub(LOCATOR).filter(|&at| file[at..].starts_with(b"PK\x06\x07")) {
        let at = usize::try_from(read(locator + 8, 8)?).map_err(|_| wrong(locator))?;
        if at > locator || locator - at < END64 || !file[at..].starts_with(b"PK\x06\x06") {
            return Err(wrong(locator));
        }
        (n, len, start, limit) = (read(at + 32, 8)?, read(at + 40, 8)?, read(at + 48, 8)?, at);
    }
    if start.checked_add(len) != Some(limit as u64) {
        return Err(wrong(end));
    }
    let mut entries = Vec::new();
    let mut at = start as usize;
    while at < limit {
        let (entry, next) = entry(file, at, limit, start)?;
        entries.push(entry);
        at = next;
    }
    if entries.len() as u64 != n {
        return Err(wrong(end));
    }
    Ok(entries)
}

/// Where the end record is: it ends the file, but for a comment whose length it gives.
fn end(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(END)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        file[at..].starts_with(b"PK\x05\x06") && field(file, at + 20, 2) == Some((last - at) as u64)
    })
}

/// The entry whose central header is at `at`, and where the next one would be.
fn entry(file: &[u8], at: usize, limit: usize, data_end: u64) -> Result<(Entry<'_>, usize), Fault> {
    let wrong = || Fault(ZipFlaw::Record("central directory"), at);
    let read = |offset, size| field(&file[..limit], at + offset, size).ok_or_else(wrong);
    if !file[at..].starts_with(b"PK\x01\x02") {
        return Err(wrong());
    }
    let lengths = [read(28, 2)?, read(30, 2)?, read(32, 2)?].map(|len| len as usize);
    let ends = [at + CENTRAL, at + CENTRAL + lengths[0], at + CENTRAL + lengths[0] + lengths[1]];
    let next = ends[2] + lengths[2];
    if next > limit {
        return Err(wrong());
    }
    let (name, extra) = (&file[ends[0]..ends[1]], &file[ends[1]..ends[2]]);
    let (len, packed, header) = zip64(extra, [read(24, 4)?, read(20, 4)?, read(42, 4)?]).ok_or_else(wrong)?;
    let (flags, method) = (read(8, 2)?, read(10, 2)?);
    if method != 0 || flags & 1 != 0 {
        return Err(Fault(ZipFlaw::Compressed(shown(name)), at));
    }
    let start = local(&file[..data_end as usize], header, name).ok_or_else(wrong)?;
    if packed != len || len > data_end - start {
        return Err(wrong());
    }
    Ok((Entry { name, header: header as usize, data: Span { start, len } }, next))
}

/// The fields of an entry, from its zip64 part where they are too large for its header.
fn zip64(mut extra: &[u8], [len, packed, header]: [u64; 3]) -> Option<(u64, u64, u64)> {
    let mut part: &[u8] = &[];
    while extra.len() >= 4 {
        let (tag, size) = (field(extra, 0, 2)?, field(extra, 2, 2)? as usize);
        let body = extra.get(4..4 + size)?;
        if tag == 1 {
            part = body;
        }
        extra = &extra[4 + size..];
    }
    // In this order, and only those that are elsewhere: length, packed length, offset.
    let mut take = |value: u64| {
        if value != ELSEWHERE {
            return Some(value);
        }
        let value = field(part, 0, 8)?;
        part = &part[8..];
        Some(value)
    };
    Some((take(len)?, take(packed)?, take(header)?))
}

/// Where the data of the entry with this local header starts.
fn local(file: &[u8], header: u64, name: &[u8]) -> Option<u64> {
    let at = usize::try_from(header).ok()?;
    let record = file.get(at..)?.get(..LOCAL)?;
    let (n_name, n_extra) = (field(record, 26, 2)? as usize, field(record, 28, 2)? as usize);
    let start = at + LOCAL;
    let same = record.starts_with(b"PK\x03\x04") && file.get(start..start + n_name)? == name;
    let data = start + n_name + n_extra;
    (same && data <= file.len()).then_some(data as u64)
}

/// A little-endian number of at most 8 bytes.
fn field(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}
