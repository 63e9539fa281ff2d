//! From a survey to what is told of a part's tensors and files.

use std::collections::BTreeMap;

use fondue_model::{
    ModelError,
    weights::{StoredDtype, Survey, TensorFault, Weights},
};

use super::{Checked, split};
use crate::report::{FileFound, Ignored, Named, OfDtype, Tensors, Wrong};

/// Extensions of files that hold tensors, of which only some are read.
const TENSORS: [&str; 6] = ["safetensors", "bin", "tar", "msgpack", "h5", "pth"];

/// Takes what a survey found into the part, and what is wrong into its faults.
pub(super) fn tell(checked: &mut Checked, survey: Result<Survey, ModelError>, remedy: &str) {
    let survey = match survey {
        Ok(survey) => survey,
        Err(error) => return checked.model_fault(&error, remedy),
    };
    tell_files(checked, &survey);
    let folder = checked.part.folder.clone();
    let mut tensors =
        Tensors { found: survey.found.len(), parameters: survey.parameters(), ..Tensors::default() };
    tensors.dtypes = dtypes(&survey);
    for fault in &survey.faults {
        match fault {
            TensorFault::Missing { name, shape } => {
                tensors.missing.push(Named { name: name.clone(), shape: shape.clone() });
            }
            other => tensors.wrong.push(Wrong { name: other.name().to_owned(), why: other.to_string() }),
        }
    }
    for tensor in &survey.unexpected {
        let (name, shape) = (tensor.stored.name.clone(), tensor.stored.shape.clone());
        match tensor.known {
            Some(why) => tensors.ignored.push(Ignored { name, shape, why }),
            None => tensors.unexpected.push(Named { name, shape }),
        }
    }
    let names = |all: &[Named]| shortened(all.iter().map(|tensor| tensor.name.as_str()));
    if !tensors.missing.is_empty() {
        let n = tensors.missing.len();
        let remedy = if survey.unopened.is_empty() {
            "the files are not those of this configuration, or incomplete; download both again"
        } else {
            "they are probably in the files that cannot be opened"
        };
        checked.fault(&folder, format!("{n} tensors are missing: {}", names(&tensors.missing)), remedy);
    }
    if !tensors.wrong.is_empty() {
        let (n, whys) = (tensors.wrong.len(), tensors.wrong.iter().map(|wrong| wrong.why.as_str()));
        let what = format!("{n} tensors are not as they should be: {}", shortened(whys));
        checked.fault(&folder, what, "the files are not those of this configuration; download both again");
    }
    if !tensors.unexpected.is_empty() {
        let n = tensors.unexpected.len();
        let what = format!("{n} tensors are no part of this model: {}", names(&tensors.unexpected));
        checked.fault(&folder, what, "the configuration says less than the files hold; download both again");
    }
    checked.part.tensors = Some(tensors);
    checked.survey = Some(survey);
}

/// Without a configuration the files can be opened, but not compared with anything.
pub(super) fn tell_opened(checked: &mut Checked, weights: Result<Weights<'_>, ModelError>, remedy: &str) {
    match weights {
        Ok(weights) => tell_files(checked, &weights.survey(|_| None)),
        Err(error) => checked.model_fault(&error, remedy),
    }
}

fn tell_files(checked: &mut Checked, survey: &Survey) {
    for file in &survey.files {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        checked.part.files.push(FileFound { name, bytes: file.bytes, form: file.form.to_string() });
    }
    remark_others(checked, survey);
    let folder = checked.part.folder.clone();
    for error in &survey.unopened {
        let (place, what) = split(error, &folder);
        checked.fault(&place, what, "download or copy the file again");
    }
}

fn dtypes(survey: &Survey) -> Vec<OfDtype> {
    let mut by: BTreeMap<StoredDtype, (usize, u64)> = BTreeMap::new();
    for found in &survey.found {
        let rows = found.stored.elements().max(1);
        let of = by.entry(found.stored.dtype).or_default();
        of.0 += 1;
        of.1 += found.stored.bytes / rows * found.elements();
    }
    let each =
        by.into_iter().map(|(dtype, (tensors, bytes))| OfDtype { dtype: dtype.to_string(), tensors, bytes });
    each.collect()
}

/// Other files of tensors in the folder are not read; that may not be what their owner thinks.
fn remark_others(checked: &mut Checked, survey: &Survey) {
    let Ok(entries) = std::fs::read_dir(&checked.part.folder) else { return };
    let mut others: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            TENSORS.contains(&extension.as_str())
                && !survey.files.iter().any(|file| file.path == *path)
                && !survey.unopened.iter().any(|error| error.to_string().contains(&*path.to_string_lossy()))
        })
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    others.sort();
    if !others.is_empty() {
        let names = shortened(others.iter().map(String::as_str));
        checked.part.remarks.push(format!("files that are not read beside those that are: {names}"));
    }
}

/// The first few of a list, and how many more there are.
pub(super) fn shortened<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 4;
    let n = all.len();
    let mut text = all.take(SHOWN).collect::<Vec<_>>().join(", ");
    if n > SHOWN {
        text.push_str(&format!(" and {} more (--verbose lists all)", n - SHOWN));
    }
    text
}
