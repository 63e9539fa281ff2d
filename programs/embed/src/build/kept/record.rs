//! One entry's outcome as bytes.

use sha2::{Digest, Sha256};

/// What became of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is left out.
    Bad {
        /// Why.
        reason: String,
    },
    Seen(Seen),
}

/// A picture that was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Unit length.
    pub(crate) embedding: Vec<f32>,
    /// Of the file that was seen.
    pub(crate) sha256: [u8; 32],
    /// Of what is stored.
    pub(crate) media_type: String,
    pub(crate) picture: Picture,
}

/// What will be stored of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Picture {
    Nothing,
    /// The file itself, which is read again then.
    File,
    Bytes(Vec<u8>),
}

/// Of a record's content; eight bytes, against torn writes, not against people.
pub(super) fn checksum(payload: &[u8]) -> [u8; 8] {
    let mut checksum = [0; 8];
    checksum.copy_from_slice(&Sha256::digest(payload)[..8]);
    checksum
}

/// Length and checksum.
pub(super) fn head(head: &[u8; 12]) -> (usize, [u8; 8]) {
    let [a, b, c, d, checksum @ ..] = *head;
    (u32::from_le_bytes([a, b, c, d]) as usize, checksum)
}

pub(super) fn encode(n: u64, outcome: &Outcome) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    match outcome {
        Outcome::Bad { reason } => {
            bytes.push(0);
            bytes.extend(reason.as_bytes());
        }
        Outcome::Seen(seen) => {
            let (kind, picture) = match &seen.picture {
                Picture::Nothing => (1, &[][..]),
                Picture::File => (2, &[][..]),
                Picture::Bytes(picture) => (3, picture.as_slice()),
            };
            bytes.push(kind);
            bytes.extend(seen.sha256);
            put(&mut bytes, seen.media_type.as_bytes());
            let values: Vec<u8> = seen.embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
            put(&mut bytes, &values);
            bytes.extend(picture);
        }
    }
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Option<(u64, Outcome)> {
    let (n, rest) = bytes.split_first_chunk()?;
    let n = u64::from_le_bytes(*n);
    let (kind, rest) = rest.split_first()?;
    if *kind == 0 {
        return Some((n, Outcome::Bad { reason: String::from_utf8_lossy(rest).into_owned() }));
    }
    let (sha256, rest) = rest.split_first_chunk()?;
    let (media_type, rest) = take(rest)?;
    let (values, rest) = take(rest)?;
    let picture = match kind {
        1 => Picture::Nothing,
        2 => Picture::File,
        3 => Picture::Bytes(rest.to_vec()),
        _ => return None,
    };
    let embedding = values.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    let media_type = String::from_utf8(media_type.to_vec()).ok()?;
    Some((n, Outcome::Seen(Seen { embedding, sha256: *sha256, media_type, picture })))
}

fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(value);
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
