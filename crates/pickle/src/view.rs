//! Values as a caller sees them: small handles into an archive.

use std::{borrow::Cow, fmt};

use crate::{
    Archive,
    node::{Id, Node, Run},
};

pub(crate) mod array;
pub(crate) mod dict;
pub(crate) mod items;
pub(crate) mod scalar;
pub(crate) mod tensor;

use array::ArrayView;
use dict::{DictView, Key};
use items::Items;
use tensor::TensorView;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    None,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    List,
    Tuple,
    Dict,
    Tensor,
    Array,
    /// Something that helps to build others, such as a dtype.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::Text => "a text",
            Self::Bytes => "bytes",
            Self::List => "a list",
            Self::Tuple => "a tuple",
            Self::Dict => "a dict",
            Self::Tensor => "a tensor",
            Self::Array => "an array",
            Self::Other => "an object without a value",
        })
    }
}

/// A value of an archive. Its accessors give `None` for values of another kind.
#[derive(Clone, Copy)]
pub struct View<'a> {
    archive: &'a Archive,
    id: Id,
}

/// The kind alone: the value below it may be reached in more ways than can be printed.
impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.kind())
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(archive: &'a Archive, id: Id) -> Self {
        Self { archive, id }
    }

    fn node(&self) -> Node {
        self.archive.arena.node(self.id)
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.node().kind()
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An integer of at most 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.node() {
            Node::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A float, or the nearest one to an integer.
    pub fn as_f64(&self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(value),
            Node::Int(value) => Some(value as f64),
            _ => None,
        }
    }

    /// A text. Python 2's `str` is one if it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        match self.node() {
            Node::Text { span, .. } | Node::Native(span) => {
                std::str::from_utf8(self.archive.bytes(span)).ok()
            }
            _ => None,
        }
    }

    /// Bytes; those of protocols 0 to 2 are decoded on each call, all others lie in the file.
    pub fn as_bytes(&self) -> Option<Cow<'a, [u8]>> {
        match self.node() {
            Node::Bytes(span) | Node::Native(span) => Some(Cow::Borrowed(self.archive.bytes(span))),
            Node::Latin { span, .. } => Some(unlatin(self.archive.bytes(span))),
            _ => None,
        }
    }

    /// A list's items.
    pub fn as_list(&self) -> Option<Items<'a>> {
        match self.node() {
            Node::List(run) => Some(self.items(run)),
            _ => None,
        }
    }

    /// A tuple's items.
    pub fn as_tuple(&self) -> Option<Items<'a>> {
        match self.node() {
            Node::Tuple(run) => Some(self.items(run)),
            _ => None,
        }
    }

    fn items(&self, run: Run) -> Items<'a> {
        Items::new(self.archive, self.archive.arena.run(run))
    }

    /// A dict, ordered or not.
    pub fn as_dict(&self) -> Option<DictView<'a>> {
        match self.node() {
            Node::Dict { pairs, index } => Some(DictView::new(self.archive, pairs, index)),
            _ => None,
        }
    }

    /// The value of a dict's key; `None` also if this is no dict.
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<View<'a>> {
        self.as_dict()?.get(key)
    }

    /// A tensor, or a parameter's.
    pub fn as_tensor(&self) -> Option<TensorView<'a>> {
        match self.node() {
            Node::Tensor(args) => TensorView::new(self.archive, args),
            _ => None,
        }
    }

    /// A NumPy array.
    pub fn as_array(&self) -> Option<ArrayView<'a>> {
        match self.node() {
            Node::Array { shape, data, dtype, fortran } => Some(ArrayView {
                dtype,
                shape: dims(self.archive, shape)?,
                fortran,
                bytes: View::new(self.archive, data).as_bytes()?,
            }),
            _ => None,
        }
    }
}

/// A shape or strides; they were checked when the pickle was read.
fn dims(archive: &Archive, tuple: Id) -> Option<Vec<usize>> {
    let int = |&id| View::new(archive, id).as_i64().and_then(|dim| usize::try_from(dim).ok());
    archive.arena.items(tuple)?.iter().map(int).collect()
}

/// The bytes that a text of Latin-1 characters stands for.
pub(crate) fn unlatin(text: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_ascii() => Cow::Owned(text.chars().map(|c| c as u8).collect()),
        _ => Cow::Borrowed(text),
    }
}
