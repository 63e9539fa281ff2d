//! Counting by split, style and group.

use super::read::{Corpus, STYLES, Split};
use crate::{
    metrics::{mean_reciprocal_rank, ranks::share, recall},
    report::{Cell, Figures},
};

/// What came of one picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Place among the corpus's pictures.
    pub(crate) picture: usize,
    /// Where the right one stood; one more than there are if nothing was looked for.
    pub(crate) rank: usize,
}

/// Ranks of a split, of one style or of all.
pub(crate) fn ranks(corpus: &Corpus, outcomes: &[Outcome], split: Split, style: Option<usize>) -> Vec<usize> {
    let is = |outcome: &&Outcome| {
        let picture = &corpus.pictures[outcome.picture];
        picture.split == split && style.is_none_or(|style| picture.style == style)
    };
    outcomes.iter().filter(is).map(|outcome| outcome.rank).collect()
}

/// Rows by split and style, the sum of the styles last.
pub(crate) fn by_split_and_style(mut row: impl FnMut(Split, Option<usize>) -> Vec<Cell>) -> Vec<Vec<Cell>> {
    let styles = || (0..STYLES.len()).map(Some).chain([None]);
    let places = Split::ALL.into_iter().flat_map(|split| styles().map(move |style| (split, style)));
    places
        .map(|(split, style)| {
            let named = [Cell::Text(split.to_string()), style.map_or("all", |style| STYLES[style]).into()];
            named.into_iter().chain(row(split, style)).collect()
        })
        .collect()
}

/// A table of recalls.
pub(crate) fn recalls(
    name: &'static str,
    title: &str,
    note: String,
    corpus: &Corpus,
    outcomes: &[Outcome],
    chance: impl Fn(Option<usize>) -> f64,
) -> Figures {
    let row = |split, style| {
        let ranks = ranks(corpus, outcomes, split, style);
        let mut cells = vec![Cell::Count(ranks.len())];
        if ranks.is_empty() {
            cells.extend(vec![Cell::Nothing; 5]);
        } else {
            cells.extend([1, 5, 10].map(|k| Cell::Share(recall(&ranks, k))));
            cells.extend([Cell::Number(mean_reciprocal_rank(&ranks)), Cell::Share(chance(style))]);
        }
        cells
    };
    Figures {
        name,
        title: title.to_owned(),
        note,
        columns: columns(&["pictures", "style", "n", "R@1", "R@5", "R@10", "MRR", "chance R@1"]),
        rows: by_split_and_style(row),
    }
}

/// The share of pictures of which something is so.
pub(crate) fn share_of(some: impl Iterator<Item = bool>) -> (usize, f64) {
    let (mut n, mut so) = (0, 0);
    for is in some {
        n += 1;
        so += usize::from(is);
    }
    (n, share(so, n))
}

pub(crate) fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
