//! Tensors by name out of a model's files as they are published, mapped and not copied until asked for.
//!
//! Safetensors or torch's pickles, whole or sharded. Source: the safetensors format; Hugging Face's
//! `*.index.json` for shards; the reference's checkpoints for the mapping layers.

pub(crate) mod find;
mod source;
mod survey;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    path::{Path, PathBuf},
};

use tch::Tensor;

use self::source::{Entry, Source};
pub use self::survey::Survey;
use crate::{ModelError, Placement};

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
    files: Vec<(PathBuf, Source)>,
    entries: HashMap<String, Entry>,
    prefix: &'static str,
    watch: Watch<'w>,
    read: Cell<u64>,
    total: u64,
    survey: Option<RefCell<Survey>>,
}

impl<'w> Weights<'w> {
    /// Opens a Hugging Face folder: `model.safetensors`, its shards, `pytorch_model.bin` or its shards, the first of
    /// these that is there.
    ///
    /// # Errors
    /// [`ModelError`] naming the file.
    pub fn open(folder: &Path, watch: Watch<'w>) -> Result<Self, ModelError> {
        Self::of_files(find::model(folder)?, watch)
    }

    /// Opens a folder of mapping layers: `mapping.safetensors`, or a checkpoint as published or as the reference's
    /// trainer writes it.
    ///
    /// # Errors
    /// [`ModelError`] naming the file.
    pub fn open_mapping(folder: &Path, watch: Watch<'w>) -> Result<Self, ModelError> {
        Self::of_files(find::mapping(folder)?, watch)
    }

    fn of_files(paths: Vec<PathBuf>, watch: Watch<'w>) -> Result<Self, ModelError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut entries = HashMap::new();
        for path in paths {
            let (source, listed) = Source::open(&path, files.len())?;
            for (name, entry) in listed {
                if entries.insert(name.clone(), entry).is_some() {
                    return Err(ModelError::content(
                        &path,
                        format!("tensor `{name}` is in an earlier file too"),
                    ));
                }
            }
            files.push((path, source));
        }
        let total = entries.values().map(|entry| entry.bytes as u64).sum();
        Ok(Self { files, entries, prefix: "", watch, read: Cell::new(0), total, survey: None })
    }

    /// Only looks: tensors asked for are noted, what is wrong with them too, and nothing is read.
    pub fn surveyed(mut self) -> Self {
        self.survey = Some(RefCell::default());
        self
    }

    /// What was found while only looking.
    pub fn survey(self) -> Survey {
        let Self { survey, entries, files, .. } = self;
        let files = files.into_iter().map(|(path, _)| path).collect();
        survey.map(RefCell::into_inner).unwrap_or_default().complete(files, &entries)
    }

    /// Takes names from here on as what follows the one of `prefixes` under which `anchor` is found.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is under none.
    pub fn under(mut self, prefixes: &[&'static str], anchor: &str) -> Result<Self, ModelError> {
        let found = prefixes.iter().find(|prefix| self.entries.contains_key(&format!("{prefix}{anchor}")));
        self.prefix = found.ok_or_else(|| {
            self.fault(format!("no tensor `{anchor}`, with or without one of the prefixes {prefixes:?}"))
        })?;
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
            Some(entry) => {
                Ok(self.load(entry)?.f_to_device(placement.device)?.f_to_kind(placement.dtype.kind())?)
            }
            None => Ok(Tensor::f_zeros([0], (placement.dtype.kind(), placement.device))?),
        }
    }

    /// Several tensors of one shape, one under the other: `[names · shape[0], …]`. Beside the result no more than
    /// one of them is in memory at a time.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub fn stacked(
        &self,
        names: &[String],
        shape: &[i64],
        placement: Placement,
    ) -> Result<Tensor, ModelError> {
        let mut whole = shape.to_vec();
        whole[0] *= names.len() as i64;
        let options = (placement.dtype.kind(), placement.device);
        let stacked = Tensor::f_empty(if self.survey.is_some() { &[0] } else { whole.as_slice() }, options)?;
        for (n, name) in names.iter().enumerate() {
            if let Some(entry) = self.wanted(name, shape)? {
                let mut part = stacked.f_narrow(0, n as i64 * shape[0], shape[0])?;
                part.f_copy_(&self.load(entry)?)?;
            }
        }
        Ok(stacked)
    }

    /// Some rows of a matrix, converted and moved to `placement`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if it is missing or has too few rows.
    pub fn rows(&self, name: &str, rows: std::ops::Range<i64>, at: Placement) -> Result<Tensor, ModelError> {
        let shape = self.shape(name).map(<[i64]>::to_vec).unwrap_or_default();
        let Some(entry) = self.wanted(name, &shape)? else {
            return Ok(Tensor::f_zeros([0], (at.dtype.kind(), at.device))?);
        };
        if shape.len() != 2 || shape[0] < rows.end {
            return Err(self
                .fault(format!("tensor `{name}` has shape {shape:?}, expected {} rows or more", rows.end)));
        }
        let part = self.load(entry)?.f_narrow(0, rows.start, rows.end - rows.start)?;
        // A copy, so that the whole matrix does not stay in memory for the sake of its part.
        let mut copy = part.f_zeros_like()?;
        copy.f_copy_(&part)?;
        Ok(copy.f_to_device(at.device)?.f_to_kind(at.dtype.kind())?)
    }

    /// The entry of a tensor that has this shape. `None` while only looking.
    fn wanted(&self, name: &str, shape: &[i64]) -> Result<Option<&Entry>, ModelError> {
        let full = format!("{}{name}", self.prefix);
        let found = match self.entries.get(&full) {
            None => Err(format!("tensor `{full}` is missing")),
            Some(entry) if entry.shape != shape => {
                Err(format!("tensor `{full}` has shape {:?}, expected {shape:?}", entry.shape))
            }
            Some(entry) => Ok(entry),
        };
        match (&self.survey, found) {
            (Some(survey), found) => {
                survey.borrow_mut().note(full, found.err());
                Ok(None)
            }
            (None, found) => Ok(Some(found.map_err(|reason| self.fault(reason))?)),
        }
    }

    fn load(&self, entry: &Entry) -> Result<Tensor, ModelError> {
        let (path, source) = &self.files[entry.file];
        let tensor = source.read(path, entry)?;
        self.read.set(self.read.get() + entry.bytes as u64);
        (self.watch)(Progress { read: self.read.get(), total: self.total });
        Ok(tensor)
    }

    /// An error about these files.
    pub fn fault(&self, reason: String) -> ModelError {
        let path = self.files.first().map(|(path, _)| path.as_path()).unwrap_or(Path::new(""));
        ModelError::content(path, reason)
    }
}
