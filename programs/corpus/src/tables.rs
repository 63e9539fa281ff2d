//! The tables of things and pictures.

use crate::{pictures::Row, split::Split, things::Thing};

/// `things.tsv`.
pub(crate) fn things(things: &[Thing], split: &Split) -> String {
    let mut table = String::from("thing\tname\tgroup\tsubgroup\tkeywords\theld_out\n");
    for (at, thing) in things.iter().enumerate() {
        let Thing { id, name, group, subgroup, .. } = thing;
        let (keywords, held) = (thing.keywords.join(";"), u8::from(split.holds(at)));
        table.push_str(&format!("{id}\t{name}\t{group}\t{subgroup}\t{keywords}\t{held}\n"));
    }
    table
}

/// `pictures.tsv`.
pub(crate) fn pictures(rows: &[Row], things: &[Thing]) -> String {
    let mut table = String::from("image\tthing\tstyle\tsplit\n");
    for row in rows {
        let (id, split) = (&things[row.thing].id, row.part.name());
        table.push_str(&format!("{}\t{id}\t{}\t{split}\n", row.image, row.style));
    }
    table
}

/// `variants.tsv`: all of them are to train on.
pub(crate) fn variants(rows: &[Row], things: &[Thing]) -> String {
    let mut table = String::from("image\tthing\tstyle\n");
    for row in rows {
        table.push_str(&format!("{}\t{}\t{}\n", row.image, things[row.thing].id, row.style));
    }
    table
}
