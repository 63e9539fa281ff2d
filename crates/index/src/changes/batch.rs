//! What one batch says, in bytes.
//!
//! A put is `1`, id, description as JSON, digest, vector, picture; a removal is `2` and an id. Texts and bytes come
//! behind their length (u32).

use crate::{Item, item::Description};

const PUT: u8 = 1;
const REMOVAL: u8 = 2;

/// A change of one picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Put(Put),
    Remove(Removal),
}

/// A picture that is added, or takes the place of one with the same id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Put {
    pub(crate) item: Item,
    pub(crate) sha256: [u8; 32],
    /// Of unit length.
    pub(crate) vector: Vec<f32>,
    /// Where its file lies in the log; empty if none is stored.
    pub(crate) picture: Span,
}

/// A picture that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) id: String,
}

/// Some bytes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// Adds a put to a batch.
pub(crate) fn write_put(out: &mut Vec<u8>, item: &Item, sha256: &[u8; 32], vector: &[f32], picture: &[u8]) {
    out.push(PUT);
    write_bytes(out, item.id.as_bytes());
    let description = Description {
        caption: item.caption.as_str().into(),
        group: item.group.as_str().into(),
        media_type: item.media_type.as_str().into(),
        url: item.url.as_str().into(),
        metadata: item.metadata.clone(),
    };
    // Strings and finite numbers always become JSON.
    write_bytes(out, &serde_json::to_vec(&description).unwrap_or_default());
    out.extend_from_slice(sha256);
    out.extend_from_slice(bytemuck::cast_slice(vector));
    write_bytes(out, picture);
}

/// Adds a removal to a batch.
pub(crate) fn write_removal(out: &mut Vec<u8>, id: &str) {
    out.push(REMOVAL);
    write_bytes(out, id.as_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A batch is bounded far below what a u32 counts.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads a batch whose content lies at `start` of its file. `None` if it is none, whatever its checksum says.
pub(crate) fn read(content: &[u8], start: u64, dim: usize) -> Option<Vec<Change>> {
    let mut reader = Reader { content, at: 0 };
    let mut changes = Vec::new();
    while reader.at < content.len() {
        changes.push(match reader.take(1)? {
            [PUT] => Change::Put(put(&mut reader, start, dim)?),
            [REMOVAL] => Change::Remove(Removal { id: reader.text()? }),
            _ => return None,
        });
    }
    Some(changes)
}

fn put(reader: &mut Reader<'_>, start: u64, dim: usize) -> Option<Put> {
    let id = reader.text()?;
    let json = reader.bytes()?;
    let description: Description<'_> = serde_json::from_slice(json).ok()?;
    let item = Item {
        id,
        caption: description.caption.into_owned(),
        group: description.group.into_owned(),
        media_type: description.media_type.into_owned(),
        url: description.url.into_owned(),
        metadata: description.metadata,
    };
    let sha256 = reader.take(32)?.try_into().ok()?;
    let values = reader.take(dim.checked_mul(4)?)?.chunks_exact(4);
    let vector: Vec<f32> = values.filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes)).collect();
    if vector.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let picture = reader.bytes()?.len();
    let picture = Span { start: start + (reader.at - picture) as u64, length: picture as u64 };
    Some(Put { item, sha256, vector, picture })
}

struct Reader<'a> {
    content: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let bytes = self.content.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }
}
