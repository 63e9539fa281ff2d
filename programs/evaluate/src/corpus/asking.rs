//! Whether `[RET]` is written where a picture is asked for and only there, and whether its query finds the right picture.

use anyhow::Result;

use super::{
    finding::shown,
    gallery::{self, Gallery},
    phrasing::{ABOUT, ASKING, BEFORE, Phrasings, SEEN, TALK, turn},
    read::{Corpus, Split},
    tally::{self, Outcome, columns},
};
use crate::{
    metrics::ranks::share,
    model::{Ask, Ends, Model, Piece, Said, Sight},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Within so many tokens.
const TOKENS: usize = 24;
/// Of each thing so many known ways to ask, and one new one.
const KNOWN_WAYS: usize = 3;

/// What one prompt is about.
struct Prompt {
    /// Of the table of figures.
    row: usize,
    ask: Ask,
    /// For people.
    given: Vec<Shown>,
    /// The thing that is asked for.
    wanted: Option<usize>,
}

/// The rows: whether a picture is asked for, what the prompts are, whether the corpus knows them.
const ROWS: [(bool, &str, &str); 9] = [
    (true, "asked for by name", "known"),
    (true, "asked for by name, after a greeting", "known"),
    (true, "asked for by name", "new"),
    (false, "asked about a thing", "known"),
    (false, "asked about a thing", "new"),
    (false, "small talk", "known"),
    (false, "small talk", "new"),
    (false, "asked about a picture", "known"),
    (false, "asked about a picture", "new"),
];

/// How often `[RET]` was written.
pub(crate) struct Asking {
    /// Of all prompts that ask for a picture.
    pub(crate) asked: f64,
    /// Of all that do not.
    pub(crate) not_asked: f64,
}

/// Asks for things and about things; adds figures and failures to the report.
pub(crate) fn ask(
    model: &mut Model,
    corpus: &Corpus,
    galleries: &[Gallery],
    sights: &[Option<Sight>],
    limit: Option<usize>,
    report: &mut Report,
) -> Result<Asking> {
    let mut prompts = about_things(corpus, limit);
    prompts.extend(talk());
    prompts.extend(about_pictures(corpus, sights, limit));
    let asks: Vec<Ask> = prompts.iter().map(|prompt| prompt.ask.clone()).collect();
    let said = model.say(&asks, "prompts answered")?;
    let (mut counts, mut outcomes) = ([(0, 0); ROWS.len()], Vec::new());
    let (mut silent, mut wrongly, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    for (prompt, said) in prompts.into_iter().zip(said) {
        let said = match said {
            Ok(said) => said,
            Err(reason) => {
                report.skipped.push(Skipped { what: Shown::words(&prompt.given), reason });
                continue;
            }
        };
        let (asked, written) = (ROWS[prompt.row].0, !said.queries.is_empty());
        counts[prompt.row].0 += 1;
        counts[prompt.row].1 += usize::from(written);
        if asked != written {
            if asked { &mut silent } else { &mut wrongly }.push(example(&prompt, &said));
        }
        if let Some(thing) = prompt.wanted {
            looked_for(corpus, galleries, &prompt, thing, &said, &mut outcomes, &mut missed);
        }
    }
    report.tables.push(figures(&counts));
    report.tables.push(tally::recalls(
        "dialogue",
        "Found in a dialogue",
        "A thing is asked for in one of the ways above; the query of the first `[RET]` that is written finds its picture among all \
         pictures of a style. Where no `[RET]` is written, nothing is found."
            .to_owned(),
        corpus,
        &outcomes,
        |style| gallery::chance(galleries, style),
    ));
    for (name, title, rows) in [
        ("ret_missing", "A picture is asked for and no [RET] is written", silent),
        ("ret_wrongly", "No picture is asked for and [RET] is written", wrongly),
        (
            "dialogue_missed",
            "Asked for in a dialogue and not among the first five, though trained on",
            missed,
        ),
    ] {
        report.examples.push(Examples { name, title: title.to_owned(), of: rows.len(), rows });
    }
    let of = |wanted: bool| {
        let rows = ROWS.iter().zip(&counts).filter(|(row, _)| row.0 == wanted);
        let (n, written) = rows.fold((0, 0), |sum, (_, count)| (sum.0 + count.0, sum.1 + count.1));
        share(written, n)
    };
    Ok(Asking { asked: of(true), not_asked: of(false) })
}

/// What the query of the first `[RET]` finds in each style.
fn looked_for(
    corpus: &Corpus,
    galleries: &[Gallery],
    prompt: &Prompt,
    thing: usize,
    said: &Said,
    outcomes: &mut Vec<Outcome>,
    missed: &mut Vec<Example>,
) {
    for (at, picture) in corpus.pictures.iter().enumerate().filter(|(_, picture)| picture.thing == thing) {
        let gallery = &galleries[picture.style];
        let Some(query) = said.queries.first() else {
            // Behind all of them.
            outcomes.push(Outcome { picture: at, rank: gallery.pictures.len() + 1 });
            continue;
        };
        let Some(found) = gallery.find(&query.0, at) else { continue };
        outcomes.push(Outcome { picture: at, rank: found.rank });
        if found.rank > 5 && picture.split == Split::Train {
            missed.push(Example {
                right: vec![shown(corpus, at)],
                got: [Shown::text(&said.text)]
                    .into_iter()
                    .chain(found.first.iter().map(|&at| shown(corpus, at)))
                    .collect(),
                rank: Some(found.rank),
                ..example(prompt, said)
            });
        }
    }
}

fn about_things(corpus: &Corpus, limit: Option<usize>) -> Vec<Prompt> {
    let n = corpus.things.len();
    let judged = limit.unwrap_or(n).min(n);
    let mut prompts = Vec::new();
    for (turn_of, at) in (0..judged).map(|i| i * n / judged).enumerate() {
        let thing = &corpus.things[at];
        let fill = |template: &str| thing.spoken.fill(template, &thing.name);
        for way in 0..KNOWN_WAYS {
            let said = fill(nth(ASKING.known, turn_of * KNOWN_WAYS + way));
            // One of three stands later in a dialogue.
            let (row, before) = if way == 1 { (1, BEFORE) } else { (0, "") };
            prompts.push(Prompt::text(row, &format!("{before}{}", turn(&said)), Some(at)));
        }
        prompts.push(Prompt::text(2, &turn(&fill(nth(ASKING.new, turn_of))), Some(at)));
        prompts.push(Prompt::text(3, &turn(&fill(nth(ABOUT.known, turn_of))), None));
        prompts.push(Prompt::text(4, &turn(&fill(nth(ABOUT.new, turn_of))), None));
    }
    prompts
}

fn talk() -> Vec<Prompt> {
    let Phrasings { known, new } = TALK;
    let known = known.iter().map(|said| Prompt::text(5, &turn(said), None));
    known.chain(new.iter().map(|said| Prompt::text(6, &turn(said), None))).collect()
}

/// Pictures that were not trained on, each with a known question and a new one.
fn about_pictures(corpus: &Corpus, sights: &[Option<Sight>], limit: Option<usize>) -> Vec<Prompt> {
    let held = (0..corpus.pictures.len()).filter(|&at| corpus.pictures[at].split != Split::Train);
    let seen = held.filter_map(|at| Some((at, sights[at].clone()?)));
    let mut prompts = Vec::new();
    for (turn_of, (at, sight)) in seen.take(limit.unwrap_or(usize::MAX)).enumerate() {
        for (row, said) in [(7, nth(SEEN.known, turn_of)), (8, nth(SEEN.new, turn_of))] {
            let text = turn(said);
            prompts.push(Prompt {
                row,
                given: vec![shown(corpus, at), Shown::text(&text)],
                ask: greedy(vec![Piece::Picture(sight.clone()), Piece::Text(text)]),
                wanted: None,
            });
        }
    }
    prompts
}

impl Prompt {
    fn text(row: usize, text: &str, wanted: Option<usize>) -> Self {
        Self { row, given: vec![Shown::text(text)], ask: greedy(vec![Piece::text(text)]), wanted }
    }
}

fn greedy(prompt: Vec<Piece>) -> Ask {
    Ask { prompt, tokens: TOKENS, ends: Ends::Line }
}

/// One of several in turn.
fn nth<'a>(all: &[&'a str], n: usize) -> &'a str {
    all[n % all.len()]
}

fn example(prompt: &Prompt, said: &Said) -> Example {
    let rets = " [RET]".repeat(said.queries.len());
    let right = if ROWS[prompt.row].0 { "a picture" } else { "no picture" };
    Example {
        given: prompt.given.clone(),
        right: vec![Shown::text(right)],
        got: vec![Shown::text(format!("{}{rets}", said.text))],
        rank: None,
    }
}

fn figures(counts: &[(usize, usize)]) -> Figures {
    let row = |((asked, what, put), (n, written)): (&(bool, &str, &str), &(usize, usize))| {
        let wanted = if *asked { "yes" } else { "no" };
        let written = if *n == 0 { Cell::Nothing } else { Cell::Share(share(*written, *n)) };
        vec![wanted.into(), (*what).into(), (*put).into(), Cell::Count(*n), written]
    };
    Figures {
        name: "ret",
        title: "[RET] written".to_owned(),
        note: format!(
            "The share of prompts to which `[RET]` is written greedily within {TOKENS} tokens. Known: put as in the corpus's own \
             dialogues; new: as in none of them."
        ),
        columns: columns(&["picture wanted", "prompts", "put", "n", "[RET] written"]),
        rows: ROWS.iter().zip(counts).map(row).collect(),
    }
}
