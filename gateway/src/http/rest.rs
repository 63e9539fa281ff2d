//! Fields that are taken only at rest: what a client sent is looked at and dropped as it is read, however much it is.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess},
};

/// What such a field holds; `null` is told by an `Option` around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// `[]`.
    EmptyList,
    /// `{}`.
    EmptyMap,
    /// `"none"`.
    None,
    /// `"auto"`.
    Auto,
    /// `"default"`.
    Default,
    /// `"text"`.
    Text,
    /// `["text"]`.
    TextAlone,
    /// `{"type": "text"}`.
    TextType,
    /// Anything else.
    Other,
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> de::Visitor<'de> for Look {
    type Value = Rest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Rest, E> {
        Ok(Rest::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Rest, E> {
        Ok(Rest::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Rest, E> {
        Ok(Rest::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Rest, E> {
        Ok(Rest::Other)
    }

    fn visit_unit<E>(self) -> Result<Rest, E> {
        Ok(Rest::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Rest, E> {
        Ok(match text {
            "none" => Rest::None,
            "auto" => Rest::Auto,
            "default" => Rest::Default,
            "text" => Rest::Text,
            _ => Rest::Other,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rest, A::Error> {
        let Some(first) = items.next_element::<Rest>()? else { return Ok(Rest::EmptyList) };
        let mut alone = true;
        while items.next_element::<IgnoredAny>()?.is_some() {
            alone = false;
        }
        Ok(if alone && first == Rest::Text { Rest::TextAlone } else { Rest::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Rest, A::Error> {
        let Some(IsType(is_type)) = fields.next_key()? else { return Ok(Rest::EmptyMap) };
        let first: Rest = fields.next_value()?;
        let mut alone = true;
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            alone = false;
        }
        Ok(if alone && is_type && first == Rest::Text { Rest::TextType } else { Rest::Other })
    }
}

/// Whether a key is `type`.
struct IsType(bool);

impl<'de> Deserialize<'de> for IsType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl de::Visitor<'_> for Key {
            type Value = IsType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<IsType, E> {
                Ok(IsType(key == "type"))
            }
        }
        deserializer.deserialize_str(Key)
    }
}

/// A text that is taken and passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = AnyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, _: &str) -> Result<AnyText, E> {
                Ok(AnyText)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Texts by name that are taken and passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnyTexts;

impl<'de> Deserialize<'de> for AnyTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> de::Visitor<'de> for Texts {
            type Value = AnyTexts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<AnyTexts, A::Error> {
                while fields.next_entry::<IgnoredAny, AnyText>()?.is_some() {}
                Ok(AnyTexts)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_rest_is_told_from_the_rest() {
        for (json, expected) in [
            ("null", None),
            ("[]", Some(Rest::EmptyList)),
            ("{}", Some(Rest::EmptyMap)),
            ("\"none\"", Some(Rest::None)),
            ("\"a\\u0075to\"", Some(Rest::Auto)),
            ("\"default\"", Some(Rest::Default)),
            ("[\"text\"]", Some(Rest::TextAlone)),
            ("[\"text\", \"text\"]", Some(Rest::Other)),
            ("[\"audio\"]", Some(Rest::Other)),
            ("[[]]", Some(Rest::Other)),
            ("{\"type\": \"text\"}", Some(Rest::TextType)),
            ("{\"type\": \"text\", \"a\": 1}", Some(Rest::Other)),
            ("{\"kind\": \"text\"}", Some(Rest::Other)),
            ("{\"type\": {}}", Some(Rest::Other)),
            ("[null]", Some(Rest::Other)),
            ("true", Some(Rest::Other)),
            ("-1.5", Some(Rest::Other)),
            ("\"Auto\"", Some(Rest::Other)),
        ] {
            assert_eq!(serde_json::from_str::<Option<Rest>>(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn texts_are_texts() {
        assert!(serde_json::from_str::<AnyTexts>("{\"a\": \"b\", \"c\": \"\"}").is_ok());
        for wrong in ["{\"a\": 1}", "[]", "\"a\""] {
            assert!(serde_json::from_str::<AnyTexts>(wrong).is_err(), "{wrong}");
        }
        assert!(
            serde_json::from_str::<AnyText>("\"a\"").is_ok() && serde_json::from_str::<AnyText>("1").is_err()
        );
    }
}
