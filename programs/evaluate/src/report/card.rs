//! The model card.

use std::path::Path;

use anyhow::{Context, Result};

use super::Report;

/// What a card says beside the report.
pub(crate) struct Card {
    text: String,
}

impl Card {
    /// Reads what is to be said of the training and of the corpus's sources.
    pub(crate) fn read(text: Option<&Path>, _corpus: &Path) -> Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        Ok(Self { text: text.map(read).transpose()?.unwrap_or_default() })
    }
}

pub(super) fn text(_: &Report, card: &Card) -> String {
    card.text.clone()
}
