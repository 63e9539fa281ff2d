//! Tab-separated tables with a header line, as the corpus and captions come.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

/// The rows of a table, of the columns that were asked for.
pub(crate) struct Table {
    /// Line number from 1, and the fields; an error says why the line is none.
    pub(crate) rows: Vec<(usize, Result<Vec<String>, String>)>,
}

impl Table {
    /// Reads a table. The header must name all `columns`, in any order; others may be there.
    pub(crate) fn read(path: &Path, columns: &[&str]) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let text = String::from_utf8(text)
            .map_err(|error| error.utf8_error().valid_up_to())
            .map_err(|at| anyhow::anyhow!("{}: byte {at} is no UTF-8", path.display()))?;
        let mut lines = text.lines().enumerate();
        let Some((_, header)) = lines.next() else {
            bail!("{}: it is empty; line 1 names the columns {}", path.display(), columns.join(", "));
        };
        let names: Vec<&str> = header.trim_start_matches('\u{feff}').split('\t').map(str::trim).collect();
        let place = |column: &&str| {
            names.iter().position(|name| name == column).with_context(|| {
                let tabs = if names.len() == 1 { " (columns are parted by tabs)" } else { "" };
                format!("{}: line 1: there is no column `{column}`{tabs}", path.display())
            })
        };
        let places = columns.iter().map(place).collect::<Result<Vec<_>>>()?;
        let row = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            if fields.len() != names.len() {
                return Err(format!("{} fields, the header has {}", fields.len(), names.len()));
            }
            Ok(places.iter().map(|&place| fields[place].to_owned()).collect())
        };
        let rows = lines.filter(|(_, line)| !line.trim().is_empty());
        Ok(Self { rows: rows.map(|(at, line)| (at + 1, row(line))).collect() })
    }

    /// Reads a table of which every line must be whole.
    pub(crate) fn read_whole(path: &Path, columns: &[&str]) -> Result<Vec<(usize, Vec<String>)>> {
        let table = Self::read(path, columns)?;
        ensure!(!table.rows.is_empty(), "{}: it has no rows", path.display());
        let row = |(line, row): (usize, Result<_, String>)| match row {
            Ok(fields) => Ok((line, fields)),
            Err(reason) => bail!("{}: line {line}: {reason}", path.display()),
        };
        table.rows.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, columns: &[&str]) -> Result<Table, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.tsv");
        fs::write(&path, text).unwrap();
        Table::read(&path, columns).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn columns_are_found_by_name_and_bad_lines_keep_their_number() {
        let table = table(
            "image\tmore\tcaption\na.png\t\ta red apple\n\nb.png\r\nc.png\t1\tc\r\n",
            &["caption", "image"],
        );
        let rows = table.unwrap().rows;
        assert_eq!(rows[0], (2, Ok(vec!["a red apple".to_owned(), "a.png".to_owned()])));
        assert_eq!(rows[1], (4, Err("1 fields, the header has 3".to_owned())));
        assert_eq!(rows[2], (5, Ok(vec!["c".to_owned(), "c.png".to_owned()])));
    }

    #[test]
    fn what_is_no_table_says_what_is_wrong() {
        for (text, wanted) in [
            ("", "table.tsv: it is empty; line 1 names the columns caption, image"),
            ("caption,image\n", "line 1: there is no column `caption` (columns are parted by tabs)"),
            ("caption\tpicture\n", "line 1: there is no column `image`"),
        ] {
            let error = table(text, &["caption", "image"]).err().unwrap();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
