//! Dialogues that go from one thing to another: whether the answer is about the thing that was asked for last.

use std::collections::HashSet;

use anyhow::Result;

use super::{
    answer::is_right,
    finding::shown,
    phrasing::{ASKING, turn},
    read::{Corpus, Split},
    tally::columns,
};
use crate::{
    metrics::ranks::share,
    model::{Ask, Ends, Model, Piece, Sight},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Within so many tokens.
const TOKENS: usize = 32;
/// The thing before is so many things away.
const APART: usize = 611;

const BY_NAME: &str = "asked for by name";

/// What came before, and what is asked. The last is held to no bar: it measures how well pictures are named, too.
const ROWS: [(&str, &str); 3] = [
    ("another thing was asked for", BY_NAME),
    ("a picture of another thing was named", BY_NAME),
    ("another thing was asked for", "a picture to name"),
];

/// What one prompt is about.
struct Prompt {
    /// Of the table of figures.
    row: usize,
    thing: usize,
    before: usize,
    ask: Ask,
    given: Vec<Shown>,
}

/// Goes from thing to thing; adds figures and failures to the report.
///
/// Returns the share of answers that name the thing that was asked for by name, and nothing else.
pub(crate) fn change(
    model: &mut Model,
    corpus: &Corpus,
    sights: &[Option<Sight>],
    limit: Option<usize>,
    report: &mut Report,
) -> Result<f64> {
    let prompts = prompts(corpus, sights, limit);
    let asks: Vec<Ask> = prompts.iter().map(|prompt| prompt.ask.clone()).collect();
    let (mut counts, mut wrong) = ([(0, 0, 0); ROWS.len()], Vec::new());
    for (prompt, said) in prompts.iter().zip(model.say(&asks, "dialogues of two turns")?) {
        let said = match said {
            Ok(said) => said,
            Err(reason) => {
                report.skipped.push(Skipped { what: Shown::words(&prompt.given), reason });
                continue;
            }
        };
        let [right, stayed] =
            [prompt.thing, prompt.before].map(|thing| is_right(&said.text, &corpus.things[thing]));
        let (n, rights, stays) = &mut counts[prompt.row];
        *n += 1;
        *rights += usize::from(right);
        *stays += usize::from(stayed);
        if !right {
            wrong.push(Example {
                given: prompt.given.clone(),
                right: vec![Shown::text(&corpus.things[prompt.thing].spoken.a)],
                got: vec![Shown::text(&said.text)],
                rank: None,
            });
        }
    }
    let cells = |((before, asked), (n, right, stayed)): (&(&str, &str), &(usize, usize, usize))| {
        let of = |some| if *n == 0 { Cell::Nothing } else { Cell::Share(share(some, *n)) };
        vec![(*before).into(), (*asked).into(), Cell::Count(*n), of(*right), of(*stayed)]
    };
    report.tables.push(Figures {
        name: "changes",
        title: "From one thing to another".to_owned(),
        note: "The second turn of a dialogue, about another thing than the first, both trained on. Right: the answer names the thing \
               that was asked for last, and nothing else."
            .to_owned(),
        columns: columns(&["before", "then", "n", "right", "the thing before"]),
        rows: ROWS.iter().zip(&counts).map(cells).collect(),
    });
    report.examples.push(Examples {
        name: "changes_wrong",
        title: "Dialogues whose second answer is not about what was asked for".to_owned(),
        of: wrong.len(),
        rows: wrong,
    });
    let by_name = counts.iter().zip(ROWS).filter(|(_, (_, asked))| *asked == BY_NAME);
    let (n, right) = by_name.fold((0, 0), |sum, (count, _)| (sum.0 + count.0, sum.1 + count.1));
    Ok(share(right, n))
}

/// A part of a dialogue: a picture, if there is one, and the text behind it.
type Part<'a> = (Option<(usize, &'a Sight)>, String);

/// For each thing with a picture that was trained on, the three dialogues.
fn prompts(corpus: &Corpus, sights: &[Option<Sight>], limit: Option<usize>) -> Vec<Prompt> {
    // The first picture of each.
    let (mut known, mut things) = (Vec::new(), HashSet::new());
    for (at, (picture, sight)) in corpus.pictures.iter().zip(sights).enumerate() {
        let Some(sight) = sight else { continue };
        if picture.split == Split::Train && things.insert(picture.thing) {
            known.push((picture.thing, at, sight));
        }
    }
    let n = known.len();
    let judged = limit.unwrap_or(n).min(n);
    let mut prompts = Vec::new();
    for (turn_of, at) in (0..judged).map(|i| i * n / judged).enumerate() {
        let (thing, picture, sight) = known[at];
        let (before, shown_before, sight_before) = known[(at + 1 + APART % (n - 1).max(1)) % n];
        if before == thing {
            continue; // there is no other
        }
        let fill =
            |thing: usize, template| corpus.things[thing].spoken.fill(template, &corpus.things[thing].name);
        let asked_before = fill(before, "Q: Show me {a}.\nA: Here {is} {a}. [RET]\n");
        let named_before = fill(before, "Q: What do you see?\nA: I see {a}.\n");
        let asked = turn(&fill(thing, ASKING.known[turn_of % ASKING.known.len()]));
        let name = turn("What is this?");
        let dialogues: [Vec<Part<'_>>; 3] = [
            vec![(None, format!("{asked_before}{asked}"))],
            vec![(Some((shown_before, sight_before)), format!("{named_before}{asked}"))],
            vec![(None, asked_before), (Some((picture, sight)), name)],
        ];
        for (row, dialogue) in dialogues.into_iter().enumerate() {
            let (mut pieces, mut given) = (Vec::new(), Vec::new());
            for (picture, text) in dialogue {
                if let Some((at, sight)) = picture {
                    pieces.push(Piece::Picture(sight.clone()));
                    given.push(shown(corpus, at));
                }
                given.push(Shown::text(&text));
                pieces.push(Piece::Text(text));
            }
            let ask = Ask { prompt: pieces, tokens: TOKENS, ends: Ends::Line };
            prompts.push(Prompt { row, thing, before, ask, given });
        }
    }
    prompts
}
