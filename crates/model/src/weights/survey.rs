//! What a look at a model's files found, without reading the tensors.

use std::{collections::BTreeSet, fmt, ops::Range};

use super::stored::{ModelFile, Stored, StoredDtype, elements};
use crate::ModelError;

/// The outcome of a look.
#[derive(Debug, Default)]
pub struct Survey {
    /// The files that were opened.
    pub files: Vec<ModelFile>,
    /// Files that should be there and could not be opened; their tensors are among the missing.
    pub unopened: Vec<ModelError>,
    /// Tensors that the model has and the files hold as they should be, in the model's order.
    pub found: Vec<Found>,
    /// What the model has and the files do not hold as it should be, in the model's order.
    pub faults: Vec<TensorFault>,
    /// Tensors of the files that the model does not have, sorted.
    pub unexpected: Vec<Unexpected>,
}

/// A tensor of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The model's name for it, without the prefix that a file puts before it.
    pub name: String,
    /// The tensor that it is, or is a part of.
    pub stored: Stored,
    /// The rows that it is, if it is a part.
    pub rows: Option<Range<i64>>,
}

impl Found {
    /// Its dimensions.
    pub fn shape(&self) -> Vec<i64> {
        let mut shape = self.stored.shape.clone();
        if let (Some(rows), Some(first)) = (&self.rows, shape.first_mut()) {
            *first = rows.end - rows.start;
        }
        shape
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        elements(&self.shape())
    }
}

/// A tensor that is not as the model needs it. Names are the files'.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TensorFault {
    /// Not there.
    #[error("tensor `{name}` {} is missing", Shape(shape))]
    Missing {
        /// Its name.
        name: String,
        /// The shape that it should have.
        shape: Vec<i64>,
    },
    /// Of other dimensions.
    #[error("tensor `{name}` has shape {}, expected {}", Shape(got), Shape(expected))]
    WrongShape {
        /// Its name.
        name: String,
        /// Its dimensions.
        got: Vec<i64>,
        /// Those that it should have.
        expected: Vec<i64>,
    },
    /// Too few rows.
    #[error("tensor `{name}` has shape {}, expected {rows} rows or more", Shape(got))]
    TooFewRows {
        /// Its name.
        name: String,
        /// Its dimensions.
        got: Vec<i64>,
        /// Rows that are needed.
        rows: i64,
    },
    /// No floating point numbers.
    #[error("tensor `{name}` is stored as {dtype}; f32, f16, bf16 and f64 are read")]
    WrongDtype {
        /// Its name.
        name: String,
        /// Type of its elements.
        dtype: StoredDtype,
    },
    /// One value stands for several elements.
    #[error("tensor `{name}` has more elements than are stored for it; save it again with `.contiguous()`")]
    Expanded {
        /// Its name.
        name: String,
    },
}

/// A shape as people write it: `[2048, 512]`.
struct Shape<'a>(&'a [i64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A tensor that the model does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Unexpected {
    /// The tensor.
    pub stored: Stored,
    /// Why it is there all the same in good files; `None` if there is no known reason.
    pub known: Option<&'static str>,
}

impl Survey {
    pub(super) fn note(&mut self, found: Result<Found, TensorFault>) {
        match found {
            Ok(found) => self.found.push(found),
            Err(fault) => self.faults.push(fault),
        }
    }

    pub(super) fn complete(&mut self, all: impl Iterator<Item = Stored>, known: Known) {
        let wrong = self.faults.iter().map(TensorFault::name);
        let seen: BTreeSet<&str> =
            self.found.iter().map(|found| found.stored.name.as_str()).chain(wrong).collect();
        let rest = all.filter(|stored| !seen.contains(stored.name.as_str()));
        let mut rest: Vec<_> = rest.map(|stored| Unexpected { known: known(&stored.name), stored }).collect();
        rest.sort_by(|a, b| a.stored.name.cmp(&b.stored.name));
        self.unexpected = rest;
    }

    /// Elements of the tensors that were found.
    pub fn parameters(&self) -> u64 {
        self.found.iter().map(Found::elements).fold(0, u64::saturating_add)
    }

    /// Whether the model would load: all files were opened, all tensors found.
    pub fn is_complete(&self) -> bool {
        self.unopened.is_empty() && self.faults.is_empty()
    }

    /// A tensor that was found, by the model's name for it.
    pub fn get(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name == name)
    }
}

impl TensorFault {
    /// The tensor at fault.
    pub fn name(&self) -> &str {
        match self {
            Self::Missing { name, .. }
            | Self::WrongShape { name, .. }
            | Self::TooFewRows { name, .. }
            | Self::WrongDtype { name, .. }
            | Self::Expanded { name } => name,
        }
    }
}

/// Tells why a tensor, by its name in the files, may be there without being a part of the model.
pub type Known = fn(&str) -> Option<&'static str>;
