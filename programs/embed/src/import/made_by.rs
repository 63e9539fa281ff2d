//! Which model made the embeddings: told by the caller, as the files themselves do not say.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fondue_model::{fingerprint, mapping::ModelArgs};

use super::Args;

/// What is known of the model.
#[derive(Default)]
pub(super) struct MadeBy {
    /// Folder of the mapping layers, and the length of their embeddings.
    pub(super) dim: Option<(PathBuf, usize)>,
    /// Fingerprint of the mapping layers and OPT; empty if they are not known.
    pub(super) language: String,
    /// Fingerprint of the vision tower.
    pub(super) vision: Option<String>,
}

impl MadeBy {
    /// Reads the files of the folders that `args` name.
    pub(super) fn find(args: &Args) -> Result<Self> {
        let below = |name: &str| args.model.as_deref().map(|model| model.join(name));
        let mapping = args.mapping.clone().or_else(|| below("fromage"));
        let opt = args.opt.clone().or_else(|| below("opt"));
        let clip = args.clip.clone().or_else(|| below("clip").filter(|clip| clip.is_dir()));
        let vision = clip.as_deref().map(fingerprint::vision).transpose()?;
        match (mapping, opt) {
            (Some(mapping), Some(opt)) => Self::of(&mapping, &opt, vision),
            _ => Ok(Self { vision, ..Self::default() }),
        }
    }

    fn of(mapping: &Path, opt: &Path, vision: Option<String>) -> Result<Self> {
        let language = fingerprint::language(opt, mapping)?;
        Ok(Self {
            dim: Some((mapping.to_owned(), ModelArgs::load(mapping)?.shared_emb_dim as usize)),
            language,
            vision,
        })
    }
}
