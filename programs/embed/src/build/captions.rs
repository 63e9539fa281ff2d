//! The table of captions: tab-separated, with a header.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path},
};

use anyhow::{Context, Result, bail, ensure};

/// One picture of the table.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// Path below the folder of pictures.
    pub(crate) image: String,
    pub(crate) caption: String,
    pub(crate) group: String,
    /// Where it stands in the table, from 1.
    pub(crate) line: usize,
}

impl Row {
    /// Its name in the index: the path without the extension.
    pub(crate) fn id(&self) -> String {
        Path::new(&self.image).with_extension("").to_string_lossy().into_owned()
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("table of captions {}", path.display()))?;
    // Spreadsheets put a byte order mark before UTF-8.
    parse(text.trim_start_matches('\u{feff}')).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    let Some((_, header)) = lines.next() else {
        bail!("is empty; a header with `image` and `caption` is needed")
    };
    let header: HashMap<&str, usize> =
        header.split('\t').enumerate().map(|(n, name)| (name.trim(), n)).collect();
    let (Some(&image), Some(&caption)) = (header.get("image"), header.get("caption")) else {
        bail!("line 1: the header needs the columns `image` and `caption`, separated by tabs");
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut seen = HashMap::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let cells: Vec<&str> = text.split('\t').collect();
        let cell = |column: usize| cells.get(column).map(|cell| cell.trim()).unwrap_or("");
        let row = Row {
            image: cell(image).to_owned(),
            caption: cell(caption).to_owned(),
            group: header.get("group").map(|&group| cell(group)).unwrap_or("").to_owned(),
            line,
        };
        ensure!(!row.image.is_empty(), "line {line}: no image");
        ensure!(!row.caption.is_empty(), "line {line}: `{}` has no caption", row.image);
        // What the table names must lie in the folder.
        let inside = Path::new(&row.image).components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(inside, "line {line}: `{}` leads out of the folder of pictures", row.image);
        if let Some(before) = seen.insert(row.id(), line) {
            bail!("line {line}: `{}` has the name of line {before}", row.image);
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let rows = parse("caption\tgroup\timage\nred apple\tFood\tfruit/a.png\n\npear\t\tb.png\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].id().as_str(), rows[0].caption.as_str(), rows[0].group.as_str()),
            ("fruit/a", "red apple", "Food")
        );
        assert_eq!((rows[1].line, rows[1].group.as_str()), (4, ""));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let error = |text: &str| format!("{:#}", parse(text).unwrap_err());
        assert!(error("picture\ttext\n").contains("line 1"));
        assert!(error("image\tcaption\n../../etc/passwd\tx\n").contains("line 2"));
        assert!(error("image\tcaption\n/etc/passwd\tx\n").contains("line 2"));
        assert!(error("image\tcaption\na.png\tx\na.jpg\ty\n").contains("line 3"));
        assert!(error("image\tcaption\n\tx\n").contains("no image"));
        assert!(error("image\tcaption\na.png\n").contains("no caption"));
        assert!(error("").contains("empty"));
    }
}
