//! Which generations there are, what is known of each, and which is active.
//!
//! The catalogue is a small collection with a row a generation. The row is written when the generation's own collection
//! is whole, so that a generation appears all at once; collections without a row are no generations. The active one is
//! named by an alias, which Milvus moves from one collection to another atomically.

use std::collections::BTreeMap;

use fondue_index::metadata::Kind;
use milvus::v2::prelude::{DataType, FieldData};
use serde::{Deserialize, Serialize};

use super::{index::Index, server::broken};
use crate::store::StoreError;

/// Layout of the facts.
const FORMAT: u32 = 1;
/// Bytes of a text column at most: Milvus' own limit.
pub(super) const MAX_TEXT: usize = 65_535;

/// What is known of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    format: u32,
    /// Pictures that it began with.
    pub(super) rows: u64,
    pub(super) dim: usize,
    pub(super) fingerprint: String,
    pub(super) vision_fingerprint: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) parent: String,
    pub(super) index: Index,
    /// Fields of the metadata, those of pictures that came later included.
    pub(super) fields: BTreeMap<String, Kind>,
}

impl Facts {
    /// Of a generation that was built or imported here.
    pub(super) fn of(generation: &fondue_index::Generation, index: Index) -> Self {
        Self {
            format: FORMAT,
            rows: generation.len() as u64,
            dim: generation.dim(),
            fingerprint: generation.fingerprint().to_owned(),
            vision_fingerprint: generation.vision_fingerprint().unwrap_or_default().to_owned(),
            created: generation.created(),
            parent: generation.parent().unwrap_or_default().to_owned(),
            index,
            fields: generation.fields().map(|(name, kind)| (name.to_owned(), kind)).collect(),
        }
    }

    /// The same, with other fields.
    pub(super) fn with_fields(&self, fields: BTreeMap<String, Kind>) -> Self {
        Self { fields, ..self.clone() }
    }

    /// As the catalogue's row has them.
    pub(super) fn read(id: &str, json: &str) -> Result<Self, StoreError> {
        let facts: Self = serde_json::from_str(json).map_err(|error| {
            broken(format!("what Milvus' catalogue tells of {id} cannot be read: {error}"))
        })?;
        if facts.format != FORMAT {
            let got = facts.format;
            return Err(broken(format!(
                "Milvus' catalogue has {id} in format {got}; this version reads {FORMAT}"
            )));
        }
        Ok(facts)
    }

    /// The columns of the catalogue's row.
    pub(super) fn row(&self, id: &str) -> Result<Vec<FieldData>, StoreError> {
        let json = serde_json::to_string(self).map_err(|error| broken(error.to_string()))?;
        Ok(vec![
            FieldData::varchar("id", vec![id.to_owned()]),
            FieldData::varchar("facts", vec![json]),
            // Milvus has no collection without vectors.
            FieldData::float_vector("unused", vec![vec![1.0, 0.0]]),
        ])
    }
}

/// Names of what belongs to one index.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn catalogue(&self) -> String {
        format!("{}_generations", self.prefix)
    }

    /// The alias.
    pub(super) fn active(&self) -> String {
        format!("{}_active", self.prefix)
    }

    /// The collection of a generation.
    pub(super) fn collection(&self, id: &str) -> String {
        format!("{}_{id}", self.prefix)
    }

    /// The generation of a collection.
    pub(super) fn generation<'a>(&self, collection: &'a str) -> Option<&'a str> {
        collection.strip_prefix(&self.prefix)?.strip_prefix('_').filter(|id| is_id(id))
    }
}

/// `g` and 16 lower-case hexadecimal digits; nothing else gets into a collection's name.
pub(super) fn is_id(text: &str) -> bool {
    text.strip_prefix('g').is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Columns of the catalogue.
pub(super) fn schema() -> milvus::v2::CollectionSchema {
    use milvus::v2::{CollectionSchema, FieldSchema};
    let text =
        |name: &str, bytes| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(bytes);
    CollectionSchema::new()
        .add_field(text("id", 64).primary_key(true))
        .add_field(text("facts", MAX_TEXT as u32))
        .add_field(FieldSchema::new().name("unused").data_type(DataType::FloatVector).dimension(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_generations_and_back() {
        let names = Names::new("fondue");
        let id = "g0123456789abcdef";
        assert_eq!(names.generation(&names.collection(id)), Some(id));
        for other in
            ["fondue_generations", "other_g0123456789abcdef", "fondue_g0123456789abcdeF", "fondueg", ""]
        {
            assert_eq!(names.generation(other), None, "{other}");
        }
    }

    #[test]
    fn what_the_catalogue_holds_is_read_or_refused() {
        let facts = Facts {
            format: FORMAT,
            rows: 3,
            dim: 4,
            fingerprint: "model".to_owned(),
            vision_fingerprint: String::new(),
            created: 7,
            parent: String::new(),
            index: Index::Flat,
            fields: [("year".to_owned(), Kind::Number)].into(),
        };
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(Facts::read("g", &json).unwrap(), facts);
        for wrong in ["", "{}", "null", &json.replace("\"format\":1", "\"format\":2")] {
            assert!(matches!(Facts::read("g", wrong), Err(StoreError::Broken { .. })), "{wrong}");
        }
    }
}
