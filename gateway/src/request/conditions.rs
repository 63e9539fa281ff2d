//! What found pictures must be: the client's conditions, checked, as the retrieval service takes them.

use fondue_proto::{
    dialogue::{self as wire, condition, value},
    retrieval,
};

use super::Faults;

/// Conditions of one search, values of one condition, bytes of a field's name and of a text: the retrieval service's own
/// limits.
const MAX_CONDITIONS: usize = 32;
const MAX_VALUES: usize = 1000;
const MAX_FIELD: usize = 64;
const MAX_TEXT: usize = 4096;

/// Checks conditions; what is wrong is left out of the result.
pub(super) fn checked(
    raw: Vec<wire::Condition>,
    path: &str,
    faults: &mut Faults,
) -> Vec<retrieval::Condition> {
    if raw.len() > MAX_CONDITIONS {
        faults.add(path, format!("at most {MAX_CONDITIONS} conditions, got {}", raw.len()));
        return Vec::new();
    }
    let each = raw.into_iter().enumerate();
    each.filter_map(|(index, raw)| condition(raw, &format!("{path}[{index}]"), faults)).collect()
}

fn condition(raw: wire::Condition, path: &str, faults: &mut Faults) -> Option<retrieval::Condition> {
    let wire::Condition { field, test, negate } = raw;
    if !(1..=MAX_FIELD).contains(&field.len()) {
        let got = field.len();
        faults.add(format!("{path}.field"), format!("must be 1 … {MAX_FIELD} bytes, got {got}"));
    }
    let test = match test {
        None => {
            faults.add(format!("{path}.test"), "must be `equals`, `any_of` or `range`, got none of them");
            return None;
        }
        Some(condition::Test::Equals(raw)) => {
            retrieval::condition::Test::Equals(value(raw, &format!("{path}.equals"), faults)?)
        }
        Some(condition::Test::AnyOf(wire::Values { values })) => {
            let path = format!("{path}.any_of.values");
            if !(1..=MAX_VALUES).contains(&values.len()) {
                faults.add(path, format!("must be 1 … {MAX_VALUES} values, got {}", values.len()));
                return None;
            }
            let each = values.into_iter().enumerate();
            let values = each.filter_map(|(index, raw)| value(raw, &format!("{path}[{index}]"), faults));
            retrieval::condition::Test::AnyOf(retrieval::Values { values: values.collect() })
        }
        Some(condition::Test::Range(raw)) => {
            retrieval::condition::Test::Range(range(raw, &format!("{path}.range"), faults)?)
        }
    };
    Some(retrieval::Condition { field, test: Some(test), negate })
}

fn value(raw: wire::Value, path: &str, faults: &mut Faults) -> Option<retrieval::Value> {
    let value = match raw.value {
        None => {
            faults.add(path, "must be `text`, `number` or `truth`, got none of them");
            return None;
        }
        Some(value::Value::Text(text)) if text.len() > MAX_TEXT => {
            faults.add(format!("{path}.text"), format!("may be {MAX_TEXT} bytes long, got {}", text.len()));
            return None;
        }
        Some(value::Value::Number(number)) if !number.is_finite() => {
            faults.add(format!("{path}.number"), format!("must be finite, got {number}"));
            return None;
        }
        Some(value::Value::Text(text)) => retrieval::value::Value::Text(text),
        Some(value::Value::Number(number)) => retrieval::value::Value::Number(number),
        Some(value::Value::Truth(truth)) => retrieval::value::Value::Truth(truth),
    };
    Some(retrieval::Value { value: Some(value) })
}

fn range(raw: wire::Range, path: &str, faults: &mut Faults) -> Option<retrieval::Range> {
    let wire::Range { at_least, above, at_most, below } = raw;
    let fault = if at_least.is_some() && above.is_some() {
        "has both `at_least` and `above`"
    } else if at_most.is_some() && below.is_some() {
        "has both `at_most` and `below`"
    } else if [at_least, above, at_most, below].into_iter().flatten().any(f64::is_nan) {
        "a bound is no number"
    } else if at_least.or(above).or(at_most).or(below).is_none() {
        "needs a bound: `at_least` or `above`, `at_most` or `below`"
    } else {
        return Some(retrieval::Range { at_least, above, at_most, below });
    };
    faults.add(path, fault);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(test: condition::Test) -> wire::Condition {
        wire::Condition { field: "year".to_owned(), test: Some(test), negate: true }
    }

    fn number(number: f64) -> wire::Value {
        wire::Value { value: Some(value::Value::Number(number)) }
    }

    fn text(n: usize) -> wire::Value {
        wire::Value { value: Some(value::Value::Text("x".repeat(n))) }
    }

    fn any_of(n: usize) -> wire::Condition {
        with(condition::Test::AnyOf(wire::Values { values: vec![number(1.0); n] }))
    }

    fn range(at_least: Option<f64>, above: Option<f64>, at_most: Option<f64>) -> wire::Condition {
        with(condition::Test::Range(wire::Range { at_least, above, at_most, below: None }))
    }

    /// The field at fault, if there is one.
    fn fault(raw: Vec<wire::Condition>) -> Option<String> {
        let mut faults = Faults::default();
        let n = raw.len();
        let checked = checked(raw, "c", &mut faults);
        let fault = faults.0.first().map(|violation| violation.field.clone());
        assert!(fault.is_some() || checked.len() == n, "what is right is kept");
        fault
    }

    #[test]
    fn each_limit_holds_at_its_edge_and_is_named_beyond() {
        let equals = |value| with(condition::Test::Equals(value));
        let named = |n: usize| wire::Condition { field: "x".repeat(n), ..any_of(1) };
        for (raw, field) in [
            (vec![any_of(1); 32], None),
            (vec![any_of(1); 33], Some("c")),
            (vec![any_of(1), any_of(1000)], None),
            (vec![any_of(1), any_of(1001)], Some("c[1].any_of.values")),
            (vec![any_of(0)], Some("c[0].any_of.values")),
            (vec![equals(text(4096))], None),
            (vec![equals(text(4097))], Some("c[0].equals.text")),
            (vec![equals(number(f64::INFINITY))], Some("c[0].equals.number")),
            (vec![equals(wire::Value::default())], Some("c[0].equals")),
            (vec![named(64)], None),
            (vec![named(65)], Some("c[0].field")),
            (vec![named(0)], Some("c[0].field")),
            (vec![wire::Condition { test: None, ..any_of(1) }], Some("c[0].test")),
            (vec![range(Some(1.0), None, Some(2.0))], None),
            (vec![range(None, None, None)], Some("c[0].range")),
            (vec![range(Some(1.0), Some(1.0), None)], Some("c[0].range")),
            (vec![range(Some(f64::NAN), None, None)], Some("c[0].range")),
        ] {
            assert_eq!(fault(raw.clone()).as_deref(), field, "{:?}", raw.first());
        }
    }

    #[test]
    fn what_is_right_is_passed_on_as_it_is() {
        let checked = checked(vec![range(None, Some(3.0), None)], "c", &mut Faults::default());
        let [
            retrieval::Condition {
                field,
                test: Some(retrieval::condition::Test::Range(range)),
                negate: true,
            },
        ] = &checked[..]
        else {
            panic!("{checked:?}")
        };
        assert_eq!((field.as_str(), range.above, range.at_least), ("year", Some(3.0), None));
    }
}
