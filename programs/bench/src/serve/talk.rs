//! What people say: things by name, in several ways.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::mix::Kind;

/// Things that the shipped gallery has drawings of.
const THINGS: [&str; 32] = [
    "red apple",
    "sailboat",
    "guitar",
    "rocket",
    "cat face",
    "dog face",
    "umbrella",
    "bicycle",
    "pear",
    "banana",
    "rainbow",
    "violin",
    "elephant",
    "penguin",
    "hammer",
    "key",
    "bridge at night",
    "castle",
    "mountain",
    "sunflower",
    "snowman",
    "trumpet",
    "clock",
    "lion",
    "octopus",
    "pizza",
    "strawberry",
    "tractor",
    "whale",
    "hat",
    "candle",
    "book",
];
const ASKS: [&str; 5] =
    ["Show me a {}.", "Can you find a {}?", "I would like to see a {}.", "Find me a {}.", "A {}, please."];
const QUESTIONS: [&str; 6] = [
    "What is a {}?",
    "Tell me about a {}.",
    "Do you like a {}?",
    "Hello! What do you know of a {}?",
    "Is a {} big?",
    "Thank you for the {}.",
];
const ABOUT: [&str; 4] =
    ["What is this?", "What do you see?", "Name it, please.", "What does the picture show?"];
const MORE: [&str; 4] = ["Show me another one.", "And a {}?", "What is this?", "Show me a {} too."];

/// Text, and a picture's place in the album if there is one, of a dialogue's n-th turn.
pub(crate) fn say(kind: Kind, turn: usize, rng: &mut ChaCha8Rng) -> (String, Option<usize>) {
    let phrases: &[&str] = match kind {
        Kind::Text => &QUESTIONS,
        Kind::Picture => &ABOUT,
        Kind::Show => &ASKS,
        Kind::Converse | Kind::History if turn > 0 => &MORE,
        Kind::Converse | Kind::History => &ASKS,
        Kind::Http if rng.random::<bool>() => &ASKS,
        Kind::Http => &QUESTIONS,
    };
    let (phrase, thing) = (phrases.choose(rng).unwrap_or(&""), THINGS.choose(rng).unwrap_or(&""));
    let place = rng.random_range(0..1_usize << 20);
    // Some dialogues are about pictures from their beginning on.
    let shows = kind == Kind::Picture || kind.is_dialogue() && turn == 0 && place % 4 == 0;
    (phrase.replace("{}", thing), shows.then_some(place))
}
