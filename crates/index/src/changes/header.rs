//! The bytes before a log's contents.

use std::hash::{BuildHasher, RandomState};

const MAGIC: &[u8; 8] = b"fondlog\n";
const FORMAT: u32 = 2;
/// Where the salt begins; all before it is known beforehand.
const SALT: usize = 36;
/// Bytes of a header.
pub(super) const HEADER: usize = 64;
/// Bytes of a frame before its content.
pub(super) const FRAME: usize = 20;

/// What a header tells, beside whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What goes into the checksums of frames.
    pub(crate) salt: u64,
    /// The number of the first frame.
    pub(crate) first: u64,
    /// The parent's frames before this number live on in the generation.
    pub(crate) taken: u64,
}

/// What the bytes of a header are.
pub(super) enum Seen {
    Whole(Facts),
    /// What is left of one that was being written.
    Unfinished,
    Damaged(&'static str),
}

impl Facts {
    /// Those of a new log.
    pub(super) fn new() -> Self {
        // The keys of a `RandomState` come from the system's random numbers.
        Self { salt: RandomState::new().hash_one(()), first: 0, taken: 0 }
    }

    /// A header.
    pub(super) fn header(&self, generation: &str, dim: usize) -> Vec<u8> {
        let mut header = beginning(generation, dim);
        for fact in [self.salt, self.first, self.taken] {
            header.extend_from_slice(&fact.to_le_bytes());
        }
        let sum = crc32fast::hash(&header);
        header.extend_from_slice(&sum.to_le_bytes());
        header
    }

    /// Reads the first bytes of a log; fewer than a header has are all that there are.
    pub(super) fn read(bytes: &[u8], generation: &str, dim: usize) -> Seen {
        let expected = beginning(generation, dim);
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            // The header was being written: no frame was, yet.
            let known = bytes.get(..SALT).unwrap_or(bytes);
            return match expected.starts_with(known) || blank(bytes) {
                true => Seen::Unfinished,
                false => Seen::Damaged("not the beginning of a log"),
            };
        };
        let [known @ .., a, b, c, d] = header;
        if blank(header) {
            return Seen::Unfinished;
        }
        if !header.starts_with(MAGIC) || header.get(8..12) != Some(&FORMAT.to_le_bytes()) {
            return Seen::Damaged("not a log of this format");
        }
        if crc32fast::hash(known) != u32::from_le_bytes([*a, *b, *c, *d]) {
            return Seen::Damaged("the header does not hold together");
        }
        if !header.starts_with(&expected) {
            return Seen::Damaged("the log is another generation's");
        }
        let fact = |n: usize| {
            let bytes = header.get(SALT + n * 8..).and_then(<[u8]>::first_chunk::<8>);
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        Seen::Whole(Self { salt: fact(0), first: fact(1), taken: fact(2) })
    }
}

fn beginning(generation: &str, dim: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&(dim as u32).to_le_bytes());
    header.extend_from_slice(generation.as_bytes());
    header.resize(SALT, 0);
    header
}

pub(super) fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What stands before a content.
pub(super) fn frame(content: &[u8], number: u64, salt: u64) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    let (length, sum) = ((content.len() as u32).to_le_bytes(), crc32fast::hash(content).to_le_bytes());
    let parts = length.into_iter().chain(number.to_le_bytes()).chain(sum);
    frame.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
    let [body @ .., _, _, _, _] = &frame;
    let whole = salted(body, salt).to_le_bytes();
    frame.iter_mut().rev().zip(whole.into_iter().rev()).for_each(|(place, byte)| *place = byte);
    frame
}

/// A frame that holds together.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) length: usize,
    pub(super) number: u64,
    pub(super) sum: u32,
}

impl Frame {
    /// `None` if it does not hold together.
    pub(super) fn read(bytes: &[u8; FRAME], salt: u64) -> Option<Self> {
        let [body @ .., a, b, c, d] = bytes;
        let whole = salted(body, salt) == u32::from_le_bytes([*a, *b, *c, *d]);
        whole.then(|| Self::unchecked(bytes))
    }

    /// The number alone, whether it holds together or not.
    pub(super) fn number(bytes: &[u8; FRAME]) -> u64 {
        Self::unchecked(bytes).number
    }

    fn unchecked(bytes: &[u8; FRAME]) -> Self {
        let [l0, l1, l2, l3, n0, n1, n2, n3, n4, n5, n6, n7, s0, s1, s2, s3, ..] = *bytes;
        Self {
            length: u32::from_le_bytes([l0, l1, l2, l3]) as usize,
            number: u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            sum: u32::from_le_bytes([s0, s1, s2, s3]),
        }
    }
}

fn salted(bytes: &[u8], salt: u64) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}
