//! Conditions, against [`Filter::accepts`].

use std::ops::Bound;

use fondue_index::{self as index, Filter, Item, Metadata, Test, Value};
use fondue_proto::retrieval::{self as wire, SearchRequest, condition, value};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::Back;
use crate::service::{Client, found, search};

/// Texts that mean something to somebody.
const TEXTS: [&str; 9] =
    ["sea", "hill", "a \"b\"", "back\\slash", "line\nline\t\r", "d'or", "é😀", "", "x\"] or id in [\"a0"];
const FIELDS: [&str; 9] =
    ["place", "year", "open", "odd \"name\"\\", "absent", "id", "caption", "group", "media_type"];

fn item(id: &str, fields: Vec<(&str, Value)>) -> Item {
    let mut metadata = Metadata::new();
    for (name, value) in fields {
        metadata.set(name, value).unwrap();
    }
    Item { id: id.to_owned(), metadata, ..Item::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn wire_value(value: &Value) -> wire::Value {
    wire::Value {
        value: Some(match value {
            Value::Text(text) => value::Value::Text(text.clone()),
            Value::Number(number) => value::Value::Number(*number),
            Value::Truth(truth) => value::Value::Truth(*truth),
        }),
    }
}

fn wire_condition(condition: &index::Condition) -> wire::Condition {
    let test = match &condition.test {
        Test::AnyOf(values) => {
            condition::Test::AnyOf(wire::Values { values: values.iter().map(wire_value).collect() })
        }
        Test::Range(low, high) => {
            let split = |bound: &Bound<f64>| match bound {
                Bound::Included(number) => (Some(*number), None),
                Bound::Excluded(number) => (None, Some(*number)),
                Bound::Unbounded => (None, None),
            };
            let ((at_least, above), (at_most, below)) = (split(low), split(high));
            condition::Test::Range(wire::Range { at_least, above, at_most, below })
        }
    };
    wire::Condition { field: condition.field.clone(), test: Some(test), negate: condition.negate }
}

/// Asks, and compares with what the oracle lets through.
async fn check(client: &mut Client, items: &[Item], filter: &Filter) {
    let conditions = filter.conditions.iter().map(wire_condition).collect();
    let asked = SearchRequest { conditions, ..search(0, items.len() as i32) };
    let got = found(client, asked).await.unwrap_or_else(|error| panic!("{filter:?}: {error:?}"));
    let expected: Vec<_> =
        items.iter().filter(|item| filter.accepts(item)).map(|item| item.id.clone()).collect();
    assert_eq!(got, expected, "{filter:?}");
}

fn one(field: &str, test: Test, negate: bool) -> Filter {
    Filter { conditions: vec![index::Condition { field: field.to_owned(), test, negate }] }
}

async fn serve(back: &Back, items: &[Item]) -> Client {
    let id = back.publish_items(items).await;
    back.activate(&id).await;
    back.start(&[]).await
}

pub(crate) async fn each_kind_of_condition_holds(back: Back) {
    let items = [
        Item {
            group: "food".into(),
            ..item("a", vec![("place", text("sea")), ("year", Value::Number(2019.0))])
        },
        Item {
            caption: "b".into(),
            ..item("b", vec![("place", text("hill")), ("open", Value::Truth(true))])
        },
        item("c", vec![("year", Value::Number(-0.5)), ("open", Value::Truth(false))]),
        Item { media_type: "image/png".into(), ..item("d", vec![]) },
    ];
    let mut client = serve(&back, &items).await;
    let number = |bound: f64| Bound::Included(bound);
    for (field, test) in [
        ("place", Test::AnyOf(vec![text("sea")])),
        ("place", Test::AnyOf(vec![text("hill"), Value::Number(1.0), text("sea")])),
        ("place", Test::Range(number(0.0), Bound::Unbounded)),
        ("year", Test::AnyOf(vec![Value::Number(2019.0), text("2019"), Value::Truth(true)])),
        ("year", Test::Range(number(-0.5), number(2019.0))),
        ("year", Test::Range(Bound::Excluded(-0.5), Bound::Unbounded)),
        ("year", Test::Range(Bound::Unbounded, Bound::Excluded(2019.0))),
        ("year", Test::Range(number(f64::NEG_INFINITY), Bound::Unbounded)),
        ("year", Test::Range(number(f64::INFINITY), Bound::Unbounded)),
        ("year", Test::Range(number(3.0), number(2.0))),
        ("open", Test::AnyOf(vec![Value::Truth(false)])),
        ("open", Test::AnyOf(vec![Value::Truth(true), Value::Truth(false)])),
        ("absent", Test::AnyOf(vec![text("")])),
        ("id", Test::AnyOf(vec![text("c"), text("a"), text("z")])),
        ("group", Test::AnyOf(vec![text("food"), text("")])),
        ("caption", Test::AnyOf(vec![text("b")])),
        ("media_type", Test::AnyOf(vec![text("image/png")])),
        ("media_type", Test::AnyOf(vec![text("")])),
    ] {
        for negate in [false, true] {
            check(&mut client, &items, &one(field, test.clone(), negate)).await;
        }
    }
    // As many values as may be asked for.
    let many = (0..999).map(|n| Value::Number(f64::from(n) * 0.37)).chain([Value::Number(2019.0)]).collect();
    check(&mut client, &items, &one("year", Test::AnyOf(many), false)).await;
}

pub(crate) async fn texts_are_texts(back: Back) {
    let texts = || TEXTS.into_iter().filter(|of| !of.is_empty());
    let described = |(n, of): (usize, &str)| Item {
        caption: of.to_owned(),
        ..item(&format!("a{n}"), vec![(of, text(of)), ("t", text(of))])
    };
    let items: Vec<_> = texts().enumerate().map(described).collect();
    let mut client = serve(&back, &items).await;
    for of in texts() {
        for field in [of, "t", "caption", "id"] {
            for negate in [false, true] {
                check(&mut client, &items, &one(field, Test::AnyOf(vec![text(of)]), negate)).await;
            }
        }
    }
}

pub(crate) async fn conditions_mean_what_the_oracle_says(back: Back) {
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let text_of = |random: &mut ChaCha8Rng| text(TEXTS.choose(random).unwrap());
    let number_of = |random: &mut ChaCha8Rng| {
        Value::Number([-1e300, -2.5, 0.0, 1e-7, 3.0, 2019.0][random.random_range(0..6)])
    };
    let truth_of = |random: &mut ChaCha8Rng| Value::Truth(random.random());
    let items: Vec<_> = (0..30)
        .map(|n| {
            let mut fields = Vec::new();
            for (name, value) in [
                (FIELDS[0], text_of(&mut random)),
                (FIELDS[1], number_of(&mut random)),
                (FIELDS[2], truth_of(&mut random)),
                (FIELDS[3], text_of(&mut random)),
            ] {
                if random.random_bool(0.7) {
                    fields.push((name, value));
                }
            }
            let mut of = || TEXTS.choose(&mut random).map(|of| (*of).to_owned()).unwrap();
            Item { caption: of(), group: of(), media_type: of(), ..item(&format!("a{n}"), fields) }
        })
        .collect();
    let mut client = serve(&back, &items).await;
    for _ in 0..60 {
        let conditions = (0..random.random_range(1..4))
            .map(|_| {
                let field = (*FIELDS.choose(&mut random).unwrap()).to_owned();
                let test = if random.random_bool(0.3) {
                    let bound = |random: &mut ChaCha8Rng| {
                        let Value::Number(number) = number_of(random) else { unreachable!() };
                        if random.random() { Bound::Included(number) } else { Bound::Excluded(number) }
                    };
                    Test::Range(bound(&mut random), bound(&mut random))
                } else {
                    Test::AnyOf(
                        (0..random.random_range(1..4))
                            .map(|_| match random.random_range(0..4) {
                                0 | 1 => text_of(&mut random),
                                2 => number_of(&mut random),
                                _ => truth_of(&mut random),
                            })
                            .collect(),
                    )
                };
                index::Condition { field, test, negate: random.random_bool(0.4) }
            })
            .collect();
        check(&mut client, &items, &Filter { conditions }).await;
    }
}
