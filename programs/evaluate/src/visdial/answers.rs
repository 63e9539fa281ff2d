//! IT→T: the right answer among those to choose from, by their likelihood behind picture and dialog.

use std::collections::HashMap;

use anyhow::Result;
use fondue_domain::Compat;

use super::{
    dialog::{Dense, Dialog, Dialogs, Relevance},
    judged::Judged,
    text::{candidate, context},
};
use crate::{
    metrics::{mean_reciprocal_rank, ndcg, rank, recall},
    model::{Measure, Model, Piece, Weigh},
    report::{Example, Examples, Report, Shown, Skipped},
};

/// Rounds of a dialog, in the published code's count.
const ROUNDS: usize = 10;
/// Cases that are told.
const CASES: usize = 100;
/// Answers that are told of each.
const SHOWN: usize = 3;

/// All that judging needs to know.
pub(super) struct Told<'a> {
    pub(super) dialogs: &'a Dialogs,
    pub(super) dense: Option<&'a Dense>,
    pub(super) judged: &'a Judged,
    pub(super) measure: &'a Measure,
    pub(super) mode: Compat,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) ranks: Vec<usize>,
    /// NDCG of the rounds with relevances.
    pub(super) gains: Vec<f64>,
    /// Rounds whose dialog was shortened.
    pub(super) cut: usize,
}

impl Outcome {
    /// NDCG, MRR, R@1, 5, 10, 20, by place.
    pub(super) fn figure(&self, at: usize) -> Option<f64> {
        let mean =
            |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        match at {
            0 => mean(&self.gains),
            1 => Some(mean_reciprocal_rank(&self.ranks)),
            _ => [1, 5, 10, 20].get(at - 2).map(|&k| recall(&self.ranks, k)),
        }
    }
}

/// Weighs the answers of every round of the dialogs whose picture is there.
pub(super) fn judge(model: &mut Model, told: &Told<'_>, report: &mut Report) -> Result<Outcome> {
    let (mut places, mut questions, mut cut) = (Vec::new(), Vec::new(), 0);
    for (at, dialog) in told.dialogs.dialogs.iter().enumerate() {
        let Some(sight) = &told.judged.sights[at] else { continue };
        for round in 0..dialog.rounds.len() {
            let picture = Piece::Picture(sight.clone());
            let (question, shortened) = question(told, dialog, round, &picture)?;
            cut += usize::from(shortened);
            places.push((at, round));
            questions.push(question);
        }
    }
    let scores = model.weigh(&questions, "rounds weighed")?;
    let mut by_round: HashMap<(usize, usize), Vec<f32>> = HashMap::new();
    let (mut ranks, mut rows) = (Vec::new(), Vec::new());
    let every = places.len().div_ceil(CASES).max(1);
    for (n, ((at, round), scores)) in places.into_iter().zip(scores).enumerate() {
        let scores = match scores {
            Ok(scores) => scores.0,
            Err(reason) => {
                let image = &told.dialogs.dialogs[at].image.0;
                report
                    .skipped
                    .push(Skipped { what: format!("picture {image}, round {}", round + 1), reason });
                continue;
            }
        };
        let right = told.dialogs.dialogs[at].rounds[round].right;
        let Some(rank) = rank(&scores, &[right]) else { continue };
        ranks.push(rank);
        if n % every == 0 {
            rows.push(example(told, (at, round), &scores, rank));
        }
        by_round.insert((at, round), scores);
    }
    if told.mode == Compat::Off {
        let title = "Answers chosen".to_owned();
        report.examples.push(Examples { name: "answers", title, of: ranks.len(), rows });
    }
    let relevances = told.dense.map_or(&[][..], |dense| &dense.0).iter().enumerate();
    let gain = |(at, relevance): (usize, &Relevance)| {
        ndcg(by_round.get(&judged_round(told.mode, at, relevance))?, &relevance.gains)
    };
    Ok(Outcome { ranks, gains: relevances.filter_map(gain).collect(), cut })
}

/// The round whose scores are compared with relevances: dialog and round, from 0.
///
/// The published code counts all rounds in one, takes the place of the relevances for the dialog's, and the number of the round, which
/// begins with 1, for its place: what it reads is the next round.
fn judged_round(mode: Compat, at: usize, relevance: &Relevance) -> (usize, usize) {
    match mode {
        Compat::Off => (relevance.dialog, relevance.round - 1),
        Compat::Reference => {
            let flat = ROUNDS * at + relevance.round;
            (flat / ROUNDS, flat % ROUNDS)
        }
    }
}

/// The candidates of a round behind picture and dialog, and whether the dialog had to be shortened.
fn question(told: &Told<'_>, dialog: &Dialog, round: usize, picture: &Piece) -> Result<(Weigh, bool)> {
    let Told { dialogs, measure, mode, .. } = *told;
    let options = dialog.rounds[round].options.iter();
    let candidates: Vec<String> = options.map(|&option| candidate(&dialogs.answers[option], mode)).collect();
    let prompt = |from| vec![picture.clone(), Piece::Text(context(dialogs, dialog, from, round, mode))];
    let mut from = 0;
    if mode == Compat::Off {
        let mut longest = 0;
        for candidate in &candidates {
            longest = longest.max(measure.tokens(candidate)?);
        }
        while from < round && !measure.fits(&prompt(from), longest)? {
            from += 1;
        }
    }
    Ok((Weigh { prompt: prompt(from), candidates, unshifted: mode.is_reference() }, from > 0))
}

fn example(told: &Told<'_>, (at, round): (usize, usize), scores: &[f32], rank: usize) -> Example {
    let dialog = &told.dialogs.dialogs[at];
    let asked = &dialog.rounds[round];
    let answer = |option: usize| Shown::text(&told.dialogs.answers[asked.options[option]]);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    Example {
        given: vec![told.judged.shown(at), Shown::text(context(told.dialogs, dialog, 0, round, told.mode))],
        right: vec![answer(asked.right)],
        got: order.into_iter().take(SHOWN).map(answer).collect(),
        rank: Some(rank),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_code_reads_the_next_round() {
        let relevance = |round| Relevance { dialog: 7, round, gains: Vec::new() };
        assert_eq!(judged_round(Compat::Off, 3, &relevance(1)), (7, 0));
        assert_eq!(judged_round(Compat::Reference, 3, &relevance(1)), (3, 1));
        assert_eq!(judged_round(Compat::Reference, 3, &relevance(10)), (4, 0), "the next dialog's first");
    }

    #[test]
    fn figures_are_means_over_rounds() {
        let outcome = Outcome { ranks: vec![1, 2, 100], gains: vec![0.5, 1.0], cut: 0 };
        let figures: Vec<_> = (0..7).map(|at| outcome.figure(at)).collect();
        let third = Some(1.0 / 3.0);
        assert_eq!(figures[0], Some(0.75));
        assert!((figures[1].unwrap() - (1.0 + 0.5 + 0.01) / 3.0).abs() < 1e-12);
        assert_eq!(figures[2..], [third, Some(2.0 / 3.0), Some(2.0 / 3.0), Some(2.0 / 3.0), None]);
        assert_eq!(
            Outcome { ranks: vec![1], gains: Vec::new(), cut: 0 }.figure(0),
            None,
            "without relevances"
        );
    }
}
