//! Which rows pass a filter.

use std::{collections::HashSet, ops::RangeBounds, path::Path};

use fondue_mapped::Mapped;

use super::{ABSENT, encode, file_name};
use crate::{Condition, IndexError, Test, Value, bitmap::Bitmap, manifest::Column, metadata::Kind};

/// So many values are compared one by one faster than looked up.
const FEW: usize = 16;

/// The columns of a generation, mapped.
pub(crate) struct Columns {
    columns: Vec<(Column, Mapped)>,
    rows: usize,
}

impl Columns {
    /// Maps the columns; each must have a value for each row.
    pub(crate) fn open(folder: &Path, columns: &[Column], rows: usize) -> Result<Self, IndexError> {
        let open = |(at, column): (usize, &Column)| {
            let path = folder.join(file_name(at));
            let mapped = Mapped::open(&path).map_err(IndexError::io(&path))?;
            let bytes = mapped.bytes().len();
            if bytes != rows * size_of::<u64>() {
                return Err(IndexError::damaged(&path, format!("{bytes} bytes for {rows} rows")));
            }
            Ok((column.clone(), mapped))
        };
        let columns = columns.iter().enumerate().map(open).collect::<Result<_, _>>()?;
        Ok(Self { columns, rows })
    }

    /// Names and kinds.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.columns.iter().map(|(column, _)| (column.name.as_str(), column.kind))
    }

    /// Files by their names.
    pub(crate) fn files(&self) -> impl Iterator<Item = (String, &Mapped)> {
        self.columns.iter().enumerate().map(|(at, (_, mapped))| (file_name(at), mapped))
    }

    /// The rows for which a condition on a column holds, negation included.
    pub(crate) fn select(&self, condition: &Condition) -> Bitmap {
        let column = self.columns.iter().find(|(column, _)| column.name == condition.field);
        let values: Option<(Kind, &[u64])> =
            column.and_then(|(column, mapped)| Some((column.kind, mapped.as_slice().ok()?)));
        let mut passing = match (values, &condition.test) {
            // Nothing has the field.
            (None, _) => Bitmap::none(self.rows),
            (Some((Kind::Number, values)), Test::AnyOf(wanted)) => {
                let wanted: Vec<f64> = wanted.iter().filter_map(number).collect();
                if wanted.len() <= FEW {
                    Bitmap::matching(values, |bits| wanted.contains(&f64::from_bits(bits)))
                } else {
                    // The two zeros are equal, and NaN, which stands for no number, nobody can ask for.
                    let bits = |number: f64| (number + 0.0).to_bits();
                    let many: HashSet<u64> =
                        wanted.into_iter().filter(|number| !number.is_nan()).map(bits).collect();
                    Bitmap::matching(values, |value| many.contains(&bits(f64::from_bits(value))))
                }
            }
            (Some((Kind::Number, values)), Test::Range(low, high)) => {
                // What has no number is NaN, which no range contains that has a bound; one without has only numbers.
                let range = (*low, *high);
                Bitmap::matching(values, |bits| {
                    let number = f64::from_bits(bits);
                    !number.is_nan() && range.contains(&number)
                })
            }
            (Some((kind, values)), Test::AnyOf(wanted)) => {
                let wanted: Vec<u64> =
                    wanted.iter().filter(|value| value.kind() == kind).map(encode).collect();
                match wanted.as_slice() {
                    [one] => Bitmap::matching(values, |value| value == *one),
                    few if few.len() <= FEW => Bitmap::matching(values, |value| few.contains(&value)),
                    many => {
                        let many: HashSet<u64> = many.iter().copied().collect();
                        Bitmap::matching(values, |value| value != ABSENT && many.contains(&value))
                    }
                }
            }
            (Some(_), Test::Range(..)) => Bitmap::none(self.rows),
        };
        if condition.negate {
            passing.invert();
        }
        passing
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        _ => None,
    }
}
