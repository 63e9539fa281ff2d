//! A generation whose rows lie on the disk: what is made of all of them is added, then it is sealed and published.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fondue_mapped::Mapped;

use super::{HashedFile, sync_folder, work::Work};
use crate::{
    Generation, IndexError,
    changes::Log,
    generation::{blobs::Blobs, vectors::Vectors},
    manifest::{Column, FILE, FORMAT, GraphFacts, Manifest, ORDER, Stored},
    rows::{Precision, Rows},
};

/// A generation of which all rows are written. Dropped unpublished, it leaves nothing behind.
pub struct Laid {
    generations: PathBuf,
    work: Work,
    folder: PathBuf,
    manifest: Manifest,
    vectors: Vectors,
}

/// What a builder leaves.
pub(super) struct Parts {
    pub(super) generations: PathBuf,
    pub(super) work: Work,
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) fingerprint: String,
    pub(super) vision_fingerprint: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) files: Vec<(String, Stored)>,
}

/// A file of a generation in the making. Bytes go in in their order, and are on the disk when the generation is sealed.
pub struct NewFile<'a> {
    laid: &'a mut Laid,
    file: HashedFile,
}

impl Laid {
    pub(super) fn new(parts: Parts) -> Result<Self, IndexError> {
        let folder = parts.work.path().join("new");
        let mut files: BTreeMap<String, Stored> = parts.files.into_iter().collect();
        let mut order = HashedFile::create(&folder, ORDER)?;
        order.write(bytemuck::cast_slice(&in_order_of_ids(&folder, parts.rows)?))?;
        files.extend([order.finish()?]);
        let precision = precision_of(&files);
        let manifest = Manifest {
            format: FORMAT,
            rows: parts.rows,
            dim: parts.dim,
            metric: String::new(),
            precision,
            fingerprint: parts.fingerprint,
            vision_fingerprint: parts.vision_fingerprint,
            created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            parent: parts.parent,
            graph: None,
            columns: parts.columns,
            files,
            seal: String::new(),
        };
        let vectors = Vectors::open(&folder, precision, parts.rows, parts.dim)?;
        Ok(Self { generations: parts.generations, work: parts.work, folder, manifest, vectors })
    }

    /// All vectors.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the files are not what was written.
    pub fn rows(&self) -> Result<Rows<'_>, IndexError> {
        self.vectors.rows(&self.folder)
    }

    /// Rows that there are.
    pub fn len(&self) -> usize {
        self.manifest.rows
    }

    /// Whether there are none; there always are.
    pub fn is_empty(&self) -> bool {
        self.manifest.rows == 0
    }

    /// Length of the vectors.
    pub fn dim(&self) -> usize {
        self.manifest.dim
    }

    /// Begins a further file; to be ended by [`NewFile::finish`].
    ///
    /// # Errors
    /// [`IndexError::Io`], if it cannot be made, or is there.
    pub fn file(&mut self, name: &str) -> Result<NewFile<'_>, IndexError> {
        let file = HashedFile::create(&self.folder, name)?;
        Ok(NewFile { laid: self, file })
    }

    /// Maps a file that was finished.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn map(&self, name: &str) -> Result<Mapped, IndexError> {
        let path = self.folder.join(name);
        Mapped::open(&path).map_err(IndexError::io(&path))
    }

    /// Notes what is to be known of the graph whose files were added.
    pub fn set_graph(&mut self, facts: GraphFacts) {
        self.manifest.graph = Some(facts);
    }

    /// Writes the manifest, and everything through to the disk.
    ///
    /// # Errors
    /// [`IndexError::Io`], or what a look at the finished files finds.
    pub fn seal(mut self) -> Result<Finished, IndexError> {
        let mut sealed = self.manifest.clone().seal();
        // A compacted generation is always a new one.
        while self.manifest.parent.is_some() && self.generations.join(&sealed.1).exists() {
            self.manifest.created += 1;
            sealed = self.manifest.clone().seal();
        }
        let (text, id) = sealed;
        let mut file = HashedFile::create(&self.folder, FILE)?;
        file.write(&text)?;
        file.finish()?;
        sync_folder(&self.folder)?;
        // A file that was begun and not finished shows here.
        Generation::open(&self.folder)?.nothing_else()?;
        Ok(Finished { generations: self.generations, work: self.work, folder: self.folder, id })
    }
}

impl NewFile<'_> {
    /// Writes it through to the disk, and into the manifest.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn finish(self) -> Result<(), IndexError> {
        self.laid.manifest.files.extend([self.file.finish()?]);
        Ok(())
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| match error {
            IndexError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // when it is finished
    }
}

/// A generation that is whole, but not yet in its place. Dropped unpublished, it leaves nothing behind.
pub struct Finished {
    generations: PathBuf,
    work: Work,
    folder: PathBuf,
    id: String,
}

impl Finished {
    /// The id that it will have.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Renames it into place; returns the generation's id, which is made from its content. It is not active yet: see
    /// [`crate::Root::activate`].
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn publish(self) -> Result<String, IndexError> {
        if let Some(root) = self.generations.parent().filter(|_| !self.generations.join(&self.id).exists()) {
            // A log without its generation is one that was removed: its changes are not this one's.
            Log::remove(root, &self.id)?;
        }
        self.publish_with_log()
    }

    /// The same; a log that is there already is its own.
    pub(crate) fn publish_with_log(self) -> Result<String, IndexError> {
        let Self { generations, work, folder, id } = self;
        let place = generations.join(&id);
        // The name tells the content: if it is there and undamaged, it is this very generation.
        if intact(&place) {
            return Ok(id);
        }
        if place.exists() {
            // Goes with the work folder. Whoever has mapped it keeps it.
            let aside = work.path().join("damaged");
            fs::rename(&place, &aside).map_err(IndexError::io(&place))?;
        }
        if let Err(error) = fs::rename(&folder, &place) {
            // Another builder of the same content may have been faster.
            if !intact(&place) {
                return Err(IndexError::io(&place)(error));
            }
        }
        sync_folder(&generations)?;
        Ok(id)
    }
}

fn precision_of(files: &BTreeMap<String, Stored>) -> Precision {
    use crate::manifest::{CODES, HALVES};
    match (files.contains_key(HALVES), files.contains_key(CODES)) {
        (true, _) => Precision::F16,
        (_, true) => Precision::Int8,
        _ => Precision::F32,
    }
}

/// The rows, sorted by the ids that were written.
fn in_order_of_ids(folder: &Path, rows: usize) -> Result<Vec<u32>, IndexError> {
    let ids = Blobs::open(folder, "ids", rows)?;
    let id = |row: u32| ids.get(row as usize).unwrap_or_default();
    let mut order: Vec<u32> = (0..rows as u32).collect();
    // Each id is there once, so that equal ones need no order of their own.
    order.sort_unstable_by(|&a, &b| id(a).cmp(id(b)));
    Ok(order)
}

fn intact(folder: &Path) -> bool {
    Generation::open(folder).and_then(|generation| generation.verify()).is_ok()
}
