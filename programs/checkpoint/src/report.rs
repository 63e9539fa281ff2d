//! What a check found, as it is printed and as machines read it.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::parts::Kind;

/// All that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether there is no fault.
    pub(crate) ok: bool,
    /// Each part, in the order OPT, CLIP, mapping layers.
    pub(crate) parts: Vec<Part>,
    /// What the parts are together.
    pub(crate) whole: Facts,
    /// Every fault of every part.
    pub(crate) faults: Vec<Fault>,
}

/// One part of a model.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    pub(crate) folder: PathBuf,
    /// Files that are read, with their sizes.
    pub(crate) files: Vec<FileFound>,
    pub(crate) architecture: Facts,
    pub(crate) tensors: Option<Tensors>,
    pub(crate) tokenizer: Option<Facts>,
    pub(crate) preprocessing: Option<Facts>,
    pub(crate) values: Option<Values>,
    /// What an index or a cache knows this part by.
    pub(crate) fingerprint: Option<String>,
    /// What is worth knowing and no fault.
    pub(crate) remarks: Vec<String>,
}

impl Part {
    pub(crate) fn new(kind: Kind, folder: &Path) -> Self {
        Self {
            kind,
            folder: folder.to_owned(),
            files: Vec::new(),
            architecture: Facts::default(),
            tensors: None,
            tokenizer: None,
            preprocessing: None,
            values: None,
            fingerprint: None,
            remarks: Vec::new(),
        }
    }
}

/// A file that was found.
#[derive(Debug, Serialize)]
pub(crate) struct FileFound {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// How it is kept: safetensors, pickle, json, text.
    pub(crate) form: String,
}

/// The tensors of a part. Names are the files'.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tensors {
    /// How many the part has and the files hold as they should be.
    pub(crate) found: usize,
    pub(crate) parameters: u64,
    /// By type of element, as stored.
    pub(crate) dtypes: Vec<OfDtype>,
    pub(crate) missing: Vec<Named>,
    /// Those that cannot be taken as they are, with why.
    pub(crate) wrong: Vec<Wrong>,
    /// Those that are there for no known reason.
    pub(crate) unexpected: Vec<Named>,
    /// Those that are known not to matter, with why.
    pub(crate) ignored: Vec<Ignored>,
}

/// Tensors of one type.
#[derive(Debug, Serialize)]
pub(crate) struct OfDtype {
    pub(crate) dtype: String,
    pub(crate) tensors: usize,
    pub(crate) bytes: u64,
}

/// A tensor.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
}

/// A tensor that is not as it should be.
#[derive(Debug, Serialize)]
pub(crate) struct Wrong {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// A tensor that does not matter.
#[derive(Debug, Serialize)]
pub(crate) struct Ignored {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) why: &'static str,
}

/// What reading every tensor found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Values {
    /// Bytes that were read.
    pub(crate) read: u64,
    /// Tensors with values that are no finite numbers.
    pub(crate) not_finite: Vec<NotFinite>,
}

/// A tensor with values that are no finite numbers.
#[derive(Debug, Serialize)]
pub(crate) struct NotFinite {
    pub(crate) name: String,
    pub(crate) values: u64,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    /// The file or folder.
    pub(crate) place: PathBuf,
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(place: &Path, what: impl ToString, remedy: impl ToString) -> Self {
        Self { place: place.to_owned(), what: what.to_string(), remedy: remedy.to_string() }
    }
}

/// Names and values, in the order that they are told in.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<(&'static str, Value)>);

impl Facts {
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
