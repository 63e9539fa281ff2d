//! Names beside keywords and pictures, as documents and as the tables that `fondue train ground` reads.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{
    Document, Kind, PICTURE,
    noun::{Noun, sentence},
    subject::Subject,
};
use crate::{pictures::Row, things::Thing};

/// Captions as documents: with `[RET]` before what can be known only from the name, and behind a picture.
pub(crate) fn about(subject: &Subject, rng: &mut ChaCha8Rng) -> Vec<Document> {
    let [name, with, here] = forms(&subject.noun);
    let document = |text, pics| Document { text, kind: Kind::Caption, thing: Some(subject.id.clone()), pics };
    let mut documents = Vec::new();
    for form in [&name, &with, &here] {
        documents.push(document(format!("{PICTURE}{form}"), vec![subject.id.clone()]));
    }
    let mut words: Vec<_> = subject.kinds.iter().map(|kind| kind.name.clone()).collect();
    for word in &subject.words {
        if !words.contains(word) {
            words.push(word.clone());
        }
    }
    for form in [&name, &with, &here, &name, &with, &here] {
        words.shuffle(rng);
        let some = words[..words.len().min(6)].join(", ");
        documents.push(document(format!("{form} [RET] {some}"), Vec::new()));
    }
    for _ in 0..3 {
        words.shuffle(rng);
        let some = words[..words.len().min(6)].join(", ");
        documents.push(document(format!("{some}: {name}"), Vec::new()));
    }
    documents
}

/// A table of captions for pictures: a header, then several rows a picture.
pub(crate) fn table<'a>(rows: impl Iterator<Item = &'a Row>, things: &[Thing]) -> String {
    let mut table = String::from("caption\timage\n");
    for row in rows {
        for form in forms(&Noun::new(&things[row.thing].name)) {
            table.push_str(&format!("{form}\t{}\n", row.image));
        }
    }
    table
}

/// `red apple`, `a red apple`, `Here is a red apple.`
pub(super) fn forms(noun: &Noun) -> [String; 3] {
    [noun.name.clone(), noun.a(), sentence(&format!("here {} {}.", noun.is(), noun.a()))]
}
