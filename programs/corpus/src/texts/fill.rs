//! Templates filled with what is spoken of.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    noun::{Noun, sentence},
    phrasings::Turn,
    subject::Subject,
};

/// What a dialogue speaks of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene<'a> {
    pub(crate) noun: Option<&'a Noun>,
    pub(crate) kinds: &'a [Noun],
    pub(crate) words: &'a [String],
    pub(crate) gloss: Option<&'a str>,
    pub(crate) other: Option<&'a Subject>,
}

impl<'a> Scene<'a> {
    /// A thing, and another thing.
    pub(crate) fn of(subject: &'a Subject, other: Option<&'a Subject>) -> Self {
        let Subject { noun, kinds, words, gloss, .. } = subject;
        Self { noun: Some(noun), kinds, words, gloss: gloss.as_deref(), other }
    }

    /// The question and the answer as a turn of a dialogue; nothing if the scene lacks what they speak of.
    pub(crate) fn turn(&self, turn: Turn, rng: &mut ChaCha8Rng) -> Option<String> {
        let (question, answer) = self.both(turn, rng)?;
        Some(format!("Q: {}\nA: {answer}\n", loosened(question, rng)))
    }

    /// The question and the answer in full.
    pub(crate) fn both(&self, (question, answer): Turn, rng: &mut ChaCha8Rng) -> Option<(String, String)> {
        // Drawn once a turn, so that an answer speaks of what was asked.
        let chosen = Chosen {
            word: self.words.choose(rng).map(String::as_str),
            words: listed(self.words, rng),
            kind: self.kinds.choose(rng).map(Noun::a),
        };
        Some((self.fill(question, &chosen)?, self.fill(answer, &chosen)?))
    }

    fn fill(&self, template: &str, chosen: &Chosen<'_>) -> Option<String> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}')?;
            filled.push_str(before);
            let capital = key.starts_with(char::is_uppercase);
            let value = self.value(&key.to_lowercase(), chosen)?;
            filled.push_str(&if capital { sentence(&value) } else { value });
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    fn value(&self, key: &str, chosen: &Chosen<'_>) -> Option<String> {
        let noun = self.noun?;
        let asked = |noun: &Noun| if noun.is() == "are" { "are these" } else { "is this" }.to_owned();
        Some(match key {
            "a" => noun.a(),
            "name" => noun.name.clone(),
            "another" => noun.another(),
            "is" => noun.is().to_owned(),
            "this is" => noun.this_is().to_owned(),
            "is this" => asked(noun),
            "it is" => noun.it_is().to_owned(),
            "kind" => chosen.kind.clone()?,
            "other kind" => {
                let other = self.other?.kinds.first()?;
                (!self.kinds.contains(other)).then(|| other.a())?
            }
            "word" => chosen.word?.to_owned(),
            "words" => chosen.words.clone()?,
            "gloss" => self.gloss?.to_owned(),
            "other" => self.other?.noun.a(),
            "other is" => self.other?.noun.is().to_owned(),
            "is this other" => asked(&self.other?.noun),
            "colour" => self.other?.colour.as_ref()?.0.to_owned(),
            _ => return None,
        })
    }
}

/// What is drawn for one turn.
struct Chosen<'a> {
    word: Option<&'a str>,
    words: Option<String>,
    kind: Option<String>,
}

/// Up to three of the words: `diet, food and ripe`.
fn listed(words: &[String], rng: &mut ChaCha8Rng) -> Option<String> {
    let some: Vec<_> = words.sample(rng, 3).map(String::as_str).collect();
    let (last, first) = some.split_last()?;
    Some(if first.is_empty() { (*last).to_owned() } else { format!("{} and {last}", first.join(", ")) })
}

/// As people type: at times without the last mark or the first capital.
pub(crate) fn loosened(question: String, rng: &mut ChaCha8Rng) -> String {
    let mut question = question;
    if rng.random_bool(0.15) {
        question.truncate(question.trim_end_matches(['.', '?', '!']).len());
    }
    if rng.random_bool(0.12) && !question.starts_with("I ") {
        let mut letters = question.chars();
        let first = letters.next().map(char::to_lowercase);
        question = first.into_iter().flatten().chain(letters).collect();
    }
    question
}
