//! Dialogues about things that no picture is known of, so that a model learns to repeat the word that was asked for.

use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Document, Kind,
    fill::Scene,
    noun::Noun,
    phrasings::{ASK, THEN, WHAT},
    subject::definition,
};
use crate::sources::{Meaning, Wordnet};

/// Words of which a picture is asked for.
const ASKED: usize = 12_000;
/// Words whose meaning is asked for.
const EXPLAINED: usize = 8_000;

/// Lexicographers' files of what can be drawn: animals, artefacts, bodies, food, objects and plants. Not people: among the words
/// for them are many that hurt.
const DRAWABLE: [u8; 6] = [5, 6, 8, 13, 17, 20];

/// Dialogues of one turn or two.
pub(crate) fn dialogues(wordnet: &Wordnet, rng: &mut ChaCha8Rng) -> Vec<Document> {
    let mut meanings: Vec<_> = wordnet.meanings.iter().filter(|meaning| is_drawable(meaning)).collect();
    meanings.shuffle(rng);
    let mut texts = Vec::new();
    for (place, meaning) in meanings.iter().take(ASKED + EXPLAINED).enumerate() {
        let noun = Noun::new(&meaning.words[0]);
        let gloss = definition(&meaning.gloss);
        let scene = Scene { noun: Some(&noun), gloss: gloss.as_deref(), ..Scene::default() };
        let turn = if place < ASKED { ASK } else { WHAT }.choose(rng);
        let first = turn.and_then(|turn| scene.turn(*turn, rng));
        // The first of THEN ask for more of the same.
        let then = if place % 4 == 0 { THEN[..5].choose(rng) } else { None };
        let then = then.and_then(|then| scene.turn(*then, rng)).unwrap_or_default();
        texts.extend(first.map(|first| first + &then));
    }
    let document = |text| Document { text, kind: Kind::Dialogue, thing: None, pics: Vec::new() };
    texts.into_iter().map(document).collect()
}

fn is_drawable(meaning: &Meaning) -> bool {
    let plain = |word: &String| {
        word.len() <= 24 && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == ' ')
    };
    DRAWABLE.contains(&meaning.field) && meaning.words.first().is_some_and(plain)
}
