//! The table that is trained on: tab-separated, with a header that names `caption` and `image`.
//!
//! Two more columns may be there. `prompt`: what stands before the caption as input and is no target; in such a table `\n`,
//! `\t` and `\\` in prompt and caption are a newline, a tab and a backslash. `ret`: 0 or 1 (as without it); with 0 no `[RET]`
//! follows the caption, and the row takes part in the captioning pass alone.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// A row that can be used, as far as the table tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u64,
    /// As the table names it.
    pub image: String,
    /// Text before the caption.
    pub prompt: String,
    /// The caption.
    pub caption: String,
    /// Whether `[RET]` follows.
    pub asks: bool,
}

/// A row that cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its line in the file, from 1.
    pub line: u64,
    /// As the table names it.
    pub image: String,
    /// Why not.
    pub reason: String,
}

/// A table as read.
pub struct Table {
    /// Where images are looked for.
    pub images: PathBuf,
    /// What can be used.
    pub rows: Vec<Row>,
    /// What cannot.
    pub bad: Vec<Bad>,
}

impl Table {
    /// Reads a file. Without `images`, pictures are looked for beside the table or in the folder above, whichever has the
    /// first one.
    ///
    /// # Errors
    /// If it cannot be read or its header lacks a column.
    pub fn read(path: &Path, images: Option<&Path>) -> Result<Self> {
        let at = || path.display().to_string();
        let mut lines = BufReader::new(File::open(path).with_context(at)?).split(b'\n');
        let header = lines.next().transpose().with_context(at)?.unwrap_or_default();
        let columns = Columns::of(&String::from_utf8_lossy(&header)).with_context(at)?;
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for (line, bytes) in (2..).zip(lines) {
            let bytes = bytes.with_context(at)?;
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match columns.row(line, &bytes) {
                Ok(row) => rows.push(row),
                Err(one) => bad.push(one),
            }
        }
        let images = images.map_or_else(|| beside(path, &rows), Path::to_owned);
        Ok(Self { images, rows, bad })
    }
}

/// The table's folder, or the one above if the first picture is there.
fn beside(path: &Path, rows: &[Row]) -> PathBuf {
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let above = folder.join("..");
    match rows.first() {
        Some(row) if !folder.join(&row.image).exists() && above.join(&row.image).exists() => above,
        _ => folder.to_owned(),
    }
}

struct Columns {
    caption: usize,
    image: usize,
    prompt: Option<usize>,
    ret: Option<usize>,
}

impl Columns {
    fn of(header: &str) -> Result<Self> {
        let names: Vec<&str> = header.trim_start_matches('\u{feff}').split('\t').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|other| *other == name);
        let (Some(caption), Some(image)) = (place("caption"), place("image")) else {
            bail!("line 1 must name the columns `caption` and `image`, separated by tabs");
        };
        Ok(Self { caption, image, prompt: place("prompt"), ret: place("ret") })
    }

    fn row(&self, line: u64, bytes: &[u8]) -> Result<Row, Bad> {
        let bad =
            |image: &str, reason: &str| Bad { line, image: image.to_owned(), reason: reason.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("", "is no UTF-8"))?;
        let cells: Vec<&str> = text.trim_end_matches('\r').split('\t').collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let image = cell(self.image).trim();
        if image.is_empty() {
            return Err(bad(image, "no image"));
        }
        let asks = match self.ret.map(|column| cell(column).trim()) {
            None | Some("" | "1") => true,
            Some("0") => false,
            Some(_) => return Err(bad(image, "`ret` is neither 0 nor 1")),
        };
        let (prompt, caption) = match self.prompt {
            Some(column) => (unescaped(cell(column)), unescaped(cell(self.caption))),
            None => (String::new(), cell(self.caption).to_owned()),
        };
        if caption.trim().is_empty() && caption != "\n" {
            return Err(bad(image, "no caption"));
        }
        Ok(Row { line, image: image.to_owned(), prompt, caption, asks })
    }
}

fn unescaped(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some(next @ ('n' | 't' | '\\'))) => {
                text.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    _ => '\\',
                });
                chars.next();
            }
            _ => text.push(char),
        }
    }
    text
}

/// Lists rows that are left out: line, image, reason. Removes an old list if there are none.
///
/// # Errors
/// If it cannot be written.
pub fn write_bad(path: &Path, bad: &[Bad]) -> Result<()> {
    if bad.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| path.display().to_string())
            }
            _ => Ok(()),
        };
    }
    let clean = |text: &str| {
        text.chars().take(500).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>()
    };
    let line = |bad: &Bad| format!("{}\t{}\t{}\n", bad.line, clean(&bad.image), clean(&bad.reason));
    let text = "line\timage\treason\n".to_owned() + &bad.iter().map(line).collect::<String>();
    crate::run::checkpoint::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Table> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("table.tsv");
        fs::write(&path, text)?;
        Table::read(&path, None)
    }

    #[test]
    fn columns_are_found_by_name_and_bad_rows_are_told() {
        let table = read(b"image\tcaption\na.png\tan  apple \r\n\nb.png\n\tno image\n\xff\tx\n").unwrap();
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0].caption, "an  apple ");
        assert!(table.rows[0].asks);
        let told: Vec<_> = table.bad.iter().map(|bad| (bad.line, bad.reason.as_str())).collect();
        assert_eq!(told, [(4, "no caption"), (5, "no image"), (6, "is no UTF-8")]);
        assert!(read(b"picture\tcaption\n").is_err());
    }

    #[test]
    fn prompts_are_unescaped_and_rows_may_not_ask() {
        let table = read(
            b"caption\timage\tprompt\tret\n This is\\n\ta.png\tQ: What\\\\?\\nA:\t0\nx\tb\t\t\ny\tc\t\t2\n",
        )
        .unwrap();
        assert_eq!(table.rows[0].prompt, "Q: What\\?\nA:");
        assert_eq!(table.rows[0].caption, " This is\n");
        assert!(!table.rows[0].asks && table.rows[1].asks);
        assert_eq!(table.bad.len(), 1);
        // Without prompts a caption is as it stands.
        assert_eq!(read(b"caption\timage\na\\n\tb\n").unwrap().rows[0].caption, "a\\n");
    }
}
