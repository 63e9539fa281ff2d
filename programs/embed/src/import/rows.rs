//! The rows of a table, into the index.

use anyhow::{Context, Result};
use fondue_domain::{Embedding, EmbeddingError};
use fondue_index::{Builder, IndexError, Item, NewItem};
use fondue_terminal::interrupt::Interrupt;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::{
    npy::NpyFile,
    report::{LeftOut, Reason},
    table::Table,
};

/// Bytes of numbers after which the file's pages are given back: they count as this process's memory.
const RELEASE: usize = 16 << 20;
/// Rows between two looks at what else goes on.
const LOOK: usize = 1024;

/// An import that goes on.
pub(super) struct Rows<'a> {
    pub(super) builder: Builder,
    pub(super) left_out: LeftOut,
    pub(super) interrupt: &'a Interrupt,
    pub(super) bar: ProgressBar,
}

impl Rows<'_> {
    /// Adds every row that can be added.
    ///
    /// # Errors
    /// Those of the index, or that Ctrl-C came.
    pub(super) fn add(&mut self, table: &Table<'_>) -> Result<()> {
        let mut paths = table.paths.iter();
        let (mut n_rows, mut n_bytes) = (0, 0);
        for part in table.parts() {
            for row in 0..part.n_rows {
                // That there are as many, and that all are texts within their data, was checked.
                let path = paths.next().and_then(|path| path.as_str());
                let (path, values) = path.zip(part.row(row)).with_context(|| {
                    format!("{}: row {n_rows} cannot be read", table.archive.path().display())
                })?;
                if let Some(reason) = self.add_row(path, values)? {
                    self.left_out.add(reason, path);
                }
                (n_rows, n_bytes) = (n_rows + 1, n_bytes + part.row_bytes());
                if n_rows % LOOK == 0 {
                    self.interrupt.check()?;
                    self.bar.inc(LOOK as u64);
                }
                if n_bytes >= RELEASE {
                    table.archive.release_all();
                    n_bytes = 0;
                }
            }
        }
        self.bar.inc((n_rows % LOOK) as u64);
        Ok(())
    }

    /// Adds every row of an array that can be added, described by the next of `items`.
    ///
    /// # Errors
    /// Those of the index and of the items, or that Ctrl-C came.
    pub(super) fn add_array(
        &mut self,
        array: &NpyFile,
        items: &mut dyn Iterator<Item = Result<Item>>,
    ) -> Result<()> {
        for row in 0..array.n_rows() {
            // That there are as many items was checked.
            let item = items.next().with_context(|| format!("row {row}: no id is left"))??;
            let values = array.row(row).with_context(|| format!("row {row} cannot be read"))?;
            let id = item.id.clone();
            if let Some(reason) = self.add_item(item, values)? {
                self.left_out.add(reason, &id);
            }
            if (row + 1) % LOOK == 0 {
                self.interrupt.check()?;
                self.bar.inc(LOOK as u64);
            }
        }
        self.bar.inc((array.n_rows() % LOOK) as u64);
        Ok(())
    }

    /// Why the row is left out, if it is.
    fn add_row(&mut self, path: &str, values: Vec<f32>) -> Result<Option<Reason>> {
        if !is_url(path) {
            return Ok(Some(Reason::NotUrl));
        }
        let item = Item { id: path.to_owned(), url: path.to_owned(), ..Item::default() };
        self.add_item(item, values)
    }

    fn add_item(&mut self, item: Item, values: Vec<f32>) -> Result<Option<Reason>> {
        let embedding = match Embedding::normalized(values) {
            Ok(embedding) => embedding,
            Err(EmbeddingError::Zero) => return Ok(Some(Reason::Zero)),
            Err(EmbeddingError::NotFinite { .. }) => return Ok(Some(Reason::NotFinite)),
        };
        // Of the URL, or of the name if that is all that is known.
        let known = if item.url.is_empty() { &item.id } else { &item.url };
        let sha256 = Sha256::digest(known).into();
        match self.builder.add(NewItem { item, picture: None, sha256 }, &embedding) {
            Ok(()) => Ok(None),
            Err(IndexError::DuplicateId { .. }) => Ok(Some(Reason::Duplicate)),
            Err(IndexError::IdLength { .. }) => Ok(Some(Reason::TooLong)),
            Err(
                IndexError::FieldKind { .. } | IndexError::TooManyFields { .. } | IndexError::Metadata { .. },
            ) => Ok(Some(Reason::Metadata)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a client could ask for it. What a server says to it is not known here, so this is lenient.
pub(super) fn is_url(path: &str) -> bool {
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(rest) = scheme.map(|scheme| &path[scheme.len()..]) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !host.contains(char::is_whitespace) && !path.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_the_web() {
        for url in ["http://a", "https://a.b/c d?e#f", "HTTPS://größe.example/雪.jpg", "http://a:80/x"] {
            assert!(is_url(url), "{url}");
        }
        for other in
            ["", "a.jpg", "/a/b.jpg", "ftp://a", "http:/a", "http://", "http:///x", "https://?x", "é"]
        {
            assert!(!is_url(other), "{other}");
        }
        for odd in ["http://a b/c", "http://a/\nb", "http://a/\u{1b}[2J", " http://a"] {
            assert!(!is_url(odd), "{odd:?}");
        }
    }
}
