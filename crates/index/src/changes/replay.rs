//! Reading a log from its beginning.

use std::path::Path;

use fondue_mapped::Mapped;

use super::{Change, FORMAT, FRAME, HEADER, MAGIC, MAX_BATCH_BYTES, batch, header};
use crate::IndexError;

pub(super) struct Replayed {
    pub(super) batches: Vec<Vec<Change>>,
    /// Where the last whole batch ends.
    pub(super) end: u64,
    /// Where the file ends.
    pub(super) length: u64,
}

/// Reads all whole batches.
pub(super) fn replay(path: &Path, generation: &str, dim: usize) -> Result<Replayed, IndexError> {
    let mapped = Mapped::open(path).map_err(IndexError::io(path))?;
    let bytes = mapped.bytes();
    let length = bytes.len() as u64;
    let damaged = |at: usize, reason: &str| {
        let reason = format!("byte {at}: {reason}; changes behind it cannot be told from noise");
        Err(IndexError::DamagedLog { path: path.to_owned(), reason })
    };
    let Some(start) = bytes.get(..HEADER) else {
        // A kill while the log was made: nothing was acknowledged yet.
        return match header(generation, dim).starts_with(bytes) || blank(bytes) {
            true => Ok(Replayed { batches: Vec::new(), end: 0, length }),
            false => damaged(0, "not the beginning of a log"),
        };
    };
    if start != header(generation, dim) {
        if blank(bytes) {
            return Ok(Replayed { batches: Vec::new(), end: 0, length });
        }
        if !start.starts_with(MAGIC) || start.get(8..12) != Some(&FORMAT.to_le_bytes()) {
            return damaged(0, "not a log of this format");
        }
        return damaged(0, "the header does not hold together, or the log is another generation's");
    }
    let (mut batches, mut at) = (Vec::new(), HEADER);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match next(rest) {
            Next::Batch(content) => {
                let start = (at + FRAME) as u64;
                let Some(batch) = batch::read(content, start, dim) else {
                    return damaged(at, "a batch of another form");
                };
                batches.push(batch);
                at += FRAME + content.len();
            }
            Next::Unfinished => return Ok(Replayed { batches, end: at as u64, length }),
            Next::Damaged(reason) => return damaged(at, reason),
        }
    }
}

enum Next<'a> {
    Batch(&'a [u8]),
    /// Nothing, or what a killed writer leaves.
    Unfinished,
    Damaged(&'static str),
}

fn next(rest: &[u8]) -> Next<'_> {
    let Some((frame, behind)) = rest.split_first_chunk::<FRAME>() else { return Next::Unfinished };
    if blank(rest) {
        // The file had grown, but nothing had come to the disk.
        return Next::Unfinished;
    }
    let [length, length_sum, sum] = bytemuck::cast::<[u8; FRAME], [[u8; 4]; 3]>(*frame);
    if crc32fast::hash(&length) != u32::from_le_bytes(length_sum) {
        return Next::Damaged("the length of a batch does not hold together");
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_BATCH_BYTES {
        return Next::Damaged("a batch longer than any");
    }
    match behind.get(..length) {
        None => Next::Unfinished,
        Some(content) if crc32fast::hash(content) == u32::from_le_bytes(sum) => Next::Batch(content),
        Some(_) if behind.get(length..).is_none_or(blank) => Next::Unfinished,
        Some(_) => Next::Damaged("a batch does not hold together"),
    }
}

fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
