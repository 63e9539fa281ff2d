//! Reading a log from its beginning. It is read, not mapped: another process may cut it back meanwhile.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use super::{
    Change, Extent, MAX_FRAME_BYTES, Mark, batch,
    header::{FRAME, Facts, Frame, HEADER, Seen},
};
use crate::IndexError;

/// Bytes that are searched at a time.
const WINDOW: usize = 1 << 20;
/// How far behind the expected one the number of a later frame can be: more than any log has.
const MOST: u64 = 1 << 40;

pub(super) struct Replayed {
    /// `None` without a header.
    pub(super) facts: Option<Facts>,
    /// Where the last whole frame ends.
    pub(super) place: Mark,
    /// Where the file ends.
    pub(super) length: u64,
}

/// Hands out what all whole frames change.
pub(super) fn replay(
    path: &Path,
    file: &File,
    generation: &str,
    dim: usize,
    apply: &mut dyn FnMut(Vec<Change>) -> Result<(), IndexError>,
) -> Result<Replayed, IndexError> {
    let io = |error| IndexError::io(path)(error);
    let damaged = |at: u64, reason: &str| {
        let reason = format!("byte {at}: {reason}; changes behind it cannot be told from noise");
        Err(IndexError::DamagedLog { path: path.to_owned(), reason })
    };
    let mut reader = Reader::new(file).map_err(io)?;
    let length = reader.length;
    let facts = match reader.facts(generation, dim).map_err(io)? {
        Seen::Whole(facts) => facts,
        Seen::Damaged(reason) => return damaged(0, reason),
        Seen::Unfinished if length > HEADER as u64 && !reader.blank().map_err(io)? => {
            return damaged(0, "no header");
        }
        Seen::Unfinished => return Ok(Replayed { facts: None, place: Mark { end: 0, next: 0 }, length }),
    };
    let mut place = Mark { end: HEADER as u64, next: facts.first };
    while let Some(content) = reader.frame(place, facts.salt).map_err(io)? {
        let (start, bytes) = (place.end + FRAME as u64, content.len() as u64);
        let Some(changes) = batch::read(content, start, dim) else {
            return damaged(place.end, "changes of another form");
        };
        apply(changes)?;
        place = Mark { end: start + bytes, next: place.next + 1 };
    }
    if reader.goes_on(place, facts.salt).map_err(io)? {
        return damaged(place.end, "a frame does not hold together, and others follow it");
    }
    Ok(Replayed { facts: Some(facts), place, length })
}

/// Which frames there are, by their heads alone; `None` without a header.
pub(super) fn extent(
    path: &Path,
    file: &File,
    generation: &str,
    dim: usize,
) -> Result<Option<Extent>, IndexError> {
    let io = |error| IndexError::io(path)(error);
    let mut reader = Reader::new(file).map_err(io)?;
    let Seen::Whole(facts) = reader.facts(generation, dim).map_err(io)? else { return Ok(None) };
    let mut place = Mark { end: HEADER as u64, next: facts.first };
    while let Some(frame) = reader.head(place.end, facts.salt).map_err(io)? {
        if frame.number != place.next {
            break;
        }
        place = Mark { end: place.end + (FRAME + frame.length) as u64, next: place.next + 1 };
    }
    let Facts { salt, first, taken } = facts;
    Ok(Some(Extent { salt, first, taken, next: place.next }))
}

struct Reader<'a> {
    file: &'a File,
    length: u64,
    bytes: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a File) -> std::io::Result<Self> {
        Ok(Self { file, length: file.metadata()?.len(), bytes: Vec::new() })
    }

    fn facts(&mut self, generation: &str, dim: usize) -> std::io::Result<Seen> {
        let n = self.length.min(HEADER as u64) as usize;
        Ok(Facts::read(self.read(0, n)?, generation, dim))
    }

    fn read(&mut self, at: u64, n: usize) -> std::io::Result<&[u8]> {
        self.bytes.resize(n, 0);
        self.file.read_exact_at(&mut self.bytes, at)?;
        Ok(&self.bytes)
    }

    /// The content of the frame that should be at a place; `None` if it is not there whole.
    fn frame(&mut self, place: Mark, salt: u64) -> std::io::Result<Option<&[u8]>> {
        let Some(frame) = self.head(place.end, salt)?.filter(|frame| frame.number == place.next) else {
            return Ok(None);
        };
        self.content(place.end, frame)
    }

    fn head(&mut self, at: u64, salt: u64) -> std::io::Result<Option<Frame>> {
        if self.length.saturating_sub(at) < FRAME as u64 {
            return Ok(None);
        }
        Ok(self.read(at, FRAME)?.first_chunk().and_then(|bytes| Frame::read(bytes, salt)))
    }

    fn content(&mut self, at: u64, frame: Frame) -> std::io::Result<Option<&[u8]>> {
        let start = at + FRAME as u64;
        if frame.length > MAX_FRAME_BYTES || self.length.saturating_sub(start) < frame.length as u64 {
            return Ok(None);
        }
        let content = self.read(start, frame.length)?;
        Ok((crc32fast::hash(content) == frame.sum).then_some(content))
    }

    /// Whether a later frame lies somewhere behind a place: only then was the one that should be there acknowledged.
    fn goes_on(&mut self, place: Mark, salt: u64) -> std::io::Result<bool> {
        let mut at = place.end;
        while self.length.saturating_sub(at) >= FRAME as u64 {
            let n = (self.length - at).min(WINDOW as u64) as usize;
            let window = self.read(at, n)?.windows(FRAME).enumerate();
            let later = |(_, bytes): &(usize, &[u8])| {
                bytes.first_chunk().is_some_and(|bytes| {
                    (1..MOST).contains(&Frame::number(bytes).wrapping_sub(place.next))
                        && Frame::read(bytes, salt).is_some()
                })
            };
            let found: Vec<u64> = window.filter(later).map(|(offset, _)| at + offset as u64).collect();
            for found in found {
                if let Some(frame) = self.head(found, salt)?
                    && self.content(found, frame)?.is_some()
                {
                    return Ok(true);
                }
            }
            // The last bytes again with the next ones.
            at += (n - FRAME + 1) as u64;
        }
        Ok(false)
    }

    /// Whether nothing of the file came to the disk.
    fn blank(&mut self) -> std::io::Result<bool> {
        let mut at = 0;
        while at < self.length {
            let n = (self.length - at).min(WINDOW as u64) as usize;
            if !super::header::blank(self.read(at, n)?) {
                return Ok(false);
            }
            at += n as u64;
        }
        Ok(true)
    }
}
