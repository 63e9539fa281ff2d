//! WordNet's glosses as documents.

use super::{Document, Kind};
use crate::sources::Wordnet;

/// A gloss has no more words than this.
const WORDS: usize = 40;

/// One document a meaning: `apple: fruit with red or yellow or green skin`.
pub(crate) fn glosses(wordnet: &Wordnet) -> impl Iterator<Item = Document> {
    wordnet.meanings.iter().map(|meaning| {
        let gloss: Vec<_> = meaning.gloss.split_whitespace().take(WORDS).collect();
        let text = format!("{}: {}", meaning.words[0], gloss.join(" "));
        Document { text, kind: Kind::Gloss, thing: None, pics: Vec::new() }
    })
}
