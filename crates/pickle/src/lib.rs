//! Reads the pickles that models and embeddings are published as, without ever running what they ask to run.
//! Touches mapped files. Never tensors of a framework, never the network, never code named in a file.
//!
//! Two forms are read, told apart by content: torch's zip checkpoints (tensors in stored entries beside a pickle)
//! and plain pickles of protocols 0 to 5 (strings and NumPy arrays in containers; from protocol 3 on also tensors).
//! What is not a number, a text, a list, a tuple, a dict, a tensor or an array ends in a [`PickleError`] that names
//! the file and the byte.
//!
//! # Guarantees, for any bytes
//! - No code of the file runs: the few globals in `global.rs` are known by name, all others are errors.
//! - No panic, and no native recursion, not even when dropped; no container contains itself, none is nested deeper
//!   than [`MAX_DEPTH`].
//! - Opening takes time linear in the file's size (times a logarithm for the keys of dicts), and at most 96 bytes
//!   of memory for each byte of pickle and of the zip's directory, plus one MiB. A file as published takes far
//!   less: 24 bytes for an object, 4 for each place where it is kept; texts and arrays stay where they are in the
//!   map, and tensors' data costs nothing.
//!
//! A value may be reached in many ways (that is what a memo is for), so a walk over *all* ways can take for ever;
//! ask for what you need by its path.
//!
//! Sources: Python's `pickletools.py` (opcodes), NumPy's `__reduce__` and `__setstate__` of arrays, PyTorch's
//! `torch/_utils.py` and `torch/serialization.py`, PKWARE's APPNOTE (zip).

mod archive;
mod arena;
mod cursor;
mod depth;
mod dtype;
mod error;
mod freeze;
mod global;
mod keys;
mod machine;
mod memo;
mod node;
mod opcode;
mod view;
mod zip;

pub use archive::{Archive, Form};
pub use depth::MAX_DEPTH;
pub use dtype::Dtype;
pub use error::{Flaw, Foreign, PickleError, ZipFlaw};
pub use view::{
    Kind, View,
    array::ArrayView,
    dict::{DictView, Key},
    items::Items,
    tensor::TensorView,
};
