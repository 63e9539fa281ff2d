//! Conditions on what is found, as people write them: `year>=2000`, `group=fruit|berry`, `licence!=none`. Pure.

use std::str::FromStr;

use fondue_proto::dialogue::{Condition, Range, Value, Values, condition::Test, value};

/// How conditions are written, for `--help`.
pub(crate) const GRAMMAR: &str = "\
Conditions (each field is of the index's metadata, or group, media_type, caption or id):
  group=fruit          equal; numbers, true and false are such, unless quoted: year=\"2000\"
  group=fruit|berry    one of several
  group!=fruit         not so; a picture without the field passes too
  year>=2000           also >, <= and <
  year=1990..1999      from … to, both included; either may be left out";

/// A condition that was typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter(pub(crate) Condition);

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sign = |c: char| "=!<>".contains(c);
        let at = text.find(sign).ok_or_else(|| {
            format!("`{text}` has no =, !=, <, <=, > or >=; write for example group=fruit or year>=2000")
        })?;
        let (field, rest) = text.split_at(at);
        let field = field.trim();
        if field.is_empty() {
            return Err(format!("`{text}` names no field before the sign"));
        }
        let signs = ["!=", ">=", "<=", "==", "=", ">", "<"];
        let (sign, operand) = signs
            .iter()
            .find_map(|sign| Some((*sign, rest.strip_prefix(sign)?.trim())))
            .ok_or_else(|| format!("`{text}` has a ! without ="))?;
        if operand.is_empty() {
            return Err(format!("`{text}` has nothing behind {sign}"));
        }
        let test = match sign {
            ">=" => Test::Range(Range { at_least: Some(number(operand)?), ..Range::default() }),
            ">" => Test::Range(Range { above: Some(number(operand)?), ..Range::default() }),
            "<=" => Test::Range(Range { at_most: Some(number(operand)?), ..Range::default() }),
            "<" => Test::Range(Range { below: Some(number(operand)?), ..Range::default() }),
            _ => equal(operand)?,
        };
        Ok(Self(Condition { field: field.to_owned(), test: Some(test), negate: sign == "!=" }))
    }
}

/// What stands behind an equals sign: a value, several, or from … to.
fn equal(operand: &str) -> Result<Test, String> {
    if let Some(range) = range(operand)? {
        return Ok(Test::Range(range));
    }
    let values: Vec<_> = split(operand).into_iter().map(value).collect();
    Ok(match <[Value; 1]>::try_from(values) {
        Ok([value]) => Test::Equals(value),
        Err(values) => Test::AnyOf(Values { values }),
    })
}

fn range(operand: &str) -> Result<Option<Range>, String> {
    let Some((from, to)) = operand.split_once("..").filter(|_| !operand.starts_with('"')) else {
        return Ok(None);
    };
    let bound = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text.trim()).map(Some) };
    let is_number = |text: &str| text.trim().is_empty() || number(text.trim()).is_ok();
    if !is_number(from) || !is_number(to) {
        return Ok(None); // a text with two dots
    }
    let range = Range { at_least: bound(from)?, at_most: bound(to)?, ..Range::default() };
    match (range.at_least, range.at_most) {
        (None, None) => Err("`..` needs a number before or behind it".to_owned()),
        (Some(from), Some(to)) if from > to => Err(format!("{from}..{to} holds no number")),
        _ => Ok(Some(range)),
    }
}

/// Values between bars; a bar within quotes is a letter.
fn split(operand: &str) -> Vec<&str> {
    let mut quoted = false;
    operand
        .split(|c: char| {
            quoted ^= c == '"';
            c == '|' && !quoted
        })
        .map(str::trim)
        .collect()
}

fn value(text: &str) -> Value {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let value = match (quoted, text) {
        (Some(text), _) => value::Value::Text(text.to_owned()),
        (None, "true") => value::Value::Truth(true),
        (None, "false") => value::Value::Truth(false),
        (None, text) => {
            number(text).map_or_else(|_| value::Value::Text(text.to_owned()), value::Value::Number)
        }
    };
    Value { value: Some(value) }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is no number"))
}

/// A condition as it would be typed.
pub(crate) fn told(condition: &Condition) -> String {
    let sign = if condition.negate { "!=" } else { "=" };
    let field = &condition.field;
    match &condition.test {
        None => field.clone(),
        Some(Test::Equals(value)) => format!("{field}{sign}{}", told_value(value)),
        Some(Test::AnyOf(values)) => {
            let values: Vec<_> = values.values.iter().map(told_value).collect();
            format!("{field}{sign}{}", values.join("|"))
        }
        Some(Test::Range(Range { above: Some(above), .. })) => format!("{field}>{above}"),
        Some(Test::Range(Range { below: Some(below), .. })) => format!("{field}<{below}"),
        Some(Test::Range(Range { at_least, at_most, .. })) => match (at_least, at_most) {
            (Some(from), None) if !condition.negate => format!("{field}>={from}"),
            (None, Some(to)) if !condition.negate => format!("{field}<={to}"),
            _ => {
                let bound = |n: &Option<f64>| n.map_or_else(String::new, |n| n.to_string());
                format!("{field}{sign}{}..{}", bound(at_least), bound(at_most))
            }
        },
    }
}

fn told_value(value: &Value) -> String {
    match &value.value {
        None => String::new(),
        Some(value::Value::Number(number)) => number.to_string(),
        Some(value::Value::Truth(truth)) => truth.to_string(),
        Some(value::Value::Text(text)) => {
            let plain = number(text).is_err() && !["true", "false"].contains(&text.as_str());
            if plain && !text.contains('|') { text.clone() } else { format!("\"{text}\"") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Condition {
        text.parse::<Filter>().unwrap().0
    }

    fn text(text: &str) -> Value {
        Value { value: Some(value::Value::Text(text.into())) }
    }

    #[test]
    fn values_are_texts_numbers_and_truths() {
        assert_eq!(
            parse("group=fruit"),
            Condition { field: "group".into(), test: Some(Test::Equals(text("fruit"))), negate: false }
        );
        let number = Value { value: Some(value::Value::Number(2000.0)) };
        assert_eq!(parse(" year = 2000 ").test, Some(Test::Equals(number)));
        assert_eq!(parse("year=\"2000\"").test, Some(Test::Equals(text("2000"))));
        let truth = Value { value: Some(value::Value::Truth(true)) };
        assert_eq!(parse("free=true").test, Some(Test::Equals(truth)));
        assert_eq!(
            parse("a!=x|\"y|z\"").test,
            Some(Test::AnyOf(Values { values: vec![text("x"), text("y|z")] }))
        );
        assert!(parse("a!=x").negate);
        assert_eq!(parse("a=b=c").test, Some(Test::Equals(text("b=c"))));
    }

    #[test]
    fn ranges_are_numbers() {
        let range =
            |from, above, to, below| Some(Test::Range(Range { at_least: from, above, at_most: to, below }));
        assert_eq!(parse("year>=2000").test, range(Some(2000.0), None, None, None));
        assert_eq!(parse("year>2000").test, range(None, Some(2000.0), None, None));
        assert_eq!(parse("year<=-1.5").test, range(None, None, Some(-1.5), None));
        assert_eq!(parse("year<3").test, range(None, None, None, Some(3.0)));
        assert_eq!(parse("year=1990..1999").test, range(Some(1990.0), None, Some(1999.0), None));
        assert_eq!(parse("year=..1999").test, range(None, None, Some(1999.0), None));
        assert_eq!(parse("caption=well..").test, Some(Test::Equals(text("well.."))));
    }

    #[test]
    fn what_is_no_condition_is_told() {
        for wrong in ["", "year", "=x", "year=", "year!2", "year>=x", "year=..", "year=2..1", "year>inf"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn conditions_are_told_as_they_are_typed() {
        for typed in [
            "a=b", "a!=b|c", "y>=2", "y>2", "y<=2", "y<2", "y=1..2", "y=\"2\"", "y=2.5", "f=true", "y!=1..2",
            "y!=..2",
        ] {
            assert_eq!(told(&parse(typed)), typed);
            assert_eq!(parse(&told(&parse(typed))), parse(typed));
        }
    }
}
