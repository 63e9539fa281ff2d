//! Conditions from the wire.

use std::ops::Bound;

use fondue_index::{Condition, Filter, Test, Value};
use fondue_proto::retrieval::{self as wire, condition, value};

use super::{RequestError, wrong};
use crate::config::Limits;

/// Checks all conditions of a search.
pub(super) fn check(conditions: Vec<wire::Condition>, limits: &Limits) -> Result<Filter, RequestError> {
    if conditions.len() > limits.conditions {
        return wrong("conditions", format!("{} of them, limit {}", conditions.len(), limits.conditions));
    }
    let checked = conditions.into_iter().enumerate().map(|(n, asked)| condition(n, asked, limits));
    Ok(Filter { conditions: checked.collect::<Result<_, _>>()? })
}

fn condition(n: usize, asked: wire::Condition, limits: &Limits) -> Result<Condition, RequestError> {
    let path = |field: &str| format!("conditions[{n}].{field}");
    if asked.field.is_empty() {
        return wrong(
            path("field"),
            "is empty; name a field of the metadata, or group, media_type, caption, id",
        );
    }
    let test = match asked.test {
        None => return wrong(path("test"), "is missing: one of equals, any_of, range"),
        Some(condition::Test::Equals(equals)) => Test::AnyOf(vec![value(equals, || path("equals"))?]),
        Some(condition::Test::AnyOf(wire::Values { values })) => {
            if values.is_empty() || values.len() > limits.values {
                return wrong(
                    path("any_of.values"),
                    format!("{} of them, expected 1 … {}", values.len(), limits.values),
                );
            }
            let values = values.into_iter().enumerate();
            let values = values.map(|(at, each)| value(each, || path(&format!("any_of.values[{at}]"))));
            Test::AnyOf(values.collect::<Result<_, _>>()?)
        }
        Some(condition::Test::Range(asked)) => range(asked, &path("range"))?,
    };
    Ok(Condition { field: asked.field, test, negate: asked.negate })
}

/// A value that a field can have.
pub(super) fn value(asked: wire::Value, path: impl Fn() -> String) -> Result<Value, RequestError> {
    match asked.value {
        Some(value::Value::Text(text)) => Ok(Value::Text(text)),
        Some(value::Value::Number(number)) if number.is_finite() => Ok(Value::Number(number)),
        Some(value::Value::Number(number)) => wrong(path(), format!("{number} is not a finite number")),
        Some(value::Value::Truth(truth)) => Ok(Value::Truth(truth)),
        None => wrong(path(), "has no value: one of text, number, truth"),
    }
}

fn range(asked: wire::Range, path: &str) -> Result<Test, RequestError> {
    let bound = |included: Option<f64>, excluded: Option<f64>, names: [&str; 2]| match (included, excluded) {
        (Some(_), Some(_)) => wrong(path, format!("has both {} and {}", names[0], names[1])),
        (Some(number), None) | (None, Some(number)) if number.is_nan() => {
            wrong(path, "a bound is no number".to_owned())
        }
        (Some(number), None) => Ok(Bound::Included(number)),
        (None, Some(number)) => Ok(Bound::Excluded(number)),
        (None, None) => Ok(Bound::Unbounded),
    };
    let low = bound(asked.at_least, asked.above, ["at_least", "above"])?;
    let high = bound(asked.at_most, asked.below, ["at_most", "below"])?;
    if (low, high) == (Bound::Unbounded, Bound::Unbounded) {
        return wrong(path, "has no bound: at_least or above, at_most or below");
    }
    Ok(Test::Range(low, high))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::LIMITS, *};

    fn field(condition: wire::Condition) -> Option<String> {
        check(vec![condition], &LIMITS).err().map(|error| error.field)
    }

    fn number(number: f64) -> wire::Value {
        wire::Value { value: Some(value::Value::Number(number)) }
    }

    fn with(test: condition::Test) -> wire::Condition {
        wire::Condition { field: "year".to_owned(), test: Some(test), negate: false }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let any_of = |n| condition::Test::AnyOf(wire::Values { values: vec![number(1.0); n] });
        assert_eq!(field(with(any_of(2))), None);
        for (condition, path) in [
            (wire::Condition::default(), "conditions[0].field"),
            (wire::Condition { field: "x".to_owned(), ..wire::Condition::default() }, "conditions[0].test"),
            (with(any_of(0)), "conditions[0].any_of.values"),
            (with(any_of(3)), "conditions[0].any_of.values"),
            (with(condition::Test::Equals(wire::Value::default())), "conditions[0].equals"),
            (with(condition::Test::Equals(number(f64::NAN))), "conditions[0].equals"),
            (
                with(condition::Test::AnyOf(wire::Values {
                    values: vec![number(1.0), number(f64::INFINITY)],
                })),
                "conditions[0].any_of.values[1]",
            ),
        ] {
            assert_eq!(field(condition).as_deref(), Some(path));
        }
        let many = vec![with(any_of(1)); 3];
        assert_eq!(check(many, &LIMITS).unwrap_err().field, "conditions");
    }

    #[test]
    fn ranges_have_bounds_on_either_side() {
        let range = |at_least, above, at_most, below| {
            let asked = wire::Range { at_least, above, at_most, below };
            check(vec![with(condition::Test::Range(asked))], &LIMITS).map(|filter| {
                let Test::Range(low, high) = filter.conditions[0].test else { panic!("{filter:?}") };
                (low, high)
            })
        };
        let one = Some(1.0);
        assert_eq!(range(one, None, None, None).unwrap(), (Bound::Included(1.0), Bound::Unbounded));
        assert_eq!(range(None, one, one, None).unwrap(), (Bound::Excluded(1.0), Bound::Included(1.0)));
        assert_eq!(range(None, None, None, one).unwrap(), (Bound::Unbounded, Bound::Excluded(1.0)));
        for wrong in [
            range(None, None, None, None),
            range(one, one, None, None),
            range(None, None, one, one),
            range(Some(f64::NAN), None, None, None),
        ] {
            assert_eq!(wrong.unwrap_err().field, "conditions[0].range");
        }
    }
}
