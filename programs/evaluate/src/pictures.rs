//! A set's pictures, with what the model made of them.

use std::path::PathBuf;

use anyhow::Result;
use fondue_domain::Compat;

use crate::{
    model::{Model, Sight},
    report::{Report, Skipped},
};

/// Pictures as one of the two ways to make them square shows them, by their place; what could not be seen is `None`.
pub(crate) struct Pictures {
    /// What the tower made of each.
    pub(crate) sights: Vec<Option<Sight>>,
    /// Each in retrieval space.
    pub(crate) embeddings: Vec<Option<Vec<f32>>>,
}

impl Pictures {
    /// All of `files` through the tower and into retrieval space; what cannot be seen is listed once, by its name.
    pub(crate) fn see(
        model: &mut Model,
        files: &[Option<PathBuf>],
        mode: Compat,
        name: impl Fn(usize) -> String,
        report: &mut Report,
    ) -> Result<Self> {
        let there = files.iter().enumerate().filter_map(|(at, file)| Some((at, file.clone()?)));
        let (places, paths): (Vec<usize>, Vec<PathBuf>) = there.unzip();
        let (mut sights, mut embeddings) = (vec![None; files.len()], vec![None; files.len()]);
        let mut bad = |at: usize, reason: String| {
            let skipped = Skipped { what: format!("picture {}", name(at)), reason };
            if !report.skipped.contains(&skipped) {
                report.skipped.push(skipped);
            }
        };
        let mut seen = Vec::new();
        for (at, sight) in places.into_iter().zip(model.see(&paths, mode)?) {
            match sight {
                Ok(sight) => seen.push((at, sight)),
                Err(reason) => bad(at, reason),
            }
        }
        let all: Vec<Sight> = seen.iter().map(|(_, sight)| sight.clone()).collect();
        for ((at, sight), embedding) in seen.into_iter().zip(model.project(&all)?) {
            match embedding {
                Ok(embedding) => (sights[at], embeddings[at]) = (Some(sight), Some(embedding.0)),
                Err(reason) => bad(at, reason),
            }
        }
        Ok(Self { sights, embeddings })
    }
}
