//! The pictures of one style as a gallery: which are nearest to a query.

use super::read::{Corpus, Picture, Split};
use crate::metrics::{dot, rank};

/// Embeddings of the pictures of one style.
pub(crate) struct Gallery {
    /// Places among the corpus's pictures.
    pub(crate) pictures: Vec<usize>,
    embeddings: Vec<Vec<f32>>,
}

/// Where a query's right picture stands, and what stands first.
pub(crate) struct Found {
    pub(crate) rank: usize,
    /// Places among the corpus's pictures, the nearest first.
    pub(crate) first: Vec<usize>,
}

/// Pictures that are shown of a search.
const SHOWN: usize = 5;

impl Gallery {
    /// `embeddings`: one for each of the corpus's pictures that could be seen.
    pub(crate) fn new(corpus: &Corpus, style: usize, embeddings: &[Option<Vec<f32>>]) -> Self {
        let of_style = |at: &usize| corpus.pictures[*at].style == style;
        let pictures: Vec<usize> = (0..corpus.pictures.len()).filter(of_style).collect();
        let pairs = pictures.into_iter().filter_map(|at| Some((at, embeddings[at].clone()?)));
        let (pictures, embeddings) = pairs.unzip();
        Self { pictures, embeddings }
    }

    /// The right picture of a query, if a picture of the thing is here.
    pub(crate) fn find(&self, query: &[f32], picture: usize) -> Option<Found> {
        let scores: Vec<f32> = self.embeddings.iter().map(|row| dot(row, query)).collect();
        let right = self.pictures.iter().position(|&at| at == picture)?;
        let rank = rank(&scores, &[right])?;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let shown = SHOWN.min(order.len());
        if shown < order.len() {
            order.select_nth_unstable_by(shown, |&a, &b| scores[b].total_cmp(&scores[a]));
        }
        order.truncate(shown);
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        Some(Found { rank, first: order.into_iter().map(|at| self.pictures[at]).collect() })
    }
}

/// How often chance finds a picture first: in one gallery, or on the mean in all.
pub(crate) fn chance(galleries: &[Gallery], style: Option<usize>) -> f64 {
    let of = |gallery: &Gallery| 1.0 / gallery.pictures.len().max(1) as f64;
    match style {
        Some(style) => of(&galleries[style]),
        None => galleries.iter().map(of).sum::<f64>() / galleries.len().max(1) as f64,
    }
}

/// Picture by picture, some evenly spread ones: `limit` of each style and split.
pub(crate) fn spread<'a>(pictures: &'a [Picture], limit: Option<usize>) -> impl Fn(usize) -> bool + use<'a> {
    let mut chosen = std::collections::HashSet::new();
    for style in 0..super::read::STYLES.len() {
        for split in Split::ALL {
            let is = |at: &usize| pictures[*at].style == style && pictures[*at].split == split;
            let all: Vec<usize> = (0..pictures.len()).filter(is).collect();
            let n = limit.unwrap_or(all.len()).min(all.len());
            chosen.extend((0..n).map(|i| all[i * all.len() / n]));
        }
    }
    move |at| chosen.contains(&at)
}
