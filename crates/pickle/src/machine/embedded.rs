//! Tensors of a plain pickle: `pickle.dump`, unlike `torch.save`, wraps each storage in bytes of torch's old format.
//!
//! Those bytes are five small pickles and the numbers, always the same but for type, key, device and length; so they
//! are compared with what torch writes, and no pickle in them is run.
//!
//! Source: `torch/storage.py` (`TypedStorage.__reduce__`), `torch/serialization.py` (`_legacy_save`).

use crate::{
    cursor::Cursor,
    dtype::Dtype,
    error::{Flaw, Step},
    node::{Id, Node, Span},
};

use super::Machine;

/// The magic number, the format's version and the beginning of what is told of the machine, as three pickles.
const HEAD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\
    \x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\x0d\x00\x00\x00little_endianq\x02";
const TRUE: u8 = 0x88;
const FALSE: u8 = 0x89;
/// The rest of that, and the beginning of the storage's persistent id.
const SIZES: &[u8] = b"X\x0a\x00\x00\x00type_sizesq\x03}q\x04(X\x05\x00\x00\x00shortq\x05K\x02\
    X\x03\x00\x00\x00intq\x06K\x04X\x04\x00\x00\x00longq\x07K\x04uu.\
    \x80\x02(X\x07\x00\x00\x00storageq\x00ctorch\n";
const KEY: &[u8] = b"q\x01X";
const DEVICE: &[u8] = b"q\x02X";
const COUNT: &[u8] = b"q\x03";
/// The end of the persistent id, and a list of all keys, of which there is one.
const KEYS: &[u8] = b"Ntq\x04Q.\x80\x02]q\x00X";
const END: &[u8] = b"q\x01a.";
/// Bytes of a key, a device or a class at most, so that one storage that is named again and again costs little.
const LONGEST: u64 = 64;

impl Machine<'_> {
    /// `_load_from_bytes(data)`: a storage.
    pub(super) fn embedded(&mut self, data: Id) -> Step<()> {
        let Node::Bytes(span) = self.arena.node(data) else { return Err(Flaw::Embedded.into()) };
        let (dtype, numbers) = storage(self.arena.bytes(self.file, span))?;
        let start = span.start + numbers.start;
        self.make(Node::Storage { dtype, span: Span { start, ..numbers } })
    }
}

/// The type of the numbers, and where they are.
fn storage(bytes: &[u8]) -> Step<(Dtype, Span)> {
    let mut cursor = Cursor::new(bytes, 0);
    skip(&mut cursor, HEAD)?;
    match cursor.u8()? {
        TRUE => {}
        FALSE => return Err(Flaw::BigEndian.into()),
        _ => return Err(Flaw::Embedded.into()),
    }
    skip(&mut cursor, SIZES)?;
    let class = class(&mut cursor)?;
    let dtype = Dtype::of_storage(cursor.slice(class)).ok_or(Flaw::Embedded)?;
    skip(&mut cursor, KEY)?;
    let key = text(&mut cursor)?;
    skip(&mut cursor, DEVICE)?;
    text(&mut cursor)?;
    skip(&mut cursor, COUNT)?;
    let n = match cursor.u8()? {
        b'K' => cursor.u8()?.into(),
        b'M' => cursor.u16()?.into(),
        b'J' => u64::try_from(cursor.i32()?).map_err(|_| Flaw::Shape)?,
        _ => return Err(Flaw::Embedded.into()), // more than 8 GiB of numbers in one pickled value
    };
    skip(&mut cursor, KEYS)?;
    let again = text(&mut cursor)?;
    skip(&mut cursor, END)?;
    if cursor.slice(key) != cursor.slice(again) || cursor.u64()? != n {
        return Err(Flaw::Embedded.into());
    }
    let needed = n * dtype.size() as u64; // n has 31 bits
    if needed != cursor.left() {
        return Err(Flaw::Storage { needed, got: cursor.left() }.into());
    }
    Ok((dtype, cursor.span(needed)?))
}

/// Passes over what torch always writes.
fn skip(cursor: &mut Cursor<'_>, fixed: &[u8]) -> Step<()> {
    let span = cursor.span(fixed.len() as u64)?;
    if cursor.slice(span) == fixed { Ok(()) } else { Err(Flaw::Embedded.into()) }
}

/// A key or a device, after its length.
fn text(cursor: &mut Cursor<'_>) -> Step<Span> {
    match cursor.u32()? {
        len if u64::from(len) <= LONGEST => cursor.span(len.into()),
        _ => Err(Flaw::Embedded.into()),
    }
}

/// The name of a storage class, which ends the line.
fn class(cursor: &mut Cursor<'_>) -> Step<Span> {
    let near = cursor.span(cursor.left().min(LONGEST))?;
    let len = cursor.slice(near).iter().position(|&byte| byte == b'\n').ok_or(Flaw::Embedded)?;
    cursor.rewind(near.len - len as u64 - 1);
    Ok(Span { len: len as u64, ..near })
}
