//! The dialogs whose pictures are there, with what the tower made of them.

use std::path::PathBuf;

use anyhow::Result;
use fondue_domain::Compat;

use super::dialog::Dialogs;
use crate::{
    folder::Folder,
    model::{Model, Sight},
    pictures::Pictures,
    report::{Report, Shown},
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
        let name = |at: usize| dialogs.dialogs[at].image.0.to_string();
        let Pictures { sights, embeddings } = Pictures::see(model, files, mode, name, report)?;
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
