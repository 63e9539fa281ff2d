//! Dialogues about one thing, of one to four turns; `changes` has those that go from thing to thing.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Document, Kind, PICTURE,
    fill::Scene,
    phrasings::{
        ASK, ASK_KIND, ASK_WORD, BOTH, KIND, SEEN, SEEN_KIND, SEEN_MORE, SEEN_THEN, SEEN_WONDER, THEN,
        THEN_COLOUR, THEN_OTHER, Turn, WHAT, WHAT_KIND, WONDER,
    },
    subject::Subject,
    talk,
};

/// Tables of single turns, and how many of each are taken.
const SINGLE: &[(&[Turn], usize)] =
    &[(ASK, ASK.len()), (ASK_KIND, 2), (ASK_WORD, 3), (WHAT, 3), (WHAT_KIND, 3), (KIND, 3), (WONDER, 12)];
/// Tables of turns about a picture that was just shown.
const SHOWN: &[(&[Turn], usize)] = &[(SEEN, SEEN.len()), (SEEN_MORE, 5), (SEEN_KIND, 2), (SEEN_WONDER, 10)];
/// Turns in a row, and how many such dialogues.
const ROWS: &[(&[&[Turn]], usize)] = &[
    (&[ASK, THEN], 6),
    (&[ASK, THEN_OTHER], 4),
    (&[ASK, THEN, THEN], 3),
    (&[ASK, THEN, THEN_OTHER], 2),
    (&[WHAT, ASK], 1),
    (&[KIND, ASK], 1),
    (&[WONDER, ASK], 1),
    (&[ASK, WONDER], 2),
    (&[ASK, THEN, KIND, THEN_OTHER], 1),
];
/// Turns in a row that begin with a picture that is shown.
const SHOWN_ROWS: &[(&[&[Turn]], usize)] = &[
    (&[SEEN, SEEN_THEN], 4),
    (&[SEEN, SEEN_MORE], 2),
    (&[SEEN, SEEN_THEN, SEEN_THEN], 2),
    (&[SEEN, SEEN, SEEN_MORE, THEN_OTHER], 1),
    (&[SEEN_MORE, THEN], 1),
];

/// Dialogues about the thing at place `at`.
pub(crate) fn about(subjects: &[Subject], at: usize, rng: &mut ChaCha8Rng) -> Vec<Document> {
    let subject = &subjects[at];
    let mut documents = Vec::new();
    let mut add = |text: Option<String>, pics: Vec<String>| {
        let thing = Some(subject.id.clone());
        documents.extend(text.map(|text| Document { text, kind: Kind::Dialogue, thing, pics }));
    };
    let shown = || vec![subject.id.clone()];
    for (turns, count) in SINGLE {
        for turn in turns.sample(rng, *count).collect::<Vec<_>>() {
            add(scene(subjects, at, turns, rng).turn(*turn, rng), Vec::new());
        }
    }
    for (turns, count) in SHOWN {
        for turn in turns.sample(rng, *count).collect::<Vec<_>>() {
            let text = scene(subjects, at, turns, rng).turn(*turn, rng);
            add(text.map(|text| format!("{PICTURE}{text}")), shown());
        }
    }
    for (tables, count) in ROWS {
        for _ in 0..*count {
            add(row(subjects, at, tables, rng), Vec::new());
        }
    }
    for (tables, count) in SHOWN_ROWS {
        for _ in 0..*count {
            add(row(subjects, at, tables, rng).map(|text| format!("{PICTURE}{text}")), shown());
        }
    }
    for _ in 0..2 {
        add(row(subjects, at, &[ASK], rng).map(|text| talk::turn(rng) + &text), Vec::new());
        add(row(subjects, at, &[ASK, THEN], rng).map(|text| talk::turn(rng) + &text), Vec::new());
        add(row(subjects, at, &[SEEN], rng).map(|text| talk::turn(rng) + PICTURE + &text), shown());
        let coloured = Scene::of(subject, in_another_colour(subjects, at, rng));
        add(ASK.choose(rng).and_then(|ask| both(&coloured, *ask, THEN_COLOUR, rng)), Vec::new());
    }
    for _ in 0..3 {
        let other = &subjects[any(subjects, at, rng)];
        let pics = vec![subject.id.clone(), other.id.clone()];
        add(two_pictures(subject, other, rng), pics);
    }
    documents
}

/// One turn from each of the tables.
fn row(subjects: &[Subject], at: usize, tables: &[&[Turn]], rng: &mut ChaCha8Rng) -> Option<String> {
    let mut text = String::new();
    for turns in tables {
        text.push_str(&one_of(turns, subjects, at, rng)?);
    }
    Some(text)
}

/// One of the turns. Some need what not every thing has, a meaning or keywords, so a few are tried.
pub(super) fn one_of(
    turns: &[Turn],
    subjects: &[Subject],
    at: usize,
    rng: &mut ChaCha8Rng,
) -> Option<String> {
    (0..8).find_map(|_| scene(subjects, at, turns, rng).turn(*turns.choose(rng)?, rng))
}

fn both(scene: &Scene<'_>, first: Turn, then: &[Turn], rng: &mut ChaCha8Rng) -> Option<String> {
    Some(scene.turn(first, rng)? + &scene.turn(*then.choose(rng)?, rng)?)
}

/// Two pictures, each named, then a question about either.
fn two_pictures(subject: &Subject, other: &Subject, rng: &mut ChaCha8Rng) -> Option<String> {
    let scene = Scene::of(subject, Some(other));
    let first = scene.turn(("What is this?", "{This is} {a}."), rng)?;
    let second = Scene::of(other, None).turn(("And this?", "{This is} {a}."), rng)?;
    let then = scene.turn(*BOTH.choose(rng)?, rng)?;
    Some(format!("{PICTURE}{first}{PICTURE}{second}{then}"))
}

/// The thing beside another: one of its kind where the turns are about kinds.
fn scene<'a>(subjects: &'a [Subject], at: usize, turns: &[Turn], rng: &mut ChaCha8Rng) -> Scene<'a> {
    let kin = turns == SEEN_KIND;
    let other = if kin { of_its_kind(subjects, at, rng) } else { Some(&subjects[any(subjects, at, rng)]) };
    Scene::of(&subjects[at], other)
}

/// The place of another thing.
pub(super) fn any(subjects: &[Subject], at: usize, rng: &mut ChaCha8Rng) -> usize {
    let other = rng.random_range(0..subjects.len());
    if other == at { (at + 1) % subjects.len() } else { other }
}

fn of_its_kind<'a>(subjects: &'a [Subject], at: usize, rng: &mut ChaCha8Rng) -> Option<&'a Subject> {
    chosen(subjects, rng, |other| other.subgroup == subjects[at].subgroup && other.id != subjects[at].id)
}

fn in_another_colour<'a>(subjects: &'a [Subject], at: usize, rng: &mut ChaCha8Rng) -> Option<&'a Subject> {
    let (colour, rest) = subjects[at].colour.as_ref()?;
    chosen(subjects, rng, |other| {
        other.colour.as_ref().is_some_and(|(other, of)| other != colour && of == rest)
    })
}

fn chosen<'a>(
    subjects: &'a [Subject],
    rng: &mut ChaCha8Rng,
    fits: impl Fn(&Subject) -> bool,
) -> Option<&'a Subject> {
    let fitting: Vec<_> = subjects.iter().filter(|subject| fits(subject)).collect();
    fitting.choose(rng).copied()
}
