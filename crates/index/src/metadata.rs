//! Named values of a picture, that searches can ask for.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::IndexError;

/// Fields of one picture at most.
pub const MAX_FIELDS: usize = 64;
/// Bytes of a field's name at most.
pub const MAX_NAME: usize = 64;
/// Bytes of a text at most.
pub const MAX_TEXT: usize = 4096;
/// Fields that every picture has: its description's, not its metadata's.
pub const RESERVED: [&str; 4] = ["id", "caption", "group", "media_type"];

/// A value of a field. In JSON it is itself: `"summer"`, `2019`, `true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Text.
    Text(String),
    /// A finite number.
    Number(f64),
    /// True or false.
    Truth(bool),
}

impl Value {
    /// The text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is: a field holds one kind of value in all pictures of a generation.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Number(_) => Kind::Number,
            Self::Truth(_) => Kind::Truth,
        }
    }
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// True or false.
    Truth,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Truth => "truth",
        })
    }
}

/// Fields by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// No field.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field; returns what it was.
    ///
    /// # Errors
    /// [`IndexError::Metadata`] if the name is empty, too long or [`RESERVED`], a text is too long, a number is not
    /// finite, or there are too many fields.
    pub fn set(&mut self, name: impl Into<String>, value: Value) -> Result<Option<Value>, IndexError> {
        let name = name.into();
        let wrong = |reason: String| Err(IndexError::Metadata { field: name.clone(), reason });
        if let Err(reason) = check_name(&name) {
            return wrong(reason);
        }
        match &value {
            Value::Text(text) if text.len() > MAX_TEXT => {
                return wrong(format!("{} bytes of text, limit {MAX_TEXT}", text.len()));
            }
            Value::Number(number) if !number.is_finite() => {
                return wrong(format!("{number} is not a finite number"));
            }
            _ => {}
        }
        if self.0.len() >= MAX_FIELDS && !self.0.contains_key(&name) {
            return wrong(format!("a picture has {MAX_FIELDS} fields at most"));
        }
        Ok(self.0.insert(name, value))
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All fields, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Fields that are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a field can have this name; if not, why.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("a name has 1 … {MAX_NAME} bytes, this one {}", name.len()));
    }
    if RESERVED.contains(&name) {
        return Err("the name is taken by the picture's description".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_kept() {
        let mut metadata = Metadata::new();
        let text = |n: usize| Value::Text("x".repeat(n));
        assert!(metadata.set("n".repeat(MAX_NAME), text(MAX_TEXT)).is_ok());
        for (name, value) in [
            (String::new(), text(1)),
            ("n".repeat(MAX_NAME + 1), text(1)),
            ("long".to_owned(), text(MAX_TEXT + 1)),
            ("nan".to_owned(), Value::Number(f64::NAN)),
            ("caption".to_owned(), text(1)),
        ] {
            let refused = metadata.set(name.clone(), value);
            assert!(matches!(refused, Err(IndexError::Metadata { field, .. }) if field == name));
        }
        for n in 1..MAX_FIELDS {
            metadata.set(format!("f{n}"), Value::Truth(true)).unwrap();
        }
        assert!(metadata.set("one more", Value::Truth(true)).is_err());
        assert_eq!(metadata.set("f1", Value::Number(1.0)).unwrap(), Some(Value::Truth(true)));
        assert_eq!((metadata.len(), metadata.get("f1")), (MAX_FIELDS, Some(&Value::Number(1.0))));
    }

    #[test]
    fn values_are_themselves_in_json() {
        let mut metadata = Metadata::new();
        metadata.set("season", Value::Text("summer".into())).unwrap();
        metadata.set("taken", Value::Number(2019.0)).unwrap();
        metadata.set("public", Value::Truth(true)).unwrap();
        let json = serde_json::to_string(&metadata).unwrap();
        assert_eq!(json, r#"{"public":true,"season":"summer","taken":2019.0}"#);
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
    }

    proptest::proptest! {
        // Filters look at columns, in which numbers lie bit for bit, and readers at the JSON.
        #[test]
        fn numbers_come_back_bit_for_bit(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            let mut metadata = Metadata::new();
            metadata.set("number", Value::Number(number)).unwrap();
            let json = serde_json::to_string(&metadata).unwrap();
            let read = serde_json::from_str::<Metadata>(&json).unwrap();
            match read.get("number") {
                Some(Value::Number(read)) => proptest::prop_assert_eq!(read.to_bits(), number.to_bits(), "{}", json),
                other => panic!("{other:?}"),
            }
        }
    }
}
