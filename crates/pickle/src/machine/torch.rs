//! Torch's tensors: views into storages, which are entries of the zip.
//!
//! Source: `torch/_utils.py` (`_rebuild_tensor_v2`, `_rebuild_parameter`), `torch/serialization.py` (persistent ids).

use crate::{
    error::{Flaw, Step, shown},
    global::Global,
    node::{Id, Node, Span},
};

use super::{Machine, call::product};

impl Machine<'_> {
    /// `('storage', class, key, device, n)`.
    pub(super) fn persistent(&mut self) -> Step<()> {
        /// Torch counts storages, so a key is a short number.
        const LONGEST_KEY: usize = 64;
        let wrong = || Flaw::Call("persistent id");
        let id = self.pop()?;
        let storages = self.storages.ok_or(Flaw::Unsupported("BINPERSID"))?;
        let Some(&[tag, class, key, _device, n]) = self.arena.items(id) else { return Err(wrong().into()) };
        if self.plain(tag) != Some(b"storage") {
            return Err(wrong().into());
        }
        let Node::Global(Global::Storage(dtype)) = self.arena.node(class) else { return Err(wrong().into()) };
        let key = self.plain(key).ok_or_else(wrong)?;
        let short = Some(key).filter(|key| key.len() <= LONGEST_KEY);
        let entry = short.and_then(|key| storages.get(key)).ok_or_else(|| Flaw::NoStorage(shown(key)))?;
        let n = self.natural(n).ok_or(Flaw::Shape)?;
        let needed = n.checked_mul(dtype.size() as u64).ok_or(Flaw::Shape)?;
        if needed > entry.len {
            return Err(Flaw::Storage { needed, got: entry.len }.into());
        }
        self.make(Node::Storage { dtype, span: Span { start: entry.start, len: needed } })
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks[, metadata])`, of which the first four count.
    pub(super) fn tensor(&mut self, args: Id) -> Step<()> {
        let Some(&[storage, offset, shape, strides, ..]) = self.arena.items(args) else {
            return Err(Flaw::Call(Global::RebuildTensor.name()).into());
        };
        let Node::Storage { dtype, span } = self.arena.node(storage) else {
            return Err(Flaw::Type { wanted: "a storage", found: self.arena.node(storage).kind() }.into());
        };
        let end = self.end(offset, shape, strides)?;
        if end > span.len / dtype.size() as u64 {
            return Err(Flaw::Bounds.into());
        }
        self.make(Node::Tensor(args))
    }

    /// One more than the place of a tensor's last element.
    fn end(&self, offset: Id, shape: Id, strides: Id) -> Step<u64> {
        let offset = self.natural(offset).ok_or(Flaw::Shape)?;
        let (shape, strides) = (self.dims(shape)?, self.dims(strides)?);
        if shape.clone().count() != strides.clone().count() {
            return Err(Flaw::Shape.into());
        }
        if product(shape.clone())? == 0 {
            return Ok(offset);
        }
        let last = shape.zip(strides).try_fold(offset, |sum, (dim, stride)| {
            (dim - 1).checked_mul(stride).and_then(|step| sum.checked_add(step))
        });
        last.and_then(|last| last.checked_add(1)).ok_or_else(|| Flaw::Shape.into())
    }

    /// A parameter is its tensor.
    pub(super) fn parameter(&mut self, tensor: Id) -> Step<()> {
        match self.arena.node(tensor) {
            Node::Tensor(_) => self.put(tensor),
            other => Err(Flaw::Type { wanted: "a tensor", found: other.kind() }.into()),
        }
    }
}
