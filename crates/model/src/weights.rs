//! Tensors by name out of a model's files as they are published, mapped and not copied until asked for.
//!
//! Safetensors or torch's pickles, whole or sharded. Source: the safetensors format; Hugging Face's
//! `*.index.json` for shards; the reference's checkpoints for the mapping layers.

pub(crate) mod find;
mod packed;
mod read;
mod source;
mod stored;
mod survey;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

use tch::Tensor;

use self::source::{Entry, Opened, Place, Source};
pub use self::{
    stored::{FileForm, ModelFile, Stored, StoredDtype},
    survey::{Found, Known, Survey, TensorFault, Unexpected},
};
use crate::{ModelError, Placement, files::shown};

/// How far reading is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes of tensors that were read.
    pub read: u64,
    /// Bytes of all tensors in the files.
    pub total: u64,
}

/// Is told of every tensor that was read.
pub type Watch<'a> = &'a dyn Fn(Progress);

/// Watches nothing.
pub fn unwatched(_: Progress) {}

/// All tensors of one model, by name.
pub struct Weights<'w> {
    files: Vec<(ModelFile, Source)>,
    entries: HashMap<String, Entry>,
    prefix: &'static str,
    watch: Watch<'w>,
    read: Cell<u64>,
    total: u64,
    /// Only looks: tensors asked for are noted, what is wrong with them too, and nothing is read.
    survey: Option<RefCell<Survey>>,
}

impl<'w> Weights<'w> {
    /// Opens a Hugging Face folder: `model.safetensors`, its shards, `pytorch_model.bin` or its shards, the first of
    /// these that is there.
    ///
    /// # Errors
    /// [`ModelError`] naming the file.
    pub fn open(folder: &Path, watch: Watch<'w>) -> Result<Self, ModelError> {
        Self::empty(watch, false).with(find::model(folder)?)
    }

    /// Opens a folder of mapping layers: `mapping.safetensors`, or a checkpoint as published or as the reference's
    /// trainer writes it.
    ///
    /// # Errors
    /// [`ModelError`] naming the file.
    pub fn open_mapping(folder: &Path, watch: Watch<'w>) -> Result<Self, ModelError> {
        Self::empty(watch, false).with(find::mapping(folder)?)
    }

    /// As [`Weights::open`], to look only: nothing that is asked for is read, a tensor comes out empty whatever is
    /// wrong with it, and [`Weights::survey`] tells all. Shards that cannot be opened are left out.
    ///
    /// # Errors
    /// [`ModelError`] naming the file, if there is none that can be opened.
    pub fn look(folder: &Path) -> Result<Self, ModelError> {
        Self::empty(&unwatched, true).with(find::model(folder)?)
    }

    /// As [`Weights::look`], for [`Weights::open_mapping`].
    ///
    /// # Errors
    /// As [`Weights::look`].
    pub fn look_mapping(folder: &Path) -> Result<Self, ModelError> {
        Self::empty(&unwatched, true).with(find::mapping(folder)?)
    }

    fn empty(watch: Watch<'w>, look: bool) -> Self {
        let survey = look.then(RefCell::default);
        Self {
            files: Vec::new(),
            entries: HashMap::new(),
            prefix: "",
            watch,
            read: Cell::new(0),
            total: 0,
            survey,
        }
    }

    fn with(mut self, paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        for path in paths {
            match (self.add(path), &self.survey) {
                (Err(error), Some(survey)) => survey.borrow_mut().unopened.push(error),
                (result, _) => result?,
            }
        }
        if self.files.is_empty()
            && let Some(error) = self.survey.as_ref().and_then(|survey| survey.borrow_mut().unopened.pop())
        {
            return Err(error);
        }
        Ok(self)
    }

    fn add(&mut self, path: PathBuf) -> Result<(), ModelError> {
        let Opened { source, tensors, bytes } = Source::open(&path, self.files.len())?;
        let mut added = HashMap::with_capacity(tensors.len());
        for (name, entry) in tensors {
            // What cannot be read does not count, however large it says it is.
            let counted = if matches!(entry.place, Place::Expanded) { 0 } else { entry.bytes };
            self.total = self.total.saturating_add(counted);
            if self.entries.contains_key(&name) || added.contains_key(&name) {
                let name = shown(&name);
                let reason = format!("tensor `{name}` is there twice, in this file or an earlier one");
                return Err(ModelError::content(&path, reason));
            }
            added.insert(name, entry);
        }
        // All of a file or nothing: its tensors know it by its place among the files.
        self.entries.extend(added);
        let form = source.form();
        self.files.push((ModelFile { path, bytes, form }, source));
        Ok(())
    }

    /// What was found while only looking; `known` tells why tensors may be there that were not asked for.
    pub fn survey(self, known: Known) -> Survey {
        let mut survey = self.survey.map(RefCell::into_inner).unwrap_or_default();
        survey.files = self.files.into_iter().map(|(file, _)| file).collect();
        survey.complete(self.entries.iter().map(|(name, entry)| entry.stored(name)), known);
        survey
    }

    /// Takes names from here on as what follows the one of `prefixes` under which `anchor` is found.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is under none; while only looking, what most names have is taken then.
    pub fn under(mut self, prefixes: &[&'static str], anchor: &str) -> Result<Self, ModelError> {
        let holds = |prefix: &&&'static str| self.entries.contains_key(&format!("{prefix}{anchor}"));
        let begins = |prefix: &&&'static str| {
            !prefix.is_empty() && self.entries.keys().any(|name| name.starts_with(**prefix))
        };
        self.prefix = match prefixes.iter().find(holds) {
            Some(prefix) => prefix,
            None if self.survey.is_some() => prefixes.iter().find(begins).copied().unwrap_or_default(),
            None => {
                let reason =
                    format!("no tensor `{anchor}`, with or without one of the prefixes {prefixes:?}");
                return Err(self.fault(reason));
            }
        };
        Ok(self)
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&format!("{}{name}", self.prefix))
    }

    /// The shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[i64]> {
        self.entries.get(&format!("{}{name}", self.prefix)).map(|entry| entry.shape.as_slice())
    }

    /// A tensor of exactly this shape, converted and moved to `placement`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing or of another shape.
    pub fn tensor(&self, name: &str, shape: &[i64], placement: Placement) -> Result<Tensor, ModelError> {
        match self.wanted(name, shape)? {
            Some(entry) => self.load(entry, None, placement),
            None => looked_at(placement),
        }
    }

    /// Several tensors of one shape, one under the other: `[names · shape[0], …]`. Beside the result no more than
    /// a piece of 64 KiB is in memory at a time.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn stacked(&self, names: &[String], shape: &[i64], at: Placement) -> Result<Tensor, ModelError> {
        // All are known to be there before memory is set aside for as much as a configuration says.
        let entries = self.all_wanted(names, shape)?;
        if self.survey.is_some() {
            return looked_at(at);
        }
        let mut whole = shape.to_vec();
        whole[0] *= names.len() as i64;
        let stacked = Tensor::f_empty(&whole, (at.dtype.kind(), at.device))?;
        for (n, entry) in entries.into_iter().enumerate() {
            self.fill(&stacked.f_narrow(0, n as i64 * shape[0], shape[0])?, entry, None)?;
        }
        Ok(stacked)
    }

    /// Some rows of a matrix, converted and moved to `placement`; nothing else of it is read.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing or has too few rows.
    pub fn rows(&self, name: &str, rows: Range<i64>, at: Placement) -> Result<Tensor, ModelError> {
        let shape = self.shape(name).map(<[i64]>::to_vec).unwrap_or_default();
        let full = format!("{}{name}", self.prefix);
        let found = match shape.as_slice() {
            [n, _] if (0..=*n).contains(&rows.start) && (rows.start..=*n).contains(&rows.end) => {
                self.find(&full, &shape)
            }
            [] if !self.entries.contains_key(&full) => Err(TensorFault::Missing { name: full, shape }),
            _ => Err(TensorFault::TooFewRows { name: full, got: shape, rows: rows.end }),
        };
        match self.noted(name, found, Some(&rows))? {
            Some(entry) => self.load(entry, Some(&rows), at),
            None => looked_at(at),
        }
    }

    /// Gives the bytes of a tensor, or of some of its rows, row-major and little-endian, in pieces of 64 KiB at most.
    /// `name` is the files'; it is not put under the prefix. No more than a piece is in memory at a time, but for
    /// tensors that are stored in another order.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing, cannot be read or has too few rows; those of `each`.
    pub fn stream<E: From<ModelError>>(
        &self,
        name: &str,
        rows: Option<&Range<i64>>,
        each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(entry) = self.entries.get(name) else {
            return Err(self.fault(format!("tensor `{name}` is missing")).into());
        };
        self.pieces(entry, rows, each)
    }

    /// The entries of tensors that have this shape; none while only looking.
    fn all_wanted(&self, names: &[String], shape: &[i64]) -> Result<Vec<&Entry>, ModelError> {
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            entries.extend(self.wanted(name, shape)?);
        }
        Ok(entries)
    }

    /// The entry of a tensor that has this shape. `None` while only looking.
    fn wanted(&self, name: &str, shape: &[i64]) -> Result<Option<&Entry>, ModelError> {
        self.noted(name, self.find(&format!("{}{name}", self.prefix), shape), None)
    }

    fn find(&self, full: &str, shape: &[i64]) -> Result<&Entry, TensorFault> {
        let name = full.to_owned();
        match self.entries.get(full) {
            None => Err(TensorFault::Missing { name, shape: shape.to_vec() }),
            Some(Entry { dtype, .. }) if dtype.kind().is_none() => {
                Err(TensorFault::WrongDtype { name, dtype: *dtype })
            }
            Some(entry) if entry.shape != shape => {
                Err(TensorFault::WrongShape { name, got: entry.shape.clone(), expected: shape.to_vec() })
            }
            Some(Entry { place: Place::Expanded, .. }) => Err(TensorFault::Expanded { name }),
            Some(entry) => Ok(entry),
        }
    }

    /// While only looking, what was found goes into the survey, and nothing comes out.
    fn noted<'s>(
        &self,
        name: &str,
        found: Result<&'s Entry, TensorFault>,
        rows: Option<&Range<i64>>,
    ) -> Result<Option<&'s Entry>, ModelError> {
        let Some(survey) = &self.survey else {
            return found.map(Some).map_err(|fault| {
                let entry = self.entries.get(fault.name());
                match entry.and_then(|entry| self.files.get(entry.file)) {
                    Some((file, _)) => ModelError::content(&file.path, fault),
                    None => self.fault(fault.to_string()),
                }
            });
        };
        let stored = |entry: &Entry| entry.stored(&format!("{}{name}", self.prefix));
        let found =
            found.map(|entry| Found { name: name.to_owned(), stored: stored(entry), rows: rows.cloned() });
        survey.borrow_mut().note(found);
        Ok(None)
    }

    /// An error about these files.
    pub fn fault(&self, reason: String) -> ModelError {
        let path = self.files.first().map(|(file, _)| file.path.as_path()).unwrap_or(Path::new(""));
        ModelError::content(path, reason)
    }
}

/// What stands for a tensor that was only looked at.
fn looked_at(at: Placement) -> Result<Tensor, ModelError> {
    Ok(Tensor::f_zeros([0], (at.dtype.kind(), at.device))?)
}
