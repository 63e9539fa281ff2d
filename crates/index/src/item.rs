//! What is known of a picture besides its vector.

use serde::{Deserialize, Serialize};

/// A picture's name and description.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}
