//! `--metadata`: columns that become fields.

use std::str::FromStr;

use fondue_index::{Value, metadata::Kind};

/// A column that becomes a field of the same name, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldSpec {
    pub(crate) name: String,
    kind: Kind,
}

impl FromStr for FieldSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, kind) = match text.rsplit_once(':') {
            None => (text, Kind::Text),
            Some((name, "text")) => (name, Kind::Text),
            Some((name, "number")) => (name, Kind::Number),
            Some((name, "truth")) => (name, Kind::Truth),
            Some((_, other)) => {
                return Err(format!("`{other}` is no kind; there are text, number and truth"));
            }
        };
        Ok(Self { name: name.to_owned(), kind })
    }
}

impl FieldSpec {
    /// A cell's value; none of an empty one.
    pub(super) fn value(&self, cell: &str) -> Result<Option<Value>, String> {
        if cell.is_empty() {
            return Ok(None);
        }
        let value = match self.kind {
            Kind::Text => Some(Value::Text(cell.to_owned())),
            Kind::Number => cell.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number),
            Kind::Truth => match cell {
                "true" | "1" => Some(Value::Truth(true)),
                "false" | "0" => Some(Value::Truth(false)),
                _ => None,
            },
        };
        value.map(Some).ok_or_else(|| {
            let wanted = if self.kind == Kind::Number { "a number" } else { "true, false, 1 or 0" };
            format!("`{}` is `{cell}`, not {wanted}", self.name)
        })
    }
}
