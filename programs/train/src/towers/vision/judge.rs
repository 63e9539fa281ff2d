//! How well a tower knows drawings that it was not trained on.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use fondue_imaging::Preprocess;
use tch::{Kind, Tensor};

use super::{
    Run,
    pictures::{self, Corpus, Drawing, Split},
};

/// Styles that are judged.
const STYLES: [&str; 3] = ["noto", "twemoji", "fluent"];

/// The drawings to judge by, as the service sees them.
pub(crate) struct Judge {
    styles: Vec<Style>,
}

struct Style {
    pixels: Tensor,
    /// Rows of held-out drawings, and each one's thing among the trained ones.
    held: Vec<(i64, i64)>,
    /// Rows of some trained drawings, likewise.
    known: Vec<(i64, i64)>,
}

/// Shares of the drawings, in percent.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Verdict {
    /// Held-out drawings whose own name is the nearest of all names.
    pub(crate) named: f64,
    /// Names whose held-out drawing is the nearest of all drawings of its style.
    pub(crate) found_1: f64,
    /// … among the nearest five.
    pub(crate) found_5: f64,
    /// Trained drawings whose own name is the nearest.
    pub(crate) known_named: f64,
    /// Names whose trained drawing is the nearest.
    pub(crate) known_found_1: f64,
}

impl Judge {
    pub(crate) fn new(
        folder: &Path,
        corpus: &Corpus,
        trained: &[usize],
        preprocess: &Preprocess,
    ) -> Result<Self> {
        let mut styles: BTreeMap<&str, Vec<&Drawing>> = BTreeMap::new();
        for drawing in corpus.drawings.iter().filter(|drawing| !drawing.variant) {
            if STYLES.contains(&drawing.style.as_str()) {
                styles.entry(&drawing.style).or_default().push(drawing);
            }
        }
        let style = |drawings: &Vec<&Drawing>| -> Result<Style> {
            let rows = |split: Split| {
                let of = drawings.iter().enumerate().filter(|(_, drawing)| drawing.split == split);
                of.filter_map(|(row, drawing)| {
                    Some((row as i64, trained.binary_search(&drawing.thing).ok()? as i64))
                })
                .collect::<Vec<_>>()
            };
            let known = rows(Split::Train).into_iter().step_by(5).collect();
            Ok(Style {
                pixels: pictures::plain(folder, drawings, preprocess)?,
                held: rows(Split::HeldPicture),
                known,
            })
        };
        Ok(Self { styles: styles.values().map(style).collect::<Result<_>>()? })
    }

    /// Judges the averaged weights.
    pub(crate) fn measure(&self, run: &Run<'_>) -> Result<Verdict> {
        let names = run.read();
        let mut verdict = Verdict::default();
        let (mut held, mut known) = (0.0, 0.0);
        for style in &self.styles {
            let similar = run.look(&style.pixels).matmul(&names.transpose(0, 1));
            for (rows, is_held) in [(&style.held, true), (&style.known, false)] {
                for &(row, thing) in rows {
                    let own = similar.double_value(&[row, thing]);
                    let better = |line: Tensor| line.gt(own).sum(Kind::Int64).int64_value(&[]);
                    let named = f64::from(u8::from(better(similar.select(0, row)) == 0));
                    let rank = better(similar.select(1, thing));
                    if is_held {
                        verdict.named += named;
                        verdict.found_1 += f64::from(u8::from(rank < 1));
                        verdict.found_5 += f64::from(u8::from(rank < 5));
                        held += 1.0;
                    } else {
                        verdict.known_named += named;
                        verdict.known_found_1 += f64::from(u8::from(rank < 1));
                        known += 1.0;
                    }
                }
            }
        }
        for value in [&mut verdict.named, &mut verdict.found_1, &mut verdict.found_5] {
            *value *= 100.0 / f64::max(held, 1.0);
        }
        for value in [&mut verdict.known_named, &mut verdict.known_found_1] {
            *value *= 100.0 / f64::max(known, 1.0);
        }
        Ok(verdict)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { named, found_1, found_5, known_named, known_found_1 } = self;
        write!(
            f,
            "held-out drawings: {named:.1} % named, found R@1 {found_1:.1} %, R@5 {found_5:.1} %; \
             trained ones: {known_named:.1} % named, found R@1 {known_found_1:.1} %"
        )
    }
}
