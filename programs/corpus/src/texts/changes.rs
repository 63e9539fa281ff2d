//! Dialogues of two to five turns that go from one thing to another: what is asked last counts, not what was spoken of before.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Document, Kind, PICTURE,
    dialogues::{any, one_of},
    phrasings::{
        ASK, ASK_KIND, ASK_WORD, KIND, SEEN, SEEN_MORE, SEEN_THEN, SEEN_WONDER, THEN, Turn, WHAT, WHAT_KIND,
        WONDER,
    },
    subject::Subject,
    talk,
};

/// So many begin with each thing.
const DIALOGUES: usize = 48;
/// Turns of one, at least and at most.
const TURNS: std::ops::RangeInclusive<usize> = 2..=5;

/// What a turn is, of so many in 100.
const STEPS: &[(Step, u32)] = &[
    (Step::Asked(ASK), 40),
    (Step::Asked(ASK_KIND), 2),
    (Step::Asked(ASK_WORD), 2),
    (Step::Told(WONDER), 6),
    (Step::Told(KIND), 3),
    (Step::Told(WHAT), 2),
    (Step::Told(WHAT_KIND), 2),
    (Step::Shown(SEEN), 16),
    (Step::Shown(SEEN_WONDER), 6),
    (Step::Shown(SEEN_MORE), 6),
    (Step::Talk, 7),
    (Step::Then, 8),
];

/// One turn of a dialogue.
#[derive(Clone, Copy)]
enum Step {
    /// A new thing's picture is wanted.
    Asked(&'static [Turn]),
    /// A new thing is spoken of.
    Told(&'static [Turn]),
    /// A picture of a new thing is shown.
    Shown(&'static [Turn]),
    /// Nothing of the matter.
    Talk,
    /// More about the thing before.
    Then,
}

/// Dialogues that begin with the thing at place `at`.
pub(super) fn about(subjects: &[Subject], at: usize, rng: &mut ChaCha8Rng) -> Vec<Document> {
    (0..DIALOGUES).filter_map(|_| dialogue(subjects, at, rng)).collect()
}

fn dialogue(subjects: &[Subject], at: usize, rng: &mut ChaCha8Rng) -> Option<Document> {
    let (mut text, mut pics) = (String::new(), Vec::new());
    let mut fresh = Some(at);
    // The thing of the turn before, and what may follow about it.
    let mut before: Option<(usize, &[Turn])> = None;
    for _ in 0..rng.random_range(TURNS) {
        let step = STEPS.choose_weighted(rng, |(_, weight)| *weight).ok()?.0;
        let (about, turns) = match (step, before) {
            (Step::Talk, _) => {
                text.push_str(&talk::turn(rng));
                before = None;
                continue;
            }
            (Step::Then, Some((about, turns))) => (about, turns),
            // Where nothing stands before, a thing is asked for.
            (Step::Then, None) => (fresh.take().unwrap_or_else(|| any(subjects, at, rng)), ASK),
            (Step::Asked(turns) | Step::Told(turns) | Step::Shown(turns), _) => {
                (fresh.take().unwrap_or_else(|| any(subjects, at, rng)), turns)
            }
        };
        let turn = one_of(turns, subjects, about, rng);
        if let Step::Shown(_) = step {
            text.push_str(PICTURE);
            pics.push(subjects[about].id.clone());
        }
        text.push_str(&turn?);
        before = match step {
            Step::Asked(_) => Some((about, THEN)),
            Step::Shown(_) => Some((about, SEEN_THEN)),
            _ => None,
        };
    }
    Some(Document { text, kind: Kind::Dialogue, thing: Some(subjects[at].id.clone()), pics })
}
