//! Names looked for in texts, at the borders of words.

use aho_corasick::{AhoCorasick, BuildError};

/// Phrases in lower case.
#[derive(Debug)]
pub(crate) struct Phrases(AhoCorasick);

impl Phrases {
    /// Of these.
    pub(crate) fn new(phrases: &[impl AsRef<[u8]>]) -> Result<Self, BuildError> {
        AhoCorasick::new(phrases).map(Self)
    }

    /// Whether a text holds any of them, whatever its case.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.find_overlapping_iter(&text).any(|found| is_alone(&text, found.start(), found.end()))
    }
}

/// Whether `text` holds `phrase`; both are in lower case.
pub(crate) fn holds(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(from, found)| is_alone(text, from, from + found.len()))
}

/// Whether no letter stands right before or behind.
fn is_alone(text: &str, from: usize, to: usize) -> bool {
    let border = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    border(text[..from].chars().next_back()) && border(text[to..].chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_held_at_the_borders_of_words() {
        let fox = Phrases::new(&["fox", "fo"]).unwrap();
        for text in ["A Fox.", "fox", "the (fox)", "firefox and fox", "fox’s", "é fox é"] {
            assert!(fox.are_in(text) && holds(&text.to_lowercase(), "fox"), "{text}");
        }
        for text in ["foxes", "firefox", "a wolf", "éfox", ""] {
            assert!(!fox.are_in(text) && !holds(text, "fox"), "{text}");
        }
    }
}
