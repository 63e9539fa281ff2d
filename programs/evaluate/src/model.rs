//! The model that is measured: the services' own engines, in this process, and all that it has said so far.
//!
//! Whatever is asked of it is kept in the work folder under a hash of the question and of the model's files, so that nothing is asked
//! twice: a run that was killed goes on where it was, and the towers are not even loaded where all answers are known.

pub(crate) mod args;
mod ask;
mod engines;
mod identity;
mod kept;
mod measure;
mod piece;
mod see;

pub(crate) use args::ModelArgs;
pub(crate) use ask::Weigh;
pub(crate) use ask::{Ask, Ends, Said};
pub(crate) use measure::Measure;
pub(crate) use piece::{Piece, Sight};

use std::{fs::File, path::Path};

use anyhow::{Context, Result};
use fondue_terminal::interrupt::Interrupt;

use self::{
    engines::Engines,
    kept::{Floats, Kept},
};

/// What one of many questions came to: a reason for people where it could not be asked.
pub(crate) type Answer<T> = Result<T, String>;

/// A model and its kept answers.
pub(crate) struct Model {
    engines: Engines,
    interrupt: Interrupt,
    features: Kept<Floats>,
    embeddings: Kept<Floats>,
    said: Kept<Said>,
    scores: Kept<Floats>,
    _lock: File,
    /// SHA-256 of its files, hexadecimal.
    pub(crate) identity: String,
}

impl Model {
    /// Looks at the files and opens the work folder; loads nothing yet.
    pub(crate) fn open(args: &ModelArgs, work: &Path, interrupt: &Interrupt) -> Result<Self> {
        let identity = identity::of(&args.model, interrupt)?;
        let engines = Engines::new(args)?;
        let folder = work.join(identity::folder(&identity, &engines));
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self {
            _lock: kept::lock(&folder)?,
            features: Kept::open(&folder.join("features.jsonl"))?,
            embeddings: Kept::open(&folder.join("embeddings.jsonl"))?,
            said: Kept::open(&folder.join("said.jsonl"))?,
            scores: Kept::open(&folder.join("scores.jsonl"))?,
            engines,
            interrupt: interrupt.clone(),
            identity,
        })
    }
}
