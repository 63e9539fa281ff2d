//! What is known of a picture besides its vector.

use serde::{Deserialize, Serialize};

use crate::Metadata;

/// A picture's name and description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Unique in its generation.
    pub id: String,
    /// What it shows.
    pub caption: String,
    /// Kind of thing; may be empty.
    pub group: String,
    /// For example `image/png`; empty if no bytes are stored.
    pub media_type: String,
    /// Where it can be had if no bytes are stored; else empty.
    pub url: String,
    /// Further fields, which searches can ask for.
    pub metadata: Metadata,
}

/// What is stored of an item as JSON; the id lies elsewhere.
#[derive(Serialize, Deserialize)]
pub(crate) struct Description<'a> {
    #[serde(borrow)]
    pub(crate) caption: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) group: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) media_type: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) url: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub(crate) metadata: Metadata,
}

/// Of that, the caption alone.
#[derive(Deserialize)]
pub(crate) struct Captioned<'a> {
    #[serde(borrow)]
    pub(crate) caption: std::borrow::Cow<'a, str>,
}
