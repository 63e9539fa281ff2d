//! The table: pictures, each with all its captions.

use std::{collections::HashMap, path::Path};

use anyhow::{Result, ensure};

use crate::{report::Skipped, table::Table};

/// A picture of the table.
pub(super) struct Picture {
    /// As the table has it.
    pub(super) image: String,
    pub(super) captions: Vec<String>,
}

/// The pictures in the table's order.
pub(super) struct Pairs {
    pub(super) pictures: Vec<Picture>,
    /// Lines that are no rows.
    pub(super) skipped: Vec<Skipped>,
}

impl Pairs {
    /// Reads a table; rows with one image belong together.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut pairs = Self { pictures: Vec::<Picture>::new(), skipped: Vec::new() };
        let mut places: HashMap<String, usize> = HashMap::new();
        for (line, row) in Table::read(path, &["caption", "image"])?.rows {
            let row = row.and_then(|row| match <[String; 2]>::try_from(row) {
                Ok([caption, image]) if !caption.trim().is_empty() && !image.trim().is_empty() => {
                    Ok((caption, image))
                }
                _ => Err("caption or image is empty".to_owned()),
            });
            match row {
                Ok((caption, image)) => match places.get(&image) {
                    Some(&place) => pairs.pictures[place].captions.push(caption),
                    None => {
                        places.insert(image.clone(), pairs.pictures.len());
                        pairs.pictures.push(Picture { image, captions: vec![caption] });
                    }
                },
                Err(reason) => pairs.skipped.push(Skipped { what: format!("line {line}"), reason }),
            }
        }
        ensure!(!pairs.pictures.is_empty(), "{}: it has no row with a caption and an image", path.display());
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_of_one_picture_belong_together_and_bad_rows_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.tsv");
        std::fs::write(&path, "caption\timage\nred\ta.png\nblue\tb.png\n\tc.png\nbad\nscarlet\ta.png\n")
            .unwrap();
        let pairs = Pairs::read(&path).unwrap();
        let first = &pairs.pictures[0];
        assert_eq!(
            (first.image.as_str(), &first.captions[..]),
            ("a.png", &["red".to_owned(), "scarlet".to_owned()][..])
        );
        assert_eq!(pairs.pictures.len(), 2);
        let skipped: Vec<_> =
            pairs.skipped.iter().map(|one| format!("{}: {}", one.what, one.reason)).collect();
        assert_eq!(skipped, ["line 4: caption or image is empty", "line 5: 1 fields, the header has 2"]);
        std::fs::write(&path, "caption\timage\n\t\n").unwrap();
        assert!(Pairs::read(&path).err().unwrap().to_string().contains("no row with a caption"));
    }
}
