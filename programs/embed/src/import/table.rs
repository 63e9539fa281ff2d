//! What a file of embeddings holds: `paths` and `embeddings`, found to fit together before any row is used.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use fondue_pickle::{Archive, Dtype, Items, Kind, View};

use super::matrix::{Matrix, NoMatrix};

/// A file that is a pickle, but none of embeddings.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}; expected a dict of `paths`, a list of URLs, and `embeddings`, as many rows", path.display())]
pub struct TableError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: TableFault,
}

/// What is wrong with a file of embeddings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// The whole is no dict.
    #[error("it is {0}")]
    Root(Kind),
    /// A key is missing.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// `paths` is no list.
    #[error("`paths` is {0}")]
    Paths(Kind),
    /// A path is no text.
    #[error("`paths[{row}]` is {found}")]
    Path {
        /// Which.
        row: usize,
        /// What it is.
        found: Kind,
    },
    /// The embeddings are neither numbers nor a list of them.
    #[error("`{what}` is {found}")]
    Embeddings {
        /// `embeddings`, or an item of it.
        what: String,
        /// What it is.
        found: Kind,
    },
    /// Numbers of other dimensions.
    #[error("`{what}` has the shape {shape:?}")]
    Shape {
        /// `embeddings`, or an item of it.
        what: String,
        /// Its dimensions.
        shape: Vec<usize>,
    },
    /// Numbers that are no floats.
    #[error("`{what}` is of type {dtype:?}")]
    Dtype {
        /// `embeddings`, or an item of it.
        what: String,
        /// Its type.
        dtype: Dtype,
    },
    /// Rows of different lengths.
    #[error("`{what}` has rows of {got} values, those before have {expected}")]
    Dim {
        /// An item of `embeddings`.
        what: String,
        /// Length of its rows.
        got: usize,
        /// Length of those before.
        expected: usize,
    },
    /// Different numbers of URLs and rows.
    #[error("{n_paths} `paths`, but {n_rows} rows in `embeddings`")]
    Lengths {
        /// URLs.
        n_paths: usize,
        /// Rows; the largest number if they are more.
        n_rows: usize,
    },
}

/// What a file was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The file.
    pub path: PathBuf,
    /// URLs, and as many rows.
    pub n_rows: usize,
    /// Length of the rows, if there are any.
    pub dim: Option<usize>,
    /// Types of the numbers, each once, in the order of their appearance.
    pub dtypes: Vec<Dtype>,
    /// Arrays or tensors that the rows lie in.
    pub n_parts: usize,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtypes: Vec<_> = self.dtypes.iter().map(|dtype| format!("{dtype:?}").to_lowercase()).collect();
        write!(f, "{}: {} rows", self.path.display(), self.n_rows)?;
        if let Some(dim) = self.dim {
            let parts = if self.n_parts == 1 { "one array" } else { "a list of arrays" };
            write!(f, " of {dim} values, {}, {parts}", dtypes.join(" and "))?;
        }
        Ok(())
    }
}

/// A file of embeddings.
pub(super) struct Table<'a> {
    pub(super) archive: &'a Archive,
    pub(super) paths: Items<'a>,
    embeddings: Embeddings<'a>,
    facts: Facts,
}

/// The rows, in one piece or in several.
#[derive(Clone, Copy)]
enum Embeddings<'a> {
    Whole(View<'a>),
    List(Items<'a>),
}

impl<'a> Table<'a> {
    /// Checks everything but the values of the numbers and what the URLs say. Reads no number.
    ///
    /// # Errors
    /// [`TableError`].
    pub(super) fn read(archive: &'a Archive) -> Result<Self, TableError> {
        Self::of(archive).map_err(|fault| TableError { path: archive.path().to_owned(), fault })
    }

    fn of(archive: &'a Archive) -> Result<Self, TableFault> {
        let root = archive.root();
        let dict = root.as_dict().ok_or(TableFault::Root(root.kind()))?;
        let get = |key: &'static str| dict.get(key).ok_or(TableFault::Missing(key));
        let (paths, embeddings) = (get("paths")?, get("embeddings")?);
        let paths = paths.as_list().or(paths.as_tuple()).ok_or(TableFault::Paths(paths.kind()))?;
        let other = |path: &View<'_>| path.kind() != Kind::Text;
        if let Some((row, path)) = paths.iter().enumerate().find(|(_, path)| other(path)) {
            return Err(TableFault::Path { row, found: path.kind() });
        }
        let embeddings = match embeddings.as_list().or(embeddings.as_tuple()) {
            Some(items) => Embeddings::List(items),
            None => Embeddings::Whole(embeddings),
        };
        let facts = Facts::of(archive.path(), embeddings)?;
        if facts.n_rows != paths.len() {
            return Err(TableFault::Lengths { n_paths: paths.len(), n_rows: facts.n_rows });
        }
        Ok(Self { archive, paths, embeddings, facts })
    }

    pub(super) fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// The parts that the rows lie in, in order; parts that [`Table::read`] has not found good there are none of.
    pub(super) fn parts(&self) -> impl Iterator<Item = Matrix<'a>> {
        self.embeddings.parts().filter_map(|(_, view)| Matrix::of(view).ok())
    }
}

impl<'a> Embeddings<'a> {
    /// With its place in the list, if there is one.
    fn parts(self) -> impl Iterator<Item = (Option<usize>, View<'a>)> {
        let (whole, list) = match self {
            Self::Whole(view) => (Some(view), None),
            Self::List(items) => (None, Some(items)),
        };
        let items = list.into_iter().flat_map(|items| items.iter().enumerate());
        whole.map(|view| (None, view)).into_iter().chain(items.map(|(place, view)| (Some(place), view)))
    }
}

impl Facts {
    fn of(path: &Path, embeddings: Embeddings<'_>) -> Result<Self, TableFault> {
        let mut facts = Self { path: path.to_owned(), n_rows: 0, dim: None, dtypes: Vec::new(), n_parts: 0 };
        for (place, view) in embeddings.parts() {
            let what =
                || place.map_or_else(|| "embeddings".to_owned(), |place| format!("embeddings[{place}]"));
            let matrix = Matrix::of(view).map_err(|no| match no {
                NoMatrix::Kind => TableFault::Embeddings { what: what(), found: view.kind() },
                NoMatrix::Shape(shape) => TableFault::Shape { what: what(), shape },
                NoMatrix::Dtype(dtype) => TableFault::Dtype { what: what(), dtype },
            })?;
            let (got, expected) = (matrix.n_columns, facts.dim.unwrap_or(matrix.n_columns));
            if got != expected {
                return Err(TableFault::Dim { what: what(), got, expected });
            }
            // A tensor may claim any number of rows; one that is not that of the URLs is refused.
            facts.n_rows = facts.n_rows.saturating_add(matrix.n_rows);
            facts.dim = Some(got);
            facts.n_parts += 1;
            if !facts.dtypes.contains(&matrix.dtype) {
                facts.dtypes.push(matrix.dtype);
            }
        }
        Ok(facts)
    }
}
