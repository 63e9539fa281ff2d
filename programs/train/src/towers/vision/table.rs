//! Tab-separated tables with a header.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

/// Some columns of a table.
pub(crate) struct Table<const N: usize> {
    text: String,
    columns: [usize; N],
}

impl<const N: usize> Table<N> {
    /// Reads a table that has these columns, among others, in any order.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, or has a line with fewer fields than the header.
    pub(crate) fn open(path: &Path, names: &[&str; N]) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
        let header: Vec<&str> = text.lines().next().unwrap_or_default().split('\t').collect();
        let mut columns = [0; N];
        for (column, name) in columns.iter_mut().zip(names) {
            let found = header.iter().position(|known| known == name);
            *column = found.with_context(|| format!("{shown} has no column `{name}`; it has {header:?}"))?;
        }
        for (n, line) in text.lines().enumerate().skip(1) {
            let fields = line.split('\t').count();
            ensure!(fields >= header.len(), "{shown}, line {}: {fields} fields, not {}", n + 1, header.len());
        }
        Ok(Self { text, columns })
    }

    /// The fields of each line, in the order of the names.
    pub(crate) fn rows(&self) -> impl Iterator<Item = [&str; N]> {
        self.text.lines().skip(1).map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            self.columns.map(|column| fields.get(column).copied().unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.tsv");
        fs::write(&path, "a\tb\tc\n1\t2\t3\n4\t5\t6\n").unwrap();
        let table = Table::open(&path, &["c", "a"]).unwrap();
        assert_eq!(table.rows().collect::<Vec<_>>(), [["3", "1"], ["6", "4"]]);
        let error = Table::open(&path, &["d"]).err().unwrap().to_string();
        assert!(error.contains("no column `d`") && error.contains("\"b\""), "{error}");
        fs::write(&path, "a\tb\n1\t2\n3\n").unwrap();
        let error = Table::open(&path, &["a"]).err().unwrap().to_string();
        assert!(error.contains("line 3: 1 fields, not 2"), "{error}");
    }
}
