//! Texts for the language tower: dialogues, captions, small talk and glosses.
//!
//! They are simple and regular on purpose: the tower is tiny. No thing that is held out is named in any, glosses excepted.

mod captions;
mod changes;
mod dialogues;
mod fill;
mod glosses;
mod grounding;
mod kinds;
mod noun;
mod phrasings;
mod small_talk;
mod subject;
mod talk;
mod unseen;

use anyhow::Result;
use fondue_terminal::interrupt::Interrupt;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use self::fill::Scene;
pub(crate) use self::{captions::table as captions, grounding::table as grounding, subject::Subject};
use crate::{phrases::Phrases, sources::Wordnet, split::Split, things::Thing};

/// One of so many documents is held back to validate with.
const VALIDATION: usize = 50;

/// Stands in a text where the vector of a picture is put.
const PICTURE: &str = "<pic>";

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Gloss,
    Dialogue,
    Caption,
    Talk,
}

/// One document, a line of `train.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// The thing that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thing: Option<String>,
    /// What the pictures show that are put for each `<pic>`, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pics: Vec<String>,
}

/// What may be spoken of: the things that are not held out.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) subjects: Vec<Subject>,
    /// Names that no text may hold.
    held: Phrases,
}

impl Spoken {
    /// Tells them apart.
    pub(crate) fn new(things: &[Thing], split: &Split, wordnet: &Wordnet) -> Result<Self> {
        let part = |held| {
            let part = things.iter().enumerate().filter(move |(at, _)| split.holds(*at) == held);
            part.map(|(_, thing)| thing)
        };
        let names: Vec<_> = part(true).map(|thing| thing.name.as_str()).collect();
        let held = Phrases::new(&names)?;
        let subjects = part(false).map(|thing| Subject::new(thing, &held, wordnet)).collect();
        Ok(Self { subjects, held })
    }
}

/// A question about a thing, and the answer; nothing where not enough is known of it.
pub(crate) fn turn(
    subject: &Subject,
    other: Option<&Subject>,
    turn: (&'static str, &'static str),
    rng: &mut ChaCha8Rng,
) -> Option<(String, String)> {
    Scene::of(subject, other).both(turn, rng)
}

/// The documents, shuffled: those to train on, and those held back.
pub(crate) fn documents(
    spoken: &Spoken,
    wordnet: &Wordnet,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<(Vec<Document>, Vec<Document>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let Spoken { subjects, held } = spoken;
    let mut documents = Vec::new();
    for at in 0..subjects.len() {
        interrupt.check()?;
        documents.extend(dialogues::about(subjects, at, &mut rng));
        documents.extend(changes::about(subjects, at, &mut rng));
        documents.extend(captions::about(&subjects[at], &mut rng));
    }
    documents.extend(unseen::dialogues(wordnet, &mut rng));
    documents.extend(talk::talks(&mut rng));
    interrupt.check()?;
    documents.retain(|document| !held.are_in(&document.text));
    documents.extend(glosses::glosses(wordnet));
    documents.shuffle(&mut rng);
    let train = documents.split_off(documents.len() / VALIDATION);
    Ok((train, documents))
}

/// Documents as lines of JSON.
pub(crate) fn lines(documents: &[Document]) -> Result<String> {
    let mut lines = String::new();
    for document in documents {
        lines.push_str(&serde_json::to_string(document)?);
        lines.push('\n');
    }
    Ok(lines)
}
