//! Columns in the making: each is filled up to the present row when it gets a value.

use std::{collections::HashMap, path::Path};

use super::{DESCRIBED, MAX_COLUMNS, absent, encode, file_name};
use crate::{
    IndexError, Item, Value,
    builder::HashedFile,
    manifest::{Column, Stored},
};

/// All columns of a builder.
#[derive(Default)]
pub(crate) struct ColumnsFile {
    columns: Vec<Growing>,
    by_name: HashMap<String, usize>,
}

/// Columns, and the files they are in.
pub(crate) type Written = (Vec<Column>, Vec<(String, Stored)>);

struct Growing {
    column: Column,
    file: HashedFile,
    rows: usize,
}

impl ColumnsFile {
    /// Whether an item's fields fit the columns.
    ///
    /// # Errors
    /// [`IndexError::FieldKind`] or [`IndexError::TooManyFields`].
    pub(crate) fn check(&self, item: &Item) -> Result<(), IndexError> {
        let mut new = 0;
        for (name, value) in item.metadata.iter() {
            match self.by_name.get(name).and_then(|&at| self.columns.get(at)) {
                Some(Growing { column: Column { kind, .. }, .. }) if *kind != value.kind() => {
                    let (got, expected) = (value.kind(), *kind);
                    return Err(IndexError::FieldKind { field: name.to_owned(), got, expected });
                }
                Some(_) => {}
                None => new += 1,
            }
        }
        if new == 0 {
            return Ok(());
        }
        let described = DESCRIBED.into_iter().filter(|name| self.by_name.contains_key(*name)).count();
        if self.columns.len() - described + new > MAX_COLUMNS {
            return Err(IndexError::TooManyFields { max: MAX_COLUMNS });
        }
        Ok(())
    }

    /// Adds the values of a row, whose item was checked.
    pub(crate) fn add(&mut self, folder: &Path, row: usize, item: &Item) -> Result<(), IndexError> {
        for (name, text) in DESCRIBED.into_iter().zip([&item.group, &item.media_type]) {
            if !text.is_empty() {
                self.put(folder, row, name, &Value::Text(text.clone()))?;
            }
        }
        for (name, value) in item.metadata.iter() {
            self.put(folder, row, name, value)?;
        }
        Ok(())
    }

    fn put(&mut self, folder: &Path, row: usize, name: &str, value: &Value) -> Result<(), IndexError> {
        let at = match self.by_name.get(name) {
            Some(&at) => at,
            None => {
                let at = self.columns.len();
                let column = Column { name: name.to_owned(), kind: value.kind() };
                let file = HashedFile::create(folder, &file_name(at))?;
                self.columns.push(Growing { column, file, rows: 0 });
                self.by_name.insert(name.to_owned(), at);
                at
            }
        };
        let Some(growing) = self.columns.get_mut(at) else { return Ok(()) };
        growing.fill(row)?;
        growing.write(encode(value))
    }

    /// Ends all columns at `rows`.
    pub(crate) fn finish(self, rows: usize) -> Result<Written, IndexError> {
        let mut files = Vec::with_capacity(self.columns.len());
        let mut columns = Vec::with_capacity(self.columns.len());
        for mut growing in self.columns {
            growing.fill(rows)?;
            columns.push(growing.column);
            files.push(growing.file.finish()?);
        }
        Ok((columns, files))
    }
}

impl Growing {
    fn fill(&mut self, rows: usize) -> Result<(), IndexError> {
        while self.rows < rows {
            self.write(absent(self.column.kind))?;
        }
        Ok(())
    }

    fn write(&mut self, value: u64) -> Result<(), IndexError> {
        self.file.write(&value.to_le_bytes())?;
        self.rows += 1;
        Ok(())
    }
}
