//! What an object is, in 24 bytes: objects hold indices of others, and spans of the file instead of data.

use crate::{dtype::Dtype, global::Global, view::Kind};

/// Index of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u32);

impl Id {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TRUE: Self = Self(1);
    pub(crate) const FALSE: Self = Self(2);
    pub(crate) const EMPTY_TUPLE: Self = Self(3);

    /// As an index.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Bytes of the file; those that start beyond its end lie in the arena's own pool (texts that had escapes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// Neighbouring slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// Slots of a container that still grows: linked segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) len: u32,
}

/// `latin` of a text that is not Latin-1 throughout.
pub(crate) const NOT_LATIN: u32 = u32::MAX;

/// An object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits.
    Big,
    Float(f64),
    /// UTF-8; `latin` counts its characters if all are Latin-1.
    Text {
        latin: u32,
        span: Span,
    },
    /// Python 2's `str`: bytes that are mostly text.
    Native(Span),
    Bytes(Span),
    /// Bytes written as a text of as many Latin-1 characters.
    Latin {
        chars: u32,
        span: Span,
    },
    Tuple(Run),
    /// A list while the pickle is read.
    OpenList(Chain),
    /// A dict while the pickle is read; keys and values by turns.
    OpenDict(Chain),
    List(Run),
    /// As many pairs of key and value as `pairs.len`, from slot `pairs.start`; `index` is where they are sorted.
    Dict {
        pairs: Run,
        index: u32,
    },
    Global(Global),
    Dtype(Dtype),
    /// An array without its state.
    Blank,
    Array {
        shape: Id,
        data: Id,
        dtype: Dtype,
        fortran: bool,
    },
    Storage {
        dtype: Dtype,
        span: Span,
    },
    /// The arguments of `_rebuild_tensor_v2`, checked.
    Tensor(Id),
}

const _: () = assert!(size_of::<Node>() == 24);

impl Node {
    /// What a caller may call it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Big => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Text { .. } | Self::Native(_) => Kind::Text,
            Self::Bytes(_) | Self::Latin { .. } => Kind::Bytes,
            Self::Tuple(_) => Kind::Tuple,
            Self::OpenList(_) | Self::List(_) => Kind::List,
            Self::OpenDict(_) | Self::Dict { .. } => Kind::Dict,
            Self::Array { .. } => Kind::Array,
            Self::Tensor(_) => Kind::Tensor,
            Self::Global(_) | Self::Dtype(_) | Self::Blank | Self::Storage { .. } => Kind::Other,
        }
    }
}
