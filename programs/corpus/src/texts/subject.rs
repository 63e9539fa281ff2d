//! A thing as the texts speak of it.

use super::{kinds::kinds, noun::Noun};
use crate::{
    phrases::{self, Phrases},
    sources::{Meaning, Wordnet},
    things::Thing,
};

/// A definition in an answer has no more words than this.
const DEFINITION_WORDS: usize = 18;

/// Colours that names begin with.
const COLOURS: [&str; 10] =
    ["red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink"];

/// What is said of one thing.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The thing's id.
    pub(crate) id: String,
    pub(crate) noun: Noun,
    /// What kinds of thing it is, the closest first.
    pub(crate) kinds: Vec<Noun>,
    /// The subgroup.
    pub(crate) subgroup: String,
    /// Keywords that are not in the name.
    pub(crate) words: Vec<String>,
    /// What it is, by WordNet, where a meaning fits.
    pub(crate) gloss: Option<String>,
    /// Its colour and what is left of its name: `red`, `apple`.
    pub(crate) colour: Option<(&'static str, String)>,
}

impl Subject {
    /// `held` are names that no text may hold.
    pub(crate) fn new(thing: &Thing, held: &Phrases, wordnet: &Wordnet) -> Self {
        let fit = |word: &&String| !phrases::holds(&thing.name, word) && !held.are_in(word);
        let words: Vec<_> = thing.keywords.iter().filter(fit).cloned().collect();
        let kinds = kinds(&thing.subgroup);
        let colour = COLOURS.iter().find_map(|colour| {
            let rest = thing.name.strip_prefix(colour)?.strip_prefix(' ')?;
            Some((*colour, rest.to_owned()))
        });
        Self {
            id: thing.id.clone(),
            noun: Noun::new(&thing.name),
            gloss: gloss(&thing.name, &words, kinds, wordnet),
            kinds: kinds.iter().map(|kind| Noun::new(kind)).collect(),
            subgroup: thing.subgroup.clone(),
            words,
            colour,
        }
    }
}

/// The meaning that shares the most words with what is known of the thing, if any does.
fn gloss(name: &str, words: &[String], kinds: &[&str], wordnet: &Wordnet) -> Option<String> {
    let known = || words.iter().map(String::as_str).chain(kinds.iter().copied());
    let score = |meaning: &Meaning| {
        let gloss = meaning.gloss.to_lowercase();
        known().filter(|word| phrases::holds(&gloss, word)).count()
    };
    let mut best: Option<(usize, &Meaning)> = None;
    for meaning in wordnet.noun(name) {
        let score = score(meaning);
        if score > best.map_or(0, |(best, _)| best) {
            best = Some((score, meaning));
        }
    }
    definition(&best?.1.gloss)
}

/// A gloss as part of a sentence: what stands before the first semicolon, without a remark in brackets, and not too long.
pub(crate) fn definition(gloss: &str) -> Option<String> {
    let first = gloss.split(';').next().unwrap_or(gloss).trim();
    let plain = match first.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1.trim(),
        None => first,
    };
    let words: Vec<_> = plain.split(' ').collect();
    let short = if words.len() <= DEFINITION_WORDS {
        plain.to_owned()
    } else {
        let cut = words[..DEFINITION_WORDS].join(" ");
        cut.rsplit_once(',')?.0.to_owned()
    };
    let sound = !short.contains(['(', ')', '"', '.', ':']) && short.split(' ').count() >= 3;
    sound.then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_the_first_part_of_a_gloss_and_short() {
        assert_eq!(definition("an aircraft with wings; flies").as_deref(), Some("an aircraft with wings"));
        assert_eq!(definition("(botany) a plant that grows").as_deref(), Some("a plant that grows"));
        let long = "a thing that is told of at length, ".to_owned() + &"and ".repeat(20);
        assert_eq!(definition(&long).as_deref(), Some("a thing that is told of at length"));
        assert_eq!(definition("dog"), None);
    }
}
