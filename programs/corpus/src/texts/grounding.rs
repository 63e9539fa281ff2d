//! The table that the shipped model's mapping layers are fitted on: captions of pictures, alone and as answers.
//!
//! `prompt` is what was asked, `ret` whether the answer ends with `[RET]`: `fondue train ground --help` tells how both are used.

use rand::{SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Spoken,
    captions::forms,
    fill::Scene,
    phrasings::{ASK, SEEN, Turn},
};
use crate::{pictures::Row, things::Thing};

/// Rows of each kind for a picture.
const EACH: usize = 2;

/// A header, then for each picture its captions, answers to who asks for it, and answers to who shows it.
pub(crate) fn table<'a>(
    rows: impl Iterator<Item = &'a Row>,
    things: &[Thing],
    spoken: &Spoken,
    seed: u64,
) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut table = String::from("caption\timage\tprompt\tret\n");
    // What is told of a picture that was shown must be what it shows.
    let named: Vec<Turn> = SEEN.iter().filter(|(_, answer)| answer.contains("{a}")).copied().collect();
    for row in rows {
        let thing = &things[row.thing];
        let Some(subject) = spoken.subjects.iter().find(|subject| subject.id == thing.id) else { continue };
        let [_, with, here] = forms(&subject.noun);
        for form in [with, here] {
            table.push_str(&format!("{form}\t{}\t\t1\n", row.image));
        }
        for (turns, asks) in [(ASK, true), (&named[..], false)] {
            for turn in turns.sample(&mut rng, EACH).collect::<Vec<_>>() {
                let Some((question, answer)) = Scene::of(subject, None).both(*turn, &mut rng) else {
                    continue;
                };
                let answer = answer.replace(" [RET]", "");
                let ret = u8::from(asks);
                table.push_str(&format!(" {answer}\t{}\tQ: {question}\\nA:\t{ret}\n", row.image));
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_the_thing_is_told_of_a_picture() {
        assert!(SEEN.iter().any(|(_, answer)| !answer.contains("{a}")));
        assert!(ASK.iter().all(|(_, answer)| answer.contains("{a}") && answer.ends_with(" [RET]")));
    }
}
