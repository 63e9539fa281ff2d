//! What an index is built of: entries in a fixed order, read as often as needed and never held all at once.

mod fields;
mod folder;
mod lines;
mod table;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::{Component, Path, PathBuf},
};

use anyhow::{Result, ensure};
use fondue_index::Metadata;
use sha2::{Digest, Sha256};

pub(crate) use self::fields::FieldSpec;
use self::{folder::Folder, lines::Lines, table::Table};

/// A picture of the source.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// Where it stands: a line of a table, or its number in a folder; from 1.
    pub(crate) line: u64,
    /// As the source writes it.
    pub(crate) image: String,
    pub(crate) place: Place,
    /// Its name in the index.
    pub(crate) id: String,
    pub(crate) caption: String,
    pub(crate) group: String,
    pub(crate) metadata: Metadata,
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    File(PathBuf),
    Url(String),
}

/// An entry that is no picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bad {
    pub(crate) line: u64,
    pub(crate) image: String,
    pub(crate) reason: String,
}

pub(crate) type Entry = Result<Row, Bad>;
pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<Entry>> + 'a>;

/// Entries, the same ones in the same order each time.
pub(crate) enum Source {
    Folder(Folder),
    Table(Table),
    Lines(Lines),
}

impl Source {
    /// `table` is a JSONL file by its extension, else one of tab-separated values; without one, the folder's
    /// `captions.tsv` is it, and without that the folder's pictures are the entries.
    pub(crate) fn open(pictures: Option<&Path>, table: Option<&Path>, fields: &[FieldSpec]) -> Result<Self> {
        let beside = pictures.map(|folder| folder.join("captions.tsv")).filter(|path| path.is_file());
        let Some(path) = table.map(Path::to_owned).or(beside) else {
            let folder = pictures.unwrap_or(Path::new("."));
            ensure!(
                fields.is_empty(),
                "--metadata names columns of a table, and {} has none",
                folder.display()
            );
            return Ok(Self::Folder(Folder::read(folder)?));
        };
        let folder = pictures.or(path.parent()).unwrap_or(Path::new("")).to_owned();
        let json = path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson");
        if json {
            ensure!(
                fields.is_empty(),
                "--metadata names columns of a table; {} has its own `metadata`",
                path.display()
            );
            return Ok(Self::Lines(Lines { path, folder }));
        }
        Ok(Self::Table(Table::open(path, folder, fields.to_vec())?))
    }

    pub(crate) fn entries(&self) -> Result<Entries<'_>> {
        match self {
            Self::Folder(folder) => Ok(Box::new(folder.entries())),
            Self::Table(table) => table.entries(),
            Self::Lines(lines) => lines.entries(),
        }
    }

    /// For messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => &folder.path,
            Self::Table(table) => &table.path,
            Self::Lines(lines) => &lines.path,
        }
    }

    /// Reads all entries once.
    pub(crate) fn survey(&self, mut look: impl FnMut() -> Result<()>) -> Result<Survey> {
        let mut survey = Survey { n_entries: 0, n_urls: 0, again: HashMap::new(), sha256: [0; 32] };
        let mut names = Names::default();
        let mut hasher = Sha256::new();
        for entry in self.entries()? {
            look()?;
            let n = survey.n_entries;
            survey.n_entries += 1;
            match entry? {
                Ok(row) => {
                    hash(&mut hasher, &row);
                    survey.n_urls += u64::from(matches!(row.place, Place::Url(_)));
                    if let Some(before) = names.add(&row.id, row.line) {
                        survey.again.insert(n, before);
                    }
                }
                Err(bad) => hasher.update(format!("{bad:?}")),
            }
        }
        if let Self::Folder(folder) = self {
            folder.hash(&mut hasher);
        }
        survey.sha256 = hasher.finalize().into();
        Ok(survey)
    }
}

/// What all entries are.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) n_entries: u64,
    pub(crate) n_urls: u64,
    /// Entries whose id came before, and the line where.
    pub(crate) again: HashMap<u64, u64>,
    /// Of all that they say.
    pub(crate) sha256: [u8; 32],
}

fn hash(hasher: &mut Sha256, row: &Row) {
    // With quotes and escapes, so that no two rows become one text.
    let Row { line, image, place, id, caption, group, metadata } = row;
    hasher.update(format!("{line} {image:?} {place:?} {id:?} {caption:?} {group:?} {metadata:?}\n"));
}

/// The ids that came, as 128 bits of hash with keys of chance: tens of bytes each, whatever they are.
#[derive(Default)]
struct Names {
    hashers: (RandomState, RandomState),
    lines: HashMap<(u64, u64), u64>,
}

impl Names {
    /// The line where the id came before; else notes it.
    fn add(&mut self, id: &str, line: u64) -> Option<u64> {
        let key = (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id));
        let first = *self.lines.entry(key).or_insert(line);
        (first != line).then_some(first)
    }
}

/// A picture's place, from what a table writes.
fn place(folder: &Path, image: &str) -> Result<Place, String> {
    if image.is_empty() {
        return Err("no image".to_owned());
    }
    if is_url(image) {
        return Ok(Place::Url(image.to_owned()));
    }
    // What the table names must lie in the folder.
    let path = Path::new(image);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    if inside {
        Ok(Place::File(folder.join(path)))
    } else {
        Err("leads out of the folder of pictures".to_owned())
    }
}

/// The name of a picture that has been given none.
fn id(image: &str) -> String {
    if is_url(image) {
        return image.to_owned();
    }
    Path::new(image).with_extension("").to_string_lossy().into_owned()
}

fn is_url(image: &str) -> bool {
    let begins =
        |scheme: &str| image.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

#[cfg(test)]
mod tests;
