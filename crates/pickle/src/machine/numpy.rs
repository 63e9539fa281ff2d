//! NumPy's arrays, dtypes and scalars.
//!
//! Source: `ndarray.__reduce__`, `ndarray.__setstate__`, `dtype.__setstate__`, `numpy._core.numeric._frombuffer`.

use crate::{
    dtype::Dtype,
    error::{Flaw, Step, shown},
    global::Global,
    node::{Id, Node},
};

use super::{Machine, call::product};

impl Machine<'_> {
    /// `dtype(code, align, copy)`.
    pub(super) fn dtype(&mut self, code: Id) -> Step<()> {
        let bytes = self.plain(code).ok_or(Flaw::Call(Global::Dtype.name()))?;
        let bare = match bytes {
            [b'>', ..] => return Err(Flaw::BigEndian.into()),
            [b'<' | b'|', bare @ ..] => bare,
            bare => bare,
        };
        let dtype = std::str::from_utf8(bare).ok().and_then(Dtype::of_numpy);
        let dtype = dtype.ok_or_else(|| Flaw::Dtype(shown(bytes)))?;
        self.make(Node::Dtype(dtype))
    }

    /// A dtype's state: `(version, order, …)`.
    pub(super) fn order(&mut self, state: Id) -> Step<()> {
        let order = match self.arena.items(state) {
            Some(&[_, order, ..]) => self.plain(order),
            _ => None,
        };
        match order {
            Some(b"<" | b"|") => Ok(()),
            Some(b">") => Err(Flaw::BigEndian.into()),
            _ => Err(Flaw::Call(Global::Dtype.name()).into()),
        }
    }

    /// `_reconstruct(ndarray, (0,), b'b')`: an array whose state comes later.
    pub(super) fn blank(&mut self, class: Id) -> Step<()> {
        match self.arena.node(class) {
            Node::Global(Global::Ndarray) => self.make(Node::Blank),
            _ => Err(Flaw::Call(Global::Reconstruct.name()).into()),
        }
    }

    /// An array's state: `(version, shape, dtype, is Fortran, data)`.
    pub(super) fn array(&mut self, blank: Id, state: Id) -> Step<()> {
        let Some(&[_, shape, dtype, fortran, data]) = self.arena.items(state) else {
            return Err(Flaw::Call("ndarray.__setstate__").into());
        };
        let fortran = match self.arena.node(fortran) {
            Node::Bool(fortran) => fortran,
            Node::Int(number) => number != 0, // Python 2's
            _ => return Err(Flaw::Call("ndarray.__setstate__").into()),
        };
        self.arena.nodes[blank.index()] = self.checked(shape, data, dtype, fortran)?;
        Ok(())
    }

    /// `_frombuffer(data, dtype, shape, order)`, protocol 5.
    pub(super) fn buffer(&mut self, data: Id, dtype: Id, shape: Id, order: Id) -> Step<()> {
        let fortran = match self.plain(order) {
            Some(b"C") => false,
            Some(b"F") => true,
            _ => return Err(Flaw::Call(Global::FromBuffer.name()).into()),
        };
        let array = self.checked(shape, data, dtype, fortran)?;
        self.make(array)
    }

    fn checked(&self, shape: Id, data: Id, dtype: Id, fortran: bool) -> Step<Node> {
        let Node::Dtype(dtype) = self.arena.node(dtype) else {
            return Err(Flaw::Type { wanted: "a dtype", found: self.arena.node(dtype).kind() }.into());
        };
        let got = match self.arena.node(data) {
            Node::Bytes(span) | Node::Native(span) => span.len,
            Node::Latin { chars, .. } => chars.into(),
            other => return Err(Flaw::Type { wanted: "an array's data", found: other.kind() }.into()),
        };
        let needed = product(self.dims(shape)?)?.checked_mul(dtype.size() as u64).ok_or(Flaw::Shape)?;
        if needed != got {
            return Err(Flaw::Data { needed, got }.into());
        }
        Ok(Node::Array { shape, data, dtype, fortran })
    }

    /// `scalar(dtype, data)`: becomes a plain number.
    pub(super) fn scalar(&mut self, dtype: Id, data: Id) -> Step<()> {
        let Node::Array { data, dtype, .. } = self.checked(Id::EMPTY_TUPLE, data, dtype, false)? else {
            return Err(Flaw::Call(Global::Scalar.name()).into());
        };
        let bytes = match self.arena.node(data) {
            Node::Bytes(span) | Node::Native(span) => self.arena.bytes(self.file, span).into(),
            Node::Latin { span, .. } => crate::view::unlatin(self.arena.bytes(self.file, span)),
            other => return Err(Flaw::Type { wanted: "a number's data", found: other.kind() }.into()),
        };
        match crate::view::scalar::read(dtype, &bytes).ok_or(Flaw::Number)? {
            Node::Int(value) => {
                let id = self.arena.int(value)?;
                self.put(id)
            }
            node => self.make(node),
        }
    }
}
