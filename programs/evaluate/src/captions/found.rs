//! Pictures found by their captions, and captions by their pictures.

use anyhow::Result;

use super::Seen;
use crate::{
    metrics::{dot, mean_reciprocal_rank, rank, recall},
    model::{Model, Piece},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Cases that are told.
const CASES: usize = 100;
/// Pictures that are told of each.
const SHOWN: usize = 5;

/// Looks for all pictures and captions; adds figures and cases to the report.
pub(super) fn judge(model: &mut Model, pictures: &[Seen], report: &mut Report) -> Result<()> {
    let captions: Vec<(usize, &String)> = pictures
        .iter()
        .enumerate()
        .flat_map(|(at, picture)| picture.captions.iter().map(move |text| (at, text)))
        .collect();
    let prompts: Vec<_> =
        captions.iter().map(|(_, text)| vec![Piece::Text(format!("{text}[RET]"))]).collect();
    let mut queries: Vec<(usize, &String, Vec<f32>)> = Vec::new();
    for ((at, text), query) in captions.into_iter().zip(model.queries(&prompts, "captions asked")?) {
        match query {
            Ok(query) => queries.push((at, text, query.0)),
            Err(reason) => report.skipped.push(Skipped { what: text.clone(), reason }),
        }
    }
    let sights: Vec<_> = pictures.iter().map(|picture| picture.sight.clone()).collect();
    let mut gallery: Vec<(usize, Vec<f32>)> = Vec::new();
    for (at, embedding) in model.project(&sights)?.into_iter().enumerate() {
        match embedding {
            Ok(embedding) => gallery.push((at, embedding.0)),
            Err(reason) => report.skipped.push(Skipped { what: pictures[at].image.clone(), reason }),
        }
    }
    let (mut by_caption, mut rows) = (Vec::new(), Vec::new());
    for (at, text, query) in &queries {
        let scores: Vec<f32> = gallery.iter().map(|(_, row)| dot(row, query)).collect();
        let right: Vec<usize> = (0..gallery.len()).filter(|&place| gallery[place].0 == *at).collect();
        let Some(rank) = rank(&scores, &right) else { continue };
        by_caption.push(rank);
        if rank > 1 && rows.len() < CASES {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            rows.push(Example {
                given: vec![Shown::Text(format!("{text}[RET]"))],
                right: vec![pictures[*at].shown()],
                got: order.into_iter().take(SHOWN).map(|place| pictures[gallery[place].0].shown()).collect(),
                rank: Some(rank),
            });
        }
    }
    let by_picture = |(at, row): &(usize, Vec<f32>)| {
        let scores: Vec<f32> = queries.iter().map(|(_, _, query)| dot(row, query)).collect();
        let right: Vec<usize> = (0..queries.len()).filter(|&place| queries[place].0 == *at).collect();
        rank(&scores, &right)
    };
    let by_picture: Vec<usize> = gallery.iter().filter_map(by_picture).collect();
    let row = |(way, ranks, among): (&str, &Vec<usize>, usize)| {
        let recalls = [1, 5, 10].map(|k| Cell::Share(recall(ranks, k)));
        let named = [way.into(), Cell::Count(ranks.len()), Cell::Count(among)];
        named.into_iter().chain(recalls).chain([Cell::Number(mean_reciprocal_rank(ranks))]).collect()
    };
    report.tables.push(Figures {
        name: "retrieval",
        title: "Found".to_owned(),
        note: "The query of a caption with `[RET]` behind it and the embeddings of pictures. Of a picture's captions the best counts."
            .to_owned(),
        columns: ["", "n", "among", "R@1", "R@5", "R@10", "MRR"].map(str::to_owned).to_vec(),
        rows: [
            ("pictures by captions", &by_caption, gallery.len()),
            ("captions by pictures", &by_picture, queries.len()),
        ]
        .into_iter()
        .map(row)
        .collect(),
    });
    let of = by_caption.iter().filter(|rank| **rank > 1).count();
    let title = "Pictures that their captions do not find first".to_owned();
    report.examples.push(Examples { name: "not_found", title, of, rows });
    Ok(())
}
