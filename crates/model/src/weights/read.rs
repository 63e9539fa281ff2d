//! From a file's bytes to tensors, in pieces: beside the result there is never a whole tensor in another precision.

use std::{borrow::Cow, ops::Range};

use tch::{Kind, Tensor};

use super::{Progress, Weights, source::Entry};
use crate::{ModelError, Placement};

/// Bytes of a tensor that are converted at once; a multiple of every element's size. Larger ones than glibc's 128 KiB
/// would, when they are freed, make it take large tensors from heaps too, where the aligned pieces between them leave
/// holes: measured on OPT-1.3B, 140 MB with pieces of 1 MiB.
const PIECE: usize = 64 << 10;
/// Bytes of a map that are read before their pages are given back.
const BLOCK: usize = 1 << 20;

impl Weights<'_> {
    /// A tensor, or some of its rows, converted and moved.
    pub(super) fn load(
        &self,
        entry: &Entry,
        rows: Option<&Range<i64>>,
        at: Placement,
    ) -> Result<Tensor, ModelError> {
        let mut shape = entry.shape.clone();
        if let (Some(rows), Some(first)) = (rows, shape.first_mut()) {
            *first = rows.end - rows.start;
        }
        let tensor = Tensor::f_empty(&shape, (at.dtype.kind(), at.device))?;
        self.fill(&tensor, entry, rows)?;
        Ok(tensor)
    }

    /// Writes a tensor's values, or those of some of its rows, into one of the same shape whose elements lie one after
    /// another.
    pub(super) fn fill(
        &self,
        tensor: &Tensor,
        entry: &Entry,
        rows: Option<&Range<i64>>,
    ) -> Result<(), ModelError> {
        let (flat, kind) = (tensor.f_view([-1])?, entry.dtype.kind().unwrap_or(Kind::Float));
        let mut start = 0;
        // In pieces, so that beside the result there is never a whole tensor in another precision.
        self.pieces(entry, rows, |piece| {
            let n = (piece.len() / kind.elt_size_in_bytes()) as i64;
            let values = Tensor::f_from_data_size(piece, &[n], kind)?;
            flat.f_narrow(0, start, n)?.f_copy_(&values)?;
            start += n;
            Ok(())
        })
    }

    /// A tensor's values as f32, row-major, in pieces.
    pub(super) fn each_f32(&self, entry: &Entry, mut each: impl FnMut(&[f32])) -> Result<(), ModelError> {
        let kind = entry.dtype.kind().unwrap_or(Kind::Float);
        let mut floats = Vec::new();
        self.pieces(entry, None, |piece| {
            let n = piece.len() / kind.elt_size_in_bytes();
            floats.resize(n, 0.0);
            let values = Tensor::f_from_data_size(piece, &[n as i64], kind)?.f_to_kind(Kind::Float)?;
            values.f_copy_data(&mut floats, n)?;
            each(&floats);
            Ok(())
        })
    }

    /// A tensor's bytes, or those of some of its rows, in pieces.
    pub(super) fn pieces<E: From<ModelError>>(
        &self,
        entry: &Entry,
        rows: Option<&Range<i64>>,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (_, source) = &self.files[entry.file];
        let bytes = self.bytes(entry, rows)?;
        for block in bytes.chunks(BLOCK) {
            block.chunks(PIECE).try_for_each(&mut each)?;
            if matches!(bytes, Cow::Borrowed(_)) {
                source.release(entry, block);
            }
        }
        // Blocks share pages at their ends.
        source.release(entry, &bytes);
        self.read.set(self.read.get() + bytes.len() as u64);
        (self.watch)(Progress { read: self.read.get(), total: self.total });
        Ok(())
    }

    fn bytes(&self, entry: &Entry, rows: Option<&Range<i64>>) -> Result<Cow<'_, [u8]>, ModelError> {
        let (file, source) = &self.files[entry.file];
        let all = source.bytes(&file.path, entry)?;
        let Some(rows) = rows else { return Ok(all) };
        let n = entry.shape.first().copied().unwrap_or_default().max(1) as usize;
        let row = all.len() / n;
        let (start, end) = (rows.start as usize * row, rows.end as usize * row);
        let part = match all {
            Cow::Borrowed(all) => all.get(start..end).map(Cow::Borrowed),
            Cow::Owned(all) => all.get(start..end).map(|part| Cow::Owned(part.to_vec())),
        };
        part.ok_or_else(|| {
            ModelError::content(&file.path, format!("a tensor has {n} rows, not {}", rows.end))
        })
    }
}
