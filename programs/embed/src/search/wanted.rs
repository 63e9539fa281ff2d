//! `--where`: conditions as people write them.

use std::{ops::Bound, str::FromStr};

use anyhow::{Result, bail};
use fondue_index::{
    Condition, Filter, Test, Value, View,
    metadata::{Kind, RESERVED},
};

/// A condition whose field nobody has looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    field: String,
    sign: Sign,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Is,
    IsNot,
    AtLeast,
    Above,
    AtMost,
    Below,
}

/// The longer ones first.
const SIGNS: [(&str, Sign); 6] = [
    ("!=", Sign::IsNot),
    (">=", Sign::AtLeast),
    ("<=", Sign::AtMost),
    ("=", Sign::Is),
    (">", Sign::Above),
    ("<", Sign::Below),
];

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The first sign ends the field; what comes after may hold others.
        let place = text.find(['!', '=', '<', '>']).unwrap_or(text.len());
        let (field, rest) = text.split_at(place);
        let found = SIGNS.into_iter().find_map(|(sign, kind)| Some((kind, rest.strip_prefix(sign)?)));
        match found {
            Some((sign, value)) if !field.trim().is_empty() => {
                Ok(Self { field: field.trim().to_owned(), sign, value: value.trim().to_owned() })
            }
            _ => Err(format!(
                "`{text}` is no condition; expected such as year>=2015, group=Animals or public!=true"
            )),
        }
    }
}

/// What all conditions are to a view, whose fields have kinds.
pub(super) fn filter(wanted: &[Wanted], view: &View) -> Result<Filter> {
    let conditions = wanted.iter().map(|wanted| {
        let known = view.fields().find(|(name, _)| *name == wanted.field).map(|(_, kind)| kind);
        let kind = if RESERVED.contains(&wanted.field.as_str()) { Some(Kind::Text) } else { known };
        let Some(kind) = kind else {
            let fields: Vec<&str> = RESERVED.into_iter().chain(view.fields().map(|(name, _)| name)).collect();
            bail!("no picture has the field `{}`; there are {}", wanted.field, fields.join(", "));
        };
        wanted.condition(kind)
    });
    Ok(Filter { conditions: conditions.collect::<Result<_>>()? })
}

impl Wanted {
    fn condition(&self, kind: Kind) -> Result<Condition> {
        let Self { field, sign, value } = self;
        let number = || {
            let number = value.parse().ok().filter(|number: &f64| number.is_finite());
            number.map_or_else(|| bail!("`{field}` holds numbers, and `{value}` is none"), Ok)
        };
        let test = match (sign, kind) {
            (Sign::Is | Sign::IsNot, Kind::Text) => Test::AnyOf(vec![Value::Text(value.clone())]),
            (Sign::Is | Sign::IsNot, Kind::Number) => Test::AnyOf(vec![Value::Number(number()?)]),
            (Sign::Is | Sign::IsNot, Kind::Truth) => match value.parse() {
                Ok(truth) => Test::AnyOf(vec![Value::Truth(truth)]),
                Err(_) => bail!("`{field}` is true or false, not `{value}`"),
            },
            (_, Kind::Text | Kind::Truth) => bail!("`{field}` holds no numbers; of it = and != can be asked"),
            (Sign::AtLeast, _) => Test::Range(Bound::Included(number()?), Bound::Unbounded),
            (Sign::Above, _) => Test::Range(Bound::Excluded(number()?), Bound::Unbounded),
            (Sign::AtMost, _) => Test::Range(Bound::Unbounded, Bound::Included(number()?)),
            (Sign::Below, _) => Test::Range(Bound::Unbounded, Bound::Excluded(number()?)),
        };
        Ok(Condition { field: field.clone(), test, negate: *sign == Sign::IsNot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_read_and_kinds_obeyed() {
        let condition = |text: &str, kind| text.parse::<Wanted>().unwrap().condition(kind);
        let of = |text: &str, kind| condition(text, kind).unwrap();
        assert_eq!(of("year >= 3", Kind::Number).test, Test::Range(Bound::Included(3.0), Bound::Unbounded));
        assert_eq!(of("year<3", Kind::Number).test, Test::Range(Bound::Unbounded, Bound::Excluded(3.0)));
        assert_eq!(of("year=3", Kind::Number).test, Test::AnyOf(vec![Value::Number(3.0)]));
        assert_eq!(of("a=b=c", Kind::Text).test, Test::AnyOf(vec![Value::Text("b=c".into())]));
        assert!(of("a!=b", Kind::Text).negate && !of("a=!b", Kind::Text).negate);
        assert_eq!(of("a=true", Kind::Truth).test, Test::AnyOf(vec![Value::Truth(true)]));
        for (text, kind) in
            [("a>b", Kind::Text), ("a=x", Kind::Number), ("a>=nan", Kind::Number), ("a=1", Kind::Truth)]
        {
            assert!(condition(text, kind).is_err(), "{text}");
        }
        for wrong in ["", "a", "=b", "a!b", ">"] {
            assert!(wrong.parse::<Wanted>().is_err(), "{wrong}");
        }
    }
}
