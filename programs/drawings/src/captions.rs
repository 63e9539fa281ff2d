//! The texts beside the drawings: the table of captions and the licence.

use crate::emoji::Drawing;

/// Whom the drawings are owed to.
pub(crate) const LICENSES: &str = "\
The drawings in this folder are Twemoji graphics.

Copyright 2019 Twitter, Inc and other contributors.
Licensed under Creative Commons Attribution 4.0 International (CC BY 4.0):
https://creativecommons.org/licenses/by/4.0/
Source: https://github.com/jdecked/twemoji, as carried by the crate twemoji-assets.
Changes: each SVG was drawn as a PNG file on a white ground.

The captions and groups are names and groups of the Unicode Common Locale Data Repository
(Unicode License v3, https://www.unicode.org/license.txt).
";

/// `captions.tsv`: a header, then one line a drawing.
pub(crate) fn table(drawings: &[Drawing]) -> String {
    let mut table = String::from("image\tcaption\tgroup\n");
    for drawing in drawings {
        table.push_str(&format!("{}\t{}\t{}\n", drawing.file_name(), drawing.name, drawing.group));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emoji::gallery;

    #[test]
    fn the_table_has_three_columns_and_names_the_apple() {
        let table = table(&gallery(false));
        assert!(table.starts_with("image\tcaption\tgroup\n"));
        assert!(table.contains("\n1f34e.png\tred apple\tFood & Drink\n"));
        assert!(table.lines().all(|line| line.split('\t').count() == 3));
    }
}
