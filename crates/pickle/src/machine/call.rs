//! REDUCE and BUILD: what a pickle would have called. The known functions' arguments are read as data.

use crate::{
    error::{Flaw, Step},
    global::Global,
    node::{Id, NOT_LATIN, Node, Span},
};

use super::{Machine, NOTHING};

impl Machine<'_> {
    pub(super) fn reduce(&mut self) -> Step<()> {
        let (args, callee) = (self.pop()?, self.pop()?);
        let Node::Global(global) = self.arena.node(callee) else {
            let found = self.arena.node(callee).kind();
            return Err(Flaw::Type { wanted: "something to call", found }.into());
        };
        let Node::Tuple(run) = self.arena.node(args) else {
            let found = self.arena.node(args).kind();
            return Err(Flaw::Type { wanted: "a tuple of arguments", found }.into());
        };
        match (global, self.arena.run(run)) {
            (Global::OrderedDict, []) => self.make(Node::OpenDict(NOTHING)),
            (Global::Bytes, []) => self.make(Node::Bytes(Span { start: 0, len: 0 })),
            (Global::Encode, &[text, codec]) => self.encode(text, codec),
            (Global::Dtype, &[code, ..]) => self.dtype(code),
            (Global::Reconstruct, &[class, _, _]) => self.blank(class),
            (Global::FromBuffer, &[data, dtype, shape, order]) => self.buffer(data, dtype, shape, order),
            (Global::Scalar, &[dtype, data]) => self.scalar(dtype, data),
            (Global::RebuildTensor, items) if items.len() == 6 || items.len() == 7 => self.tensor(args),
            (Global::LoadFromBytes, &[data]) => self.embedded(data),
            (Global::RebuildParameter, &[tensor, _, _]) => self.parameter(tensor),
            _ => Err(Flaw::Call(global.name()).into()),
        }
    }

    pub(super) fn build(&mut self) -> Step<()> {
        let (state, object) = (self.pop()?, self.top()?);
        match self.arena.node(object) {
            // Attributes of an OrderedDict; torch keeps modules' versions there, which say nothing about tensors.
            Node::OpenDict(_) => match self.arena.node(state) {
                Node::OpenDict(_) => Ok(()),
                other => Err(Flaw::Type { wanted: "a dict of attributes", found: other.kind() }.into()),
            },
            Node::Dtype(_) => self.order(state),
            Node::Blank => self.array(object, state),
            other => Err(Flaw::Type { wanted: "an array, a dtype or a dict", found: other.kind() }.into()),
        }
    }

    /// Protocols 0 to 2 write bytes as a text, to be encoded as Latin-1. That is left for when they are asked for,
    /// or a few bytes of pickle could ask for many copies of a long text.
    fn encode(&mut self, text: Id, codec: Id) -> Step<()> {
        match (self.arena.node(text), self.plain(codec)) {
            (Node::Text { latin, span }, Some(b"latin1" | b"latin-1")) if latin != NOT_LATIN => {
                let ascii = u64::from(latin) == span.len;
                self.make(if ascii { Node::Bytes(span) } else { Node::Latin { chars: latin, span } })
            }
            _ => Err(Flaw::Call(Global::Encode.name()).into()),
        }
    }

    /// The bytes of a short text: a codec, a dtype's code, an order.
    pub(super) fn plain(&self, text: Id) -> Option<&[u8]> {
        match self.arena.node(text) {
            Node::Text { span, .. } | Node::Native(span) => Some(self.arena.bytes(self.file, span)),
            _ => None,
        }
    }

    /// A shape or strides: not negative, not more than NumPy's and torch's most dimensions.
    pub(super) fn dims(&self, tuple: Id) -> Step<impl Iterator<Item = u64> + Clone> {
        const MAX_DIMS: usize = 64;
        let Node::Tuple(run) = self.arena.node(tuple) else {
            return Err(Flaw::Type { wanted: "a shape", found: self.arena.node(tuple).kind() }.into());
        };
        let items = self.arena.run(run);
        if items.len() > MAX_DIMS || !items.iter().all(|&id| self.natural(id).is_some()) {
            return Err(Flaw::Shape.into());
        }
        Ok(items.iter().filter_map(|&id| self.natural(id)))
    }

    pub(super) fn natural(&self, id: Id) -> Option<u64> {
        match self.arena.node(id) {
            Node::Int(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }
}

/// Elements of a shape.
pub(super) fn product(mut dims: impl Iterator<Item = u64> + Clone) -> Step<u64> {
    // A zero makes it zero, however large the others are.
    if dims.clone().any(|dim| dim == 0) {
        return Ok(0);
    }
    dims.try_fold(1, u64::checked_mul).ok_or_else(|| Flaw::Shape.into())
}
