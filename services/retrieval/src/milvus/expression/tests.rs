//! What expressions look like, and that no text gets out of its quotes. What servers make of them is in `tests/it`.

use super::*;

fn where_of(conditions: Vec<Condition>) -> Expression {
    expression(&Filter { conditions }, &Exclusions::default())
}

fn one(field: &str, test: Test, negate: bool) -> Expression {
    where_of(vec![Condition { field: field.to_owned(), test, negate }])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn is(expression: &str) -> Expression {
    Where(expression.to_owned())
}

#[test]
fn each_kind_of_test_has_its_form() {
    let any_of = |values: Vec<Value>| Test::AnyOf(values);
    let range = |low, high| Test::Range(low, high);
    let cases = [
        (one("group", any_of(vec![text("a"), text("b")]), false), is(r#"(group_name in ["a", "b"])"#)),
        (one("id", any_of(vec![text("a")]), true), is(r#"not (id in ["a"])"#)),
        (
            one("year", any_of(vec![Value::Number(2019.0)]), false),
            is(r#"(exists metadata["n_year"] and metadata["n_year"] == 2019.0)"#),
        ),
        (
            one("open", any_of(vec![Value::Truth(true)]), true),
            is(r#"not (exists metadata["b_open"] and metadata["b_open"] == true)"#),
        ),
        (
            one("of", any_of(vec![text("a"), Value::Number(-1e-7), text("b")]), false),
            is(concat!(
                r#"((exists metadata["t_of"] and (metadata["t_of"] == "a" or metadata["t_of"] == "b")) or "#,
                r#"(exists metadata["n_of"] and metadata["n_of"] == -1e-7))"#
            )),
        ),
        (
            one("year", range(Bound::Included(1.0), Bound::Excluded(2.5)), false),
            is(r#"(exists metadata["n_year"] and metadata["n_year"] >= 1.0 and metadata["n_year"] < 2.5)"#),
        ),
        (
            one("year", range(Bound::Excluded(f64::NEG_INFINITY), Bound::Unbounded), false),
            is(r#"(exists metadata["n_year"])"#),
        ),
        (where_of(vec![]), All),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}

#[test]
fn what_cannot_hold_is_not_asked_and_its_negation_lets_all_through() {
    for (field, test) in [
        ("caption", Test::AnyOf(vec![text("")])),
        ("id", Test::AnyOf(vec![Value::Number(1.0)])),
        ("group", Test::Range(Bound::Included(0.0), Bound::Unbounded)),
        ("year", Test::Range(Bound::Included(f64::INFINITY), Bound::Unbounded)),
        ("year", Test::Range(Bound::Unbounded, Bound::Excluded(f64::NEG_INFINITY))),
    ] {
        assert_eq!((one(field, test.clone(), false), one(field, test, true)), (Nothing, All), "{field}");
    }
}

#[test]
fn exclusions_join_the_conditions() {
    let exclusions = Exclusions { ids: ["b".to_owned(), "a".to_owned()].into(), sha256: [[255; 32]].into() };
    let condition = Condition { field: "group".into(), test: Test::AnyOf(vec![text("x")]), negate: false };
    let joined = expression(&Filter { conditions: vec![condition] }, &exclusions);
    let digest = "f".repeat(64);
    let expected =
        format!(r#"(group_name in ["x"]) and (id not in ["a", "b"]) and (sha256 not in ["{digest}"])"#);
    assert_eq!(joined, Where(expected));
}

/// Reads a literal as servers do; `None` unless it is one and ends where the text ends.
fn read(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let (mut text, mut characters) = (String::new(), inner.chars());
    while let Some(character) = characters.next() {
        text.push(match character {
            '"' | '\n' | '\r' => return None,
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                same @ ('"' | '\\') => same,
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

proptest::proptest! {
    #[test]
    fn no_text_gets_out_of_its_quotes(text in "(\\PC|[\"'\\\\\\n\\r\\t\\x00\\x7f\u{2028}])*") {
        proptest::prop_assert_eq!(read(&literal(&text)), Some(text));
    }

    #[test]
    fn a_number_is_read_as_the_same(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
        proptest::prop_assert_eq!(decimal(number).parse::<f64>().unwrap().to_bits(), number.to_bits());
    }
}

#[test]
fn many_values_make_a_shallow_tree() {
    let tests: Vec<String> = (0..1000).map(|n| format!("a == {n}")).collect();
    let tree = any(&tests);
    let mut deepest = 0;
    let mut depth: i32 = 0;
    for character in tree.chars() {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        deepest = deepest.max(depth);
    }
    assert_eq!((deepest, tree.matches(" or ").count()), (10, 999));
}
