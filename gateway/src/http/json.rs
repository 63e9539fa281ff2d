//! JSON of strangers: how many values it has is looked at before anything is made of it, and what is wrong is named by its path.
//!
//! A value of two bytes becomes a hundred in memory. So a body is first gone through by [`Count`], which keeps nothing, and only one
//! with few values is read: what it takes then is its texts, once, and little beside them.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_path_to_error::Track;

use super::errors::Problem;

/// `bytes` as `T`.
///
/// # Errors
/// [`Problem`]: not JSON, more than `most` values, or which field is wrong.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], most: usize) -> Result<T, Problem> {
    few(bytes, most)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner();
        let param = (path != "." && path != "?").then(|| path.clone());
        let code = match reason.to_string() {
            _ if reason.is_syntax() || reason.is_eof() => "invalid_json",
            text if text.starts_with("unknown field") => "unknown_parameter",
            text if text.starts_with("missing field") => "missing_required_parameter",
            _ => "invalid_type",
        };
        let place = param.as_ref().map_or(String::new(), |param| format!("{param}: "));
        Problem::invalid(code, param, format!("{place}{reason}"))
    })?;
    reader.end().map_err(|error| Problem::invalid("invalid_json", None, error.to_string()))?;
    Ok(value)
}

/// Refuses more than `most` values, and names the first that is too many. What is no JSON is left to the reader.
fn few(bytes: &[u8], most: usize) -> Result<(), Problem> {
    let left = Cell::new(most);
    let counted = Count(&left).deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    if !counted.is_err_and(|error| error.is_data()) {
        return Ok(());
    }
    // Once more, for the path alone: to keep it takes time, which a right body need not spend.
    let (left, mut track) = (Cell::new(most), Track::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let _ = Count(&left).deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track));
    let path = track.path().to_string();
    let message = format!("{path}: the body has more than {most} values, the limit (max_json_values)");
    Err(Problem::invalid("too_many_values", path, message))
}

/// Goes through a value and counts it and all within; an error when none is left.
#[derive(Clone, Copy)]
struct Count<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| de::Error::custom("too many values"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key::<IgnoredAny>()?.is_some() {
            fields.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn told(json: &str, most: usize) -> Result<Value, serde_json::Value> {
        read(json.as_bytes(), most).map_err(|problem| serde_json::to_value(problem.into_body()).unwrap())
    }

    #[test]
    fn values_are_counted_and_the_first_too_many_is_named() {
        let json = "{\"a\": [1, {\"b\": \"x\"}], \"c\": null}"; // the object, the list, 1, the object, "x", null
        assert!(told(json, 6).is_ok());
        for (most, param) in [(5, "c"), (4, "a[1].b"), (3, "a[1]"), (2, "a[0]"), (1, "a")] {
            let error = &told(json, most).unwrap_err()["error"];
            assert_eq!(
                (&error["param"], &error["code"]),
                (&param.into(), &"too_many_values".into()),
                "{most}"
            );
            assert!(error["message"].as_str().unwrap().contains("max_json_values"), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_as_that() {
        for wrong in ["", "{", "[1,", "{\"a\" 1}", "[1] 2", "\"\u{1}\"", &"[".repeat(10_000)] {
            let error = &told(wrong, 100).unwrap_err()["error"];
            let codes = ["invalid_json", "too_many_values"];
            assert!(codes.contains(&error["code"].as_str().unwrap()), "{wrong:.10}: {error}");
        }
    }
}
