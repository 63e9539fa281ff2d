//! Columns and items agree on every filter; kinds and counts are kept.

use std::ops::Bound;

use fondue_domain::Embedding;
use proptest::prelude::*;

use super::MAX_COLUMNS;
use crate::{Builder, Condition, Filter, Generation, IndexError, Item, Metadata, NewItem, Root, Test, Value};

fn new_item(item: Item) -> NewItem {
    let picture = (!item.media_type.is_empty()).then(|| vec![1]);
    NewItem { item, picture, sha256: [0; 32] }
}

fn generation(items: &[Item]) -> (tempfile::TempDir, Generation) {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    let vector = Embedding::normalized(vec![1.0, 0.0]).unwrap();
    for item in items {
        builder.add(new_item(item.clone()), &vector).unwrap();
    }
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    generation.verify().unwrap();
    (root, generation)
}

/// Fields have one kind each: texts, numbers, truths by their first letter.
fn value(name: &str) -> BoxedStrategy<Value> {
    match name.as_bytes()[0] {
        b't' => {
            prop::sample::select(vec!["", "a", "b", "ä\"\\\n"]).prop_map(|t| Value::Text(t.into())).boxed()
        }
        b'n' => {
            let numbers = vec![0.0, -0.0, 1.0, 1.5, -3.0, f64::MAX, f64::MIN_POSITIVE];
            prop::sample::select(numbers).prop_map(Value::Number).boxed()
        }
        _ => any::<bool>().prop_map(Value::Truth).boxed(),
    }
}

const NAMES: [&str; 5] = ["t1", "t2", "n1", "n2", "b1"];

fn metadata() -> impl Strategy<Value = Metadata> {
    let field = |name: &'static str| prop::option::of(value(name)).prop_map(move |value| (name, value));
    NAMES.map(field).to_vec().prop_map(|fields| {
        let mut metadata = Metadata::new();
        for (name, value) in fields {
            if let Some(value) = value {
                metadata.set(name, value).unwrap();
            }
        }
        metadata
    })
}

fn item() -> impl Strategy<Value = Item> {
    let text = || prop::sample::select(vec!["", "a", "b"]).prop_map(str::to_owned);
    (metadata(), text(), text(), text()).prop_map(|(metadata, group, caption, media_type)| Item {
        group,
        caption,
        media_type,
        metadata,
        ..Item::default()
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    prop::sample::select(NAMES.to_vec()).prop_flat_map(value)
}

fn bound() -> impl Strategy<Value = Bound<f64>> {
    let number = prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, -3.0, 100.0]);
    prop_oneof![
        Just(Bound::Unbounded),
        number.clone().prop_map(Bound::Included),
        number.prop_map(Bound::Excluded)
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let names = [&NAMES[..], &["group", "media_type", "caption", "id", "absent"]].concat();
    let values = prop::collection::vec(any_value(), 0..20);
    let test =
        prop_oneof![values.prop_map(Test::AnyOf), (bound(), bound()).prop_map(|(l, h)| Test::Range(l, h))];
    (prop::sample::select(names), test, any::<bool>()).prop_map(|(field, test, negate)| Condition {
        field: field.to_owned(),
        test,
        negate,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn columns_let_pass_what_items_do(
        items in prop::collection::vec(item(), 1..150),
        filters in prop::collection::vec(prop::collection::vec(condition(), 0..4), 20),
    ) {
        let mut items = items;
        items.iter_mut().enumerate().for_each(|(n, item)| item.id = if n == 0 { "a".into() } else { n.to_string() });
        let (_root, generation) = generation(&items);
        for conditions in filters {
            let filter = Filter { conditions };
            let expected: Vec<usize> = (0..items.len()).filter(|&row| filter.accepts(&items[row])).collect();
            match generation.select(&filter).unwrap() {
                Some(rows) => {
                    prop_assert_eq!(rows.count(), expected.len());
                    prop_assert_eq!(rows.iter().collect::<Vec<_>>(), expected, "{:?}", filter);
                }
                None => prop_assert!(filter.is_empty()),
            }
        }
    }
}

fn with(n: usize, name: &str, value: Value) -> Item {
    let mut metadata = Metadata::new();
    metadata.set(name, value).unwrap();
    Item { id: n.to_string(), metadata, ..Item::default() }
}

#[test]
fn a_field_keeps_its_kind_and_a_refused_picture_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    let vector = Embedding::normalized(vec![1.0, 0.0]).unwrap();
    builder.add(new_item(with(0, "year", Value::Number(2019.0))), &vector).unwrap();
    let refused = builder.add(new_item(with(1, "year", Value::Text("2019".into()))), &vector).unwrap_err();
    assert!(matches!(&refused, IndexError::FieldKind { field, .. } if field == "year"), "{refused}");
    assert!(refused.to_string().contains("number") && refused.to_string().contains("text"), "{refused}");
    builder.add(new_item(with(1, "place", Value::Text("sea".into()))), &vector).unwrap();
    let id = builder.publish().unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    let fields: Vec<_> = generation.fields().map(|(name, kind)| format!("{name} {kind}")).collect();
    assert_eq!((generation.len(), fields), (2, vec!["year number".to_owned(), "place text".to_owned()]));
}

#[test]
fn an_index_has_so_many_fields_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(root.path(), 2, "model").unwrap();
    let vector = Embedding::normalized(vec![1.0, 0.0]).unwrap();
    for n in 0..MAX_COLUMNS {
        let item = Item { group: "g".into(), ..with(n, &format!("f{n}"), Value::Truth(true)) };
        builder.add(new_item(item), &vector).unwrap();
    }
    let refused = builder.add(new_item(with(MAX_COLUMNS, "more", Value::Truth(true))), &vector);
    assert!(matches!(refused, Err(IndexError::TooManyFields { max: MAX_COLUMNS })));
    builder.add(new_item(with(MAX_COLUMNS, "f1", Value::Truth(false))), &vector).unwrap();
    assert_eq!(builder.len(), MAX_COLUMNS + 1);
}
