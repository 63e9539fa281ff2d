//! Pictures named: what is answered to `Q: What is this?` behind a picture.

use anyhow::Result;

use super::{
    answer::{is_near, is_right},
    finding::shown,
    read::{Corpus, Split},
    tally::{by_split_and_style, columns, share_of},
};
use crate::{
    model::{Ask, Ends, Model, Piece, Sight},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Behind the picture.
pub(crate) const QUESTION: &str = "Q: What is this?\nA:";
/// No name takes more.
const TOKENS: usize = 32;

/// What came of one picture.
pub(crate) struct Named {
    /// Place among the corpus's pictures.
    pub(crate) picture: usize,
    /// The very name.
    pub(crate) right: bool,
    /// The name or a keyword, somewhere.
    pub(crate) near: bool,
    /// `[RET]` was written, though no picture was asked for.
    pub(crate) ret: bool,
    pub(crate) text: String,
}

/// Asks what every judged picture shows; adds figures and failures to the report.
pub(crate) fn name(
    model: &mut Model,
    corpus: &Corpus,
    sights: &[Option<Sight>],
    judged: &dyn Fn(usize) -> bool,
    report: &mut Report,
) -> Result<Vec<Named>> {
    let seen = |at: usize| Some((at, sights[at].clone()?));
    let pictures: Vec<(usize, Sight)> =
        (0..corpus.pictures.len()).filter(|&at| judged(at)).filter_map(seen).collect();
    let ask = |(_, sight): &(usize, Sight)| Ask {
        prompt: vec![Piece::Picture(sight.clone()), Piece::text(QUESTION)],
        tokens: TOKENS,
        ends: Ends::Line,
    };
    let asks: Vec<Ask> = pictures.iter().map(ask).collect();
    let mut all = Vec::new();
    for ((picture, _), said) in pictures.into_iter().zip(model.say(&asks, "pictures named")?) {
        let what = &corpus.pictures[picture];
        let thing = &corpus.things[what.thing];
        match said {
            Ok(said) => all.push(Named {
                picture,
                right: is_right(&said.text, thing),
                near: is_near(&said.text, thing),
                ret: !said.queries.is_empty(),
                text: said.text,
            }),
            Err(reason) => report.skipped.push(Skipped { what: what.path.display().to_string(), reason }),
        }
    }
    report.tables.push(figures(corpus, &all));
    for (split, name, title) in [
        (Split::HeldPicture, "misnamed_held", "Pictures that were held out and are named wrongly"),
        (
            Split::HeldThing,
            "misnamed_things",
            "Things that were held out, and what they are called (names never seen with a picture)",
        ),
        (Split::Train, "misnamed_trained", "Pictures that were trained on and are named wrongly"),
    ] {
        let wrong = all.iter().filter(|named| !named.right && corpus.pictures[named.picture].split == split);
        let rows: Vec<Example> = wrong.map(|named| example(corpus, named)).collect();
        report.examples.push(Examples { name, title: title.to_owned(), of: rows.len(), rows });
    }
    Ok(all)
}

/// The share of a split that is named right.
pub(crate) fn right(corpus: &Corpus, all: &[Named], split: Split, style: Option<usize>) -> (usize, f64) {
    share_of(of(corpus, all, split, style).map(|named| named.right))
}

fn of<'a>(
    corpus: &'a Corpus,
    all: &'a [Named],
    split: Split,
    style: Option<usize>,
) -> impl Iterator<Item = &'a Named> {
    all.iter().filter(move |named| {
        let picture = &corpus.pictures[named.picture];
        picture.split == split && style.is_none_or(|style| picture.style == style)
    })
}

fn figures(corpus: &Corpus, all: &[Named]) -> Figures {
    let row = |split, style| {
        let (n, right) = right(corpus, all, split, style);
        let (_, near) = share_of(of(corpus, all, split, style).map(|named| named.near));
        let (_, ret) = share_of(of(corpus, all, split, style).map(|named| named.ret));
        if n == 0 {
            return vec![Cell::Count(0), Cell::Nothing, Cell::Nothing, Cell::Nothing];
        }
        vec![Cell::Count(n), Cell::Share(right), Cell::Share(near), Cell::Share(ret)]
    };
    Figures {
        name: "naming",
        title: "Named".to_owned(),
        note: format!(
            "A picture and `{}`, answered greedily. Right: the thing's name and nothing else, but for article, `This is` and \
             full stop. Near: the name or one of the thing's keywords stands in the answer. Chance of a right name is 1 in {}.",
            QUESTION.replace('\n', " ⏎ "),
            corpus.things.len()
        ),
        columns: columns(&["pictures", "style", "n", "right", "near", "[RET] written"]),
        rows: by_split_and_style(row),
    }
}

fn example(corpus: &Corpus, named: &Named) -> Example {
    let thing = &corpus.things[corpus.pictures[named.picture].thing];
    Example {
        given: vec![shown(corpus, named.picture), Shown::text(QUESTION)],
        right: vec![Shown::text(&thing.name)],
        got: vec![Shown::text(if named.ret { format!("{} [RET]", named.text) } else { named.text.clone() })],
        rank: None,
    }
}
