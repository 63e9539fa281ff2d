//! Small talk as documents.

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{
    Document, Kind,
    fill::loosened,
    small_talk::{SMALL_TALK, Talk},
};

/// How often each way to say a thing is written, alone and with another before it.
const TIMES: usize = 12;

/// All of it, several times over, alone and in pairs.
pub(crate) fn talks(rng: &mut ChaCha8Rng) -> Vec<Document> {
    let mut documents = Vec::new();
    for (ways, answer) in SMALL_TALK {
        for way in *ways {
            for _ in 0..TIMES {
                let alone = said(way, answer, rng);
                let before = turn(rng);
                documents.extend([document(before + &alone), document(alone)]);
            }
        }
    }
    documents
}

/// Any turn of it.
pub(crate) fn turn(rng: &mut ChaCha8Rng) -> String {
    let talk: Option<&Talk> = SMALL_TALK.choose(rng);
    talk.and_then(|(ways, answer)| Some(said(ways.choose(rng)?, answer, rng))).unwrap_or_default()
}

fn said(way: &str, answer: &str, rng: &mut ChaCha8Rng) -> String {
    format!("Q: {}\nA: {answer}\n", loosened(way.to_owned(), rng))
}

fn document(text: String) -> Document {
    Document { text, kind: Kind::Talk, thing: None, pics: Vec::new() }
}
