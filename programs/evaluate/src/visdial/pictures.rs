//! T→I: the picture that a dialog is about, among the pictures of all.

use anyhow::Result;
use fondue_domain::Compat;

use super::{answers::Told, dialog::Dialog, text::whole};
use crate::{
    metrics::{dot, rank},
    model::{Model, Piece},
    report::{Example, Examples, Report, Shown, Skipped},
};

/// Cases that are told.
const CASES: usize = 60;
/// Pictures that are told of each.
const SHOWN: usize = 5;

/// The rank of the right one for each dialog; as the published code has it, of the right dialog for each picture.
pub(super) fn judge(model: &mut Model, told: &Told<'_>, report: &mut Report) -> Result<Vec<usize>> {
    let Told { dialogs, judged, mode, .. } = told;
    let places: Vec<usize> =
        (0..dialogs.dialogs.len()).filter(|&at| judged.embeddings[at].is_some()).collect();
    let text = |&at: &usize| Ok(vec![Piece::Text(fitting(told, &dialogs.dialogs[at])?)]);
    let prompts = places.iter().map(text).collect::<Result<Vec<_>>>()?;
    let mut found = Vec::new();
    for (at, query) in places.into_iter().zip(model.queries(&prompts, "dialogs asked")?) {
        match query {
            Ok(query) => found.push((at, query.0)),
            Err(reason) => {
                let what = format!("the dialog about picture {}", dialogs.dialogs[at].image.0);
                report.skipped.push(Skipped { what, reason });
            }
        }
    }
    let pictures: Vec<(usize, &Vec<f32>)> =
        judged.embeddings.iter().enumerate().filter_map(|(at, row)| Some((at, row.as_ref()?))).collect();
    if *mode == Compat::Reference {
        return Ok(dialogs_of_pictures(&found, &pictures));
    }
    let (mut ranks, mut rows) = (Vec::new(), Vec::new());
    let every = found.len().div_ceil(CASES).max(1);
    for (n, (at, query)) in found.iter().enumerate() {
        let scores: Vec<f32> = pictures.iter().map(|(_, row)| dot(row, query)).collect();
        let right = pictures.iter().position(|(other, _)| other == at);
        let Some(rank) = right.and_then(|right| rank(&scores, &[right])) else { continue };
        ranks.push(rank);
        if n % every == 0 {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            rows.push(Example {
                given: vec![Shown::text(whole(dialogs, &dialogs.dialogs[*at], 0, *mode))],
                right: vec![judged.shown(*at)],
                got: order.into_iter().take(SHOWN).map(|place| judged.shown(pictures[place].0)).collect(),
                rank: Some(rank),
            });
        }
    }
    let title = "Pictures found by dialogs".to_owned();
    report.examples.push(Examples { name: "pictures", title, of: ranks.len(), rows });
    Ok(ranks)
}

/// For each picture the rank of its dialog among all dialogs.
fn dialogs_of_pictures(found: &[(usize, Vec<f32>)], pictures: &[(usize, &Vec<f32>)]) -> Vec<usize> {
    let of = |(at, row): &(usize, &Vec<f32>)| {
        let scores: Vec<f32> = found.iter().map(|(_, query)| dot(row, query)).collect();
        let right = found.iter().position(|(other, _)| other == at)?;
        rank(&scores, &[right])
    };
    pictures.iter().filter_map(of).collect()
}

/// The dialog without as many of its first rounds as do not fit.
fn fitting(told: &Told<'_>, dialog: &Dialog) -> Result<String> {
    let Told { dialogs, measure, mode, .. } = told;
    let mut from = 0;
    loop {
        let text = whole(dialogs, dialog, from, *mode);
        let last = from + 1 >= dialog.rounds.len();
        if *mode == Compat::Reference || last || measure.fits(&[Piece::text(&text)], 0)? {
            return Ok(text);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_direction_is_the_other_one() {
        // Both queries are nearest to the first picture; the second picture is nearest to the first query.
        let found = vec![(0, vec![1.0, 0.5]), (1, vec![0.9, 0.4])];
        let (first, second) = (vec![1.0, 0.0], vec![0.0, 1.0]);
        let pictures = vec![(0, &first), (1, &second)];
        assert_eq!(dialogs_of_pictures(&found, &pictures), [1, 2]);
        let by_dialog = |n: usize| {
            let scores: Vec<f32> = pictures.iter().map(|(_, row)| dot(row, &found[n].1)).collect();
            rank(&scores, &[n]).unwrap()
        };
        assert_eq!([by_dialog(0), by_dialog(1)], [1, 2]);
        let found = vec![(0, vec![0.6, 0.8]), (1, vec![0.0, 1.0])];
        assert_eq!(
            dialogs_of_pictures(&found, &pictures),
            [1, 1],
            "though the first dialog finds the second picture"
        );
    }
}
