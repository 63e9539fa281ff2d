//! The check: each part by itself, then the parts together. A fault never ends it.

mod clip;
mod fromage;
mod opt;
mod tensors;
mod together;
mod tokenizer;
mod values;

pub(crate) use values::not_finite_in;

use std::path::{Path, PathBuf};

use fondue_domain::TokenId;
use fondue_model::{ModelError, opt::OptConfig, weights::Survey};

use crate::{
    parts::{self, Kind, Place},
    report::{Fault, FileFound, Part, Report},
};

/// A part with what the check of the whole needs of it.
struct Checked {
    part: Part,
    faults: Vec<Fault>,
    survey: Option<Survey>,
    facts: Shared,
}

/// What parts must agree on, as far as it is known of each.
#[derive(Default)]
struct Shared {
    opt: Option<OptConfig>,
    ret: Option<TokenId>,
    /// Width of the language model's input vectors.
    word_dim: Option<i64>,
    /// Width of the vision tower's features.
    feature_dim: Option<i64>,
}

impl Checked {
    fn new(place: &Place) -> Self {
        let part = Part::new(place.kind, &place.folder);
        Self { part, faults: Vec::new(), survey: None, facts: Shared::default() }
    }

    fn fault(&mut self, place: &Path, what: impl ToString, remedy: impl ToString) {
        self.faults.push(Fault::new(place, what, remedy));
    }

    /// An error of the model's own code, which names the file.
    fn model_fault(&mut self, error: &ModelError, remedy: &str) {
        let folder = self.part.folder.clone();
        let (place, what) = split(error, &folder);
        self.fault(&place, what, remedy);
    }

    /// A file beside the tensors, if it is there.
    fn file(&mut self, name: &str, form: &str) {
        if let Ok(data) = self.part.folder.join(name).metadata()
            && data.is_file()
        {
            let found = FileFound { name: name.to_owned(), bytes: data.len(), form: form.to_owned() };
            self.part.files.push(found);
        }
    }
}

/// Checks the parts that the folders hold.
pub(crate) fn check(folders: &[PathBuf], quick: bool) -> Report {
    let (places, mut faults) = parts::find(folders);
    let mut checked: Vec<Checked> = Vec::new();
    for place in &places {
        checked.push(match place.kind {
            Kind::Opt => opt::check(place),
            Kind::Clip => clip::check(place, quick),
            Kind::Fromage => {
                let opt = only(&checked, Kind::Opt);
                let ret = opt.and_then(|opt| opt.facts.ret);
                fromage::check(place, ret)
            }
        });
    }
    if !quick {
        values::read(&mut checked);
    }
    let whole = together::check(&mut checked, &mut faults);
    let mut report = Report { whole, ..Report::default() };
    for Checked { part, faults: of_part, .. } in checked {
        report.parts.push(part);
        faults.extend(of_part);
    }
    if report.parts.is_empty() && faults.is_empty() {
        let place = folders.first().map_or(Path::new("."), PathBuf::as_path);
        faults.push(Fault::new(place, "no part of a model is there", "name a model folder"));
    }
    report.ok = faults.is_empty();
    report.faults = faults;
    report
}

/// The only part of this kind; `None` if there are several.
fn only(checked: &[Checked], kind: Kind) -> Option<&Checked> {
    let mut of_kind = checked.iter().filter(|checked| checked.part.kind == kind);
    of_kind.next().filter(|_| of_kind.next().is_none())
}

/// The file that an error names, and the rest of what it says.
fn split(error: &ModelError, folder: &Path) -> (PathBuf, String) {
    match error {
        ModelError::Read { path, reason } => (path.clone(), format!("cannot be read: {reason}")),
        ModelError::Content { path, reason } => (path.clone(), reason.clone()),
        other => {
            // What it is about comes first in what it says; what caused it may follow.
            let mut what = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                what = format!("{what}: {cause}");
                source = cause.source();
            }
            (folder.to_owned(), what)
        }
    }
}
