//! Metadata by column, for filters: one value of eight bytes a row, written as rows come, read in place.
//!
//! A column of texts or truths holds the first eight bytes of each value's SHA-256, so that neither building nor
//! searching needs a dictionary; 0 stands for no value. Two texts of one digest pass for each other: among ten million, the
//! chance that there are two is three in a million; whoever may choose both can make them. A column of numbers holds them
//! as they are; NaN stands for none.

mod select;
mod write;

use sha2::{Digest, Sha256};

pub(crate) use self::{select::Columns, write::ColumnsFile};
use crate::metadata::{Kind, Value};

/// Fields of all pictures of a generation together; each is a column.
pub const MAX_COLUMNS: usize = 256;

/// Names of the columns of the description, which can be asked for as fields can.
pub(crate) const DESCRIBED: [&str; 2] = ["group", "media_type"];

/// No value.
const ABSENT: u64 = 0;
const NO_NUMBER: u64 = f64::NAN.to_bits();

pub(crate) fn file_name(column: usize) -> String {
    format!("column-{column}.u64")
}

/// What a column of `kind` holds where there is no value.
fn absent(kind: Kind) -> u64 {
    if kind == Kind::Number { NO_NUMBER } else { ABSENT }
}

/// What stands for a value.
fn encode(value: &Value) -> u64 {
    match value {
        Value::Text(text) => digest(text),
        Value::Truth(truth) => 1 + u64::from(*truth),
        Value::Number(number) => number.to_bits(),
    }
}

fn digest(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    let first = digest.first_chunk().copied().map_or(1, u64::from_le_bytes);
    first.max(1)
}

#[cfg(test)]
mod tests;
