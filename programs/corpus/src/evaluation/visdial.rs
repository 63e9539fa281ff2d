//! Dialogs about a drawing in the form of VisDial v1.0's validation set: ten rounds, each with 100 answers to choose from, and
//! how relevant each is for one round a dialog.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::Material;
use crate::texts::{Subject, turn};

/// Answers to choose from.
const OPTIONS: usize = 100;
/// How relevant another true answer is, and a false one that names a thing of the same kind.
const TRUE: f64 = 0.6;
const KIN: f64 = 0.2;

/// The rounds: a question without its mark, as the official file has it, and the answer.
const ROUNDS: [(&str, &str); 10] = [
    ("What is this", "{This is} {a}."),
    ("What kind of thing is this", "{This is} {kind}."),
    ("{Is this other} {other}", "No, {this is} {a}."),
    ("What do you see", "I see {a}."),
    ("{Is this} {a}", "Yes, {this is} {a}."),
    ("What does the picture show", "The picture shows {a}."),
    ("{Is this} {a} or {other}", "{This is} {a}."),
    ("Which words go with this", "Words for it are {words}."),
    ("{Is this} {kind}", "Yes, {this is} {a}."),
    ("What is this called", "{This is} {a}."),
];
/// What is asked where a thing has no keywords.
const INSTEAD: (&str, &str) = ("Name this", "{This is} {a}.");

#[derive(Debug, Serialize)]
pub(super) struct File {
    version: &'static str,
    split: &'static str,
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    dialogs: Vec<Dialog>,
    questions: Vec<String>,
    answers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Dialog {
    image_id: usize,
    caption: String,
    dialog: Vec<Round>,
}

#[derive(Debug, Serialize)]
struct Round {
    question: usize,
    answer: usize,
    answer_options: Vec<usize>,
    gt_index: usize,
}

/// How relevant the options of one round are; the first round is 1.
#[derive(Debug, Serialize)]
pub(super) struct Dense {
    image_id: usize,
    round_id: usize,
    gt_relevance: Vec<f64>,
}

fn image_id(place: usize) -> usize {
    100_000 + place
}

/// The name of the picture's file without its ending.
pub(super) fn stem(place: usize) -> String {
    format!("VisualDialog_val2018_{:012}", image_id(place))
}

/// One dialog a held-out picture, the relevances, and the places of the pictures.
pub(super) fn dialogs(
    material: Material<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<(File, Vec<Dense>, Vec<usize>)> {
    let (mut questions, mut answers) = (Texts::default(), Texts::default());
    let (mut dialogs, mut dense, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for (place, row) in material.held() {
        let Some(subject) = material.subject(row.thing) else { continue };
        let judged = dialogs.len() % ROUNDS.len();
        let mut rounds = Vec::new();
        for (at, round) in ROUNDS.into_iter().enumerate() {
            let (question, options, gt_index) = round_about(material, subject, round, rng)?;
            if at == judged {
                let gt_relevance = options.iter().enumerate();
                let gt_relevance =
                    gt_relevance.map(|(at, option)| if at == gt_index { 1.0 } else { option.relevance });
                dense.push(Dense {
                    image_id: image_id(place),
                    round_id: judged + 1,
                    gt_relevance: gt_relevance.collect(),
                });
            }
            let answer_options: Vec<_> = options.into_iter().map(|option| answers.at(option.text)).collect();
            let answer = answer_options[gt_index];
            rounds.push(Round { question: questions.at(question), answer, answer_options, gt_index });
        }
        dialogs.push(Dialog { image_id: image_id(place), caption: subject.noun.a(), dialog: rounds });
        shown.push(place);
    }
    let data = Data { dialogs, questions: questions.texts, answers: answers.texts };
    Ok((File { version: "1.0", split: "val2018", data }, dense, shown))
}

struct Choice {
    text: String,
    relevance: f64,
}

/// A round's question, its options in a random order, and the place of the right one among them.
fn round_about(
    material: Material<'_>,
    subject: &Subject,
    round: (&'static str, &'static str),
    rng: &mut ChaCha8Rng,
) -> Result<(String, Vec<Choice>, usize)> {
    let other = material.subjects.choose(rng).filter(|other| other.id != subject.id);
    let other = other.or_else(|| material.subjects.iter().find(|other| other.id != subject.id));
    let mut asked = turn(subject, other, round, rng).map(|said| (round, said));
    if asked.is_none() {
        asked = turn(subject, other, INSTEAD, rng).map(|said| (INSTEAD, said));
    }
    let (round, (question, right)) = asked.context("nothing is known of a thing")?;
    let mut options = vec![Choice { text: right.clone(), relevance: 1.0 }];
    let add = |text: String, relevance: f64, options: &mut Vec<Choice>| {
        if options.iter().all(|option| option.text != text) {
            options.push(Choice { text, relevance });
        }
    };
    for (_, template) in ROUNDS.into_iter().filter(|(_, answer)| !answer.starts_with(['N', 'Y'])) {
        if let Some((_, text)) = turn(subject, None, ("", template), rng) {
            add(text, TRUE, &mut options);
        }
    }
    let mut others: Vec<_> = material.subjects.iter().filter(|other| other.id != subject.id).collect();
    others.shuffle(rng);
    // Things of the same kind first, up to a quarter: they are the hard ones.
    let (mut kin, far): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|other| other.subgroup == subject.subgroup);
    kin.truncate(OPTIONS / 4);
    // "This is a fruit." is true of many things: such answers are told by name instead. So are those that ran out.
    let told = if round.1.contains("{kind}") { ROUNDS[0].1 } else { round.1 };
    let near = kin.iter().map(|wrong| (wrong, KIN, told));
    let far =
        [told, ROUNDS[0].1].into_iter().flat_map(|told| far.iter().map(move |wrong| (wrong, 0.0, told)));
    for (wrong, relevance, told) in near.chain(far) {
        if options.len() == OPTIONS {
            break;
        }
        if let Some((_, text)) = turn(wrong, None, ("", told), rng) {
            add(text, relevance, &mut options);
        }
    }
    ensure!(options.len() == OPTIONS, "there are too few things for {OPTIONS} answers");
    options.shuffle(rng);
    let gt_index = options.iter().position(|option| option.text == right).unwrap_or_default();
    Ok((question, options, gt_index))
}

/// Texts, each once, by their number.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Texts {
    fn at(&mut self, text: String) -> usize {
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.texts.len() - 1
        })
    }
}
