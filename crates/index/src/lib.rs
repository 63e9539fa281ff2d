//! The store of pictures: immutable generations on disk, exact nearest neighbours, a builder, a root that names the
//! active one. Pure and synchronous: files and arithmetic, no network, no tensors.
//!
//! ```text
//! ROOT/ACTIVE                      id of the active generation
//! ROOT/changes/ID.log              what changed since: see `changes.rs`
//! ROOT/generations/ID/             immutable; appears whole, by a rename
//!   manifest.json                  format, rows, dim, the model's fingerprints, length and SHA-256 of each file
//!   vectors.f32                    rows × dim, unit length, little-endian; or vectors.f16, in half the bytes; or,
//!   vectors.i8, scales.f32         beside it, to search by: a quarter of the bytes, one scale a row
//!   digests.bin                    32 bytes a row: SHA-256 of the picture file, or of its URL alone
//!   order.u32                      rows in the order of their ids, for finding an id
//!   column-N.u64                   values of a metadata field, one a row, for filters
//!   graph.*                        for approximate search, in large indexes
//!   ids, items, pictures           each FILE.blob (all values joined) and FILE.u64 (rows + 1 offsets)
//! ```

pub mod bitmap;
pub mod columns;
pub mod error;
pub mod filter;
pub mod item;
pub mod metadata;
pub mod rows;
pub mod scan;

pub mod live;
pub mod search;

mod changes;

pub mod builder;
pub mod generation;
pub mod graph;
pub mod root;

mod manifest;

pub use bitmap::Bitmap;
pub use builder::{Builder, Finished, Laid, NewItem};
pub use error::IndexError;
pub use filter::{Condition, Filter, Test};
pub use generation::{Exclusions, Generation, Hit, Query};
pub use graph::Graph;
pub use item::Item;
pub use live::{Index, Place, View};
pub use manifest::GraphFacts;
pub use metadata::{Metadata, Value};
pub use root::Root;
pub use rows::{Precision, Rows};
pub use scan::Scanner;
pub use search::{How, Searcher};

// The files are little-endian and are read in place.
const _: () =
    assert!(cfg!(target_endian = "little"), "an index is read in place on little-endian machines only");
