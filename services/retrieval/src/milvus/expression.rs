//! Filters and exclusions as Milvus' boolean expressions, with the meaning that [`Filter::accepts`] has.
//!
//! Milvus' logic knows a third value, "unknown", of what a row does not have, and its versions differ in what a negation
//! makes of it. So every test of a metadata field asks first whether the field is there: it is true or false then, and
//! can be negated. Texts stand in the expression as literals: [`literal`] is all that keeps them from being read as more.

use std::ops::Bound;

use fondue_index::{Condition, Exclusions, Filter, Test, Value};

use super::table::{self, CAPTION, GROUP, ID, MEDIA_TYPE, METADATA, SHA256};

/// What a search asks for besides nearness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Every row passes.
    All,
    /// No row does.
    None,
    /// Those that this holds for.
    Where(String),
}

use Expression::{All, None as Nothing, Where};

/// All conditions, and nothing that is excluded.
pub(super) fn expression(filter: &Filter, exclusions: &Exclusions) -> Expression {
    let conditions = filter.conditions.iter().map(condition);
    let ids = none_of(ID, exclusions.ids.iter().map(|id| literal(id)).collect());
    let digests =
        none_of(SHA256, exclusions.sha256.iter().map(|digest| literal(&hex::encode(digest))).collect());
    let mut parts = Vec::new();
    for part in conditions.chain([ids, digests]) {
        match part {
            All => {}
            Nothing => return Nothing,
            Where(part) => parts.push(part),
        }
    }
    if parts.is_empty() { All } else { Where(parts.join(" and ")) }
}

fn condition(condition: &Condition) -> Expression {
    let passes = match condition.field.as_str() {
        "id" => described(ID, &condition.test),
        "caption" => described(CAPTION, &condition.test),
        "group" => described(GROUP, &condition.test),
        "media_type" => described(MEDIA_TYPE, &condition.test),
        name => metadata(name, &condition.test),
    };
    match (passes, condition.negate) {
        (passes, false) => passes,
        (All, true) => Nothing,
        (Nothing, true) => All,
        (Where(passes), true) => Where(format!("not {passes}")),
    }
}

/// A column of texts, of which an empty one counts as absent.
fn described(column: &str, test: &Test) -> Expression {
    let Test::AnyOf(values) = test else { return Nothing };
    let texts = values.iter().filter_map(|value| match value {
        Value::Text(text) if !text.is_empty() => Some(literal(text)),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { Nothing } else { Where(format!("({column} in [{}])", texts.join(", "))) }
}

/// A field of the metadata: kinds of values have keys of their own, so that a value of another kind never matches.
fn metadata(name: &str, test: &Test) -> Expression {
    let mut passes = Vec::new();
    match test {
        Test::AnyOf(values) => {
            for value in values {
                let path = path(name, value);
                passes.push(match value {
                    Value::Text(text) => format!("{path} == {}", literal(text)),
                    Value::Number(number) => format!("{path} == {}", decimal(*number)),
                    Value::Truth(truth) => format!("{path} == {truth}"),
                });
            }
            // Those of a kind lie together.
            let kinds = [Value::Text(String::new()), Value::Number(0.0), Value::Truth(true)]
                .map(|of| path(name, &of));
            let there = |path: &String| {
                let begin = format!("{path} ==");
                let of_kind: Vec<_> =
                    passes.iter().filter(|test| test.starts_with(&begin)).cloned().collect();
                (!of_kind.is_empty()).then(|| format!("(exists {path} and {})", any(&of_kind)))
            };
            let kinds: Vec<String> = kinds.iter().filter_map(there).collect();
            if kinds.is_empty() { Nothing } else { Where(any(&kinds)) }
        }
        Test::Range(low, high) => {
            let path = path(name, &Value::Number(0.0));
            passes.push(format!("exists {path}"));
            for (bound, below_all, signs) in
                [(low, f64::NEG_INFINITY, [">=", ">"]), (high, f64::INFINITY, ["<=", "<"])]
            {
                let (number, sign) = match bound {
                    Bound::Unbounded => continue,
                    Bound::Included(number) => (*number, signs[0]),
                    Bound::Excluded(number) => (*number, signs[1]),
                };
                // Values are finite, so an infinite bound lets all of them through or none.
                if number == below_all {
                    continue;
                }
                if !number.is_finite() {
                    return Nothing;
                }
                passes.push(format!("{path} {sign} {}", decimal(number)));
            }
            Where(format!("({})", passes.join(" and ")))
        }
    }
}

fn path(name: &str, value: &Value) -> String {
    format!("{METADATA}[{}]", literal(&table::key(name, value.kind())))
}

fn none_of(column: &str, mut values: Vec<String>) -> Expression {
    // The same search is the same expression: servers keep what they have parsed.
    values.sort_unstable();
    if values.is_empty() { All } else { Where(format!("({column} not in [{}])", values.join(", "))) }
}

/// One of some tests, as a tree: parsers go down as deep as it is high.
fn any(tests: &[String]) -> String {
    match tests {
        [] => String::new(),
        [test] => test.clone(),
        tests => {
            let (left, right) = tests.split_at(tests.len() / 2);
            format!("({} or {})", any(left), any(right))
        }
    }
}

/// A number that is read as the same 64 bits.
fn decimal(number: f64) -> String {
    format!("{number:?}")
}

/// A text between quotes that ends where it should, whatever stands in it.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
