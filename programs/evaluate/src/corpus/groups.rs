//! The same figures by group of things.

use super::{
    naming::Named,
    read::{Corpus, Split},
    tally::{Outcome, columns, share_of},
};
use crate::{
    metrics::recall,
    report::{Cell, Figures},
};

/// Found and named, by group.
pub(crate) fn figures(corpus: &Corpus, found: &[Outcome], named: &[Named]) -> Figures {
    let mut groups: Vec<&str> = Vec::new();
    for thing in &corpus.things {
        if !groups.contains(&thing.group.as_str()) {
            groups.push(&thing.group);
        }
    }
    let row = |group: &&str| {
        let is = |picture: usize, split| {
            let picture = &corpus.pictures[picture];
            picture.split == split && corpus.things[picture.thing].group == *group
        };
        let mut cells = vec![Cell::from(*group)];
        for split in [Split::HeldPicture, Split::Train] {
            let ranks: Vec<usize> = found
                .iter()
                .filter(|outcome| is(outcome.picture, split))
                .map(|outcome| outcome.rank)
                .collect();
            let (n, right) =
                share_of(named.iter().filter(|named| is(named.picture, split)).map(|named| named.right));
            let some = |share: f64, n: usize| if n == 0 { Cell::Nothing } else { Cell::Share(share) };
            cells.push(Cell::Count(ranks.len()));
            cells.extend([1, 5].map(|k| some(recall(&ranks, k), ranks.len())));
            cells.push(some(right, n));
        }
        cells
    };
    Figures {
        name: "groups",
        title: "By group".to_owned(),
        note: "Found by name and named right, over all three styles.".to_owned(),
        columns: columns(&[
            "group",
            "held out n",
            "R@1",
            "R@5",
            "named",
            "trained on n",
            "R@1",
            "R@5",
            "named",
        ]),
        rows: groups.iter().map(row).collect(),
    }
}
