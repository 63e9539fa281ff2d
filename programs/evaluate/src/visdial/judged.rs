//! The dialogs whose pictures are there, with what the tower made of them.

use std::path::PathBuf;

use anyhow::Result;
use fondue_domain::Compat;

use super::dialog::Dialogs;
use crate::{
    folder::Folder,
    model::{Model, Sight},
    report::{Report, Shown, Skipped},
};

/// What was seen, by the place of the dialog.
pub(super) struct Judged {
    pub(super) sights: Vec<Option<Sight>>,
    pub(super) embeddings: Vec<Option<Vec<f32>>>,
    shown: Vec<Shown>,
}

impl Judged {
    /// Sees the dialogs' pictures; what cannot be seen is listed.
    pub(super) fn see(
        model: &mut Model,
        dialogs: &Dialogs,
        files: &[Option<PathBuf>],
        folder: &Folder,
        mode: Compat,
        report: &mut Report,
    ) -> Result<Self> {
        let there = files.iter().enumerate().filter_map(|(at, file)| Some((at, file.clone()?)));
        let (places, paths): (Vec<usize>, Vec<PathBuf>) = there.unzip();
        let (mut sights, mut embeddings) = (vec![None; files.len()], vec![None; files.len()]);
        let mut bad = |at: usize, reason: String| {
            let skipped = Skipped { what: format!("picture {}", dialogs.dialogs[at].image.0), reason };
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
        let shown = |(dialog, file): (&super::dialog::Dialog, &Option<PathBuf>)| Shown::Picture {
            path: file.as_deref().map(|file| folder.below(file)).unwrap_or_default(),
            name: dialog.image.0.clone(),
        };
        Ok(Self { shown: dialogs.dialogs.iter().zip(files).map(shown).collect(), sights, embeddings })
    }

    /// The picture of a dialog, for people.
    pub(super) fn shown(&self, dialog: usize) -> Shown {
        self.shown[dialog].clone()
    }

    pub(super) fn count(&self) -> usize {
        self.sights.iter().flatten().count()
    }

    pub(super) fn any(&self) -> bool {
        self.count() > 0
    }
}
