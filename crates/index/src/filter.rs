//! What a picture must be to be found.

use std::ops::Bound;

use crate::{Item, metadata::Value};

/// Conditions that must all hold; none lets every picture through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// In the order of asking.
    pub conditions: Vec<Condition>,
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// A field of the metadata, or `group`, `media_type`, `caption` or `id`.
    pub field: String,
    /// What its value must be.
    pub test: Test,
    /// Whether the test must fail instead. A picture without the field passes then.
    pub negate: bool,
}

/// What a value must be. A picture without the field fails, and so does a value of another kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these.
    AnyOf(Vec<Value>),
    /// A number between these.
    Range(Bound<f64>, Bound<f64>),
}

impl Filter {
    /// Whether it lets every picture through.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether it lets this picture through.
    pub fn accepts(&self, item: &Item) -> bool {
        self.conditions.iter().all(|condition| condition.holds(item))
    }
}

impl Condition {
    fn holds(&self, item: &Item) -> bool {
        let text = |text: &str| self.test.accepts(&Value::Text(text.to_owned()));
        let passes = match self.field.as_str() {
            "id" => text(&item.id),
            // What is empty is not there.
            "caption" => !item.caption.is_empty() && text(&item.caption),
            "group" => !item.group.is_empty() && text(&item.group),
            "media_type" => !item.media_type.is_empty() && text(&item.media_type),
            name => item.metadata.get(name).is_some_and(|value| self.test.accepts(value)),
        };
        passes != self.negate
    }
}

impl Test {
    /// Whether a value passes.
    pub fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::AnyOf(values) => values.contains(value),
            Self::Range(low, high) => match value {
                Value::Number(number) => std::ops::RangeBounds::contains(&(*low, *high), number),
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;

    fn item() -> Item {
        let mut metadata = Metadata::new();
        metadata.set("year", Value::Number(2019.0)).unwrap();
        metadata.set("place", Value::Text("sea".into())).unwrap();
        Item { id: "a".into(), group: "things".into(), metadata, ..Item::default() }
    }

    fn accepts(field: &str, test: Test, negate: bool) -> bool {
        let condition = Condition { field: field.into(), test, negate };
        Filter { conditions: vec![condition] }.accepts(&item())
    }

    fn text(text: &str) -> Test {
        Test::AnyOf(vec![Value::Text("other".into()), Value::Text(text.into())])
    }

    #[test]
    fn conditions_see_description_and_metadata() {
        assert!(Filter::default().accepts(&item()));
        assert!(accepts("id", text("a"), false) && accepts("group", text("things"), false));
        assert!(accepts("place", text("sea"), false) && !accepts("place", text("hill"), false));
        let range = |low, high| Test::Range(low, high);
        assert!(accepts("year", range(Bound::Included(2019.0), Bound::Unbounded), false));
        assert!(!accepts("year", range(Bound::Excluded(2019.0), Bound::Unbounded), false));
        assert!(!accepts("year", range(Bound::Unbounded, Bound::Excluded(2019.0)), false));
        // Another kind of value, and no value: the test fails, and its negation holds.
        for (field, test) in [
            ("place", range(Bound::Unbounded, Bound::Unbounded)),
            ("absent", text("x")),
            ("media_type", text("")),
        ] {
            assert!(!accepts(field, test.clone(), false) && accepts(field, test, true), "{field}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let condition =
            |field: &str, value: &str, negate| Condition { field: field.into(), test: text(value), negate };
        let both = |negate| Filter {
            conditions: vec![condition("id", "a", false), condition("place", "sea", negate)],
        };
        assert!(both(false).accepts(&item()) && !both(true).accepts(&item()));
    }
}
