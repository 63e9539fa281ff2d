//! Our index of the data, built once into the cache: two generations of the same pictures, so that one can take the other's
//! place.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use fondue_domain::Embedding;
use fondue_index::{
    Builder, Generation, Item, Laid, NewItem, Precision, Root,
    graph::{self, Params},
};
use serde::{Deserialize, Serialize};

use super::data::{DIM, Data};
use crate::cached;

/// Changes when what is built changes.
const VERSION: u32 = 1;
/// Rows that are read at once.
const BLOCK: usize = 4096;
/// What is known of the building.
const BUILT: &str = "built.json";

/// An index of the data.
pub(crate) struct Gallery {
    pub(crate) root: PathBuf,
    pub(crate) precision: Precision,
    pub(crate) built: Built,
}

/// How it was built.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Built {
    /// Seconds for one generation, its graph included.
    pub(crate) seconds: f64,
    /// Both.
    pub(crate) generations: [String; 2],
    /// Bytes of one: those that scans read, of all vectors, of the graph.
    pub(crate) scanned: f64,
    pub(crate) vectors: f64,
    pub(crate) graph: f64,
}

impl Gallery {
    /// Builds it unless it is there and can be opened.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(crate) fn ready(data: &Data, precision: Precision, threads: usize) -> Result<Self> {
        let Params { m, ef_construction, .. } = Params::new(threads);
        let root = data.folder.join(format!("index-{precision}-{m}-{ef_construction}-{VERSION}"));
        if root.exists() && open(&root).is_err() {
            // Of a format that is no more.
            fs::remove_dir_all(&root).with_context(|| root.display().to_string())?;
        }
        cached::make(&root, |root| build(root, data, precision, threads))?;
        let built = open(&root)?;
        Ok(Self { root, precision, built })
    }

    /// What tables call it.
    pub(crate) fn system(&self) -> String {
        format!("fondue {}", self.precision)
    }

    /// Bytes that a scan reads: of int8 the codes, not the vectors that few of them are compared with.
    pub(crate) fn scanned(&self) -> f64 {
        self.built.scanned
    }

    /// An index of one generation, whose files are those of this one, that may be changed. It goes with the folder.
    pub(crate) fn copy(&self) -> Result<tempfile::TempDir> {
        let parent = self.root.parent().context("a folder")?;
        let copy = tempfile::Builder::new().prefix("index-copy-").tempdir_in(parent)?;
        let id = &self.built.generations[0];
        let place = Path::new("generations").join(id);
        fs::create_dir_all(copy.path().join(&place))?;
        for entry in fs::read_dir(self.root.join(&place))? {
            let entry = entry?;
            // A generation never changes: both can have the same files.
            fs::hard_link(entry.path(), copy.path().join(&place).join(entry.file_name()))?;
        }
        Root::open(copy.path())?.activate(id)?;
        Ok(copy)
    }
}

fn open(root: &Path) -> Result<Built> {
    let built: Built = serde_json::from_str(&fs::read_to_string(root.join(BUILT))?)?;
    let index = Root::open(root)?;
    for id in &built.generations {
        index.generation(id)?;
    }
    Ok(built)
}

fn build(root: &Path, data: &Data, precision: Precision, threads: usize) -> Result<()> {
    let start = Instant::now();
    let mut laid = laid(root, data, precision, "one")?;
    graph::add(&mut laid, Params::new(threads), &|_, _| true)?;
    let first = laid.seal()?.publish()?;
    let seconds = start.elapsed().as_secs_f64();
    let index = Root::open(root)?;
    index.activate(&first)?;
    let opened = index.generation(&first)?;
    let second = with_graph_of(&opened, self::laid(root, data, precision, "two")?)?;
    let bytes = |start: &str| {
        opened.files().filter(|(name, _)| name.starts_with(start)).map(|(_, bytes)| bytes as f64).sum::<f64>()
    };
    let vectors = bytes("vectors.") + bytes("scales.");
    let scanned = match precision {
        Precision::F32 | Precision::F16 => vectors,
        Precision::Int8 => bytes("vectors.i8") + bytes("scales."),
    };
    let built = Built { seconds, generations: [first, second], scanned, vectors, graph: bytes("graph.") };
    Ok(fs::write(root.join(BUILT), serde_json::to_string(&built)?)?)
}

/// A generation without a graph; another fingerprint makes it another one.
fn laid(root: &Path, data: &Data, precision: Precision, fingerprint: &str) -> Result<Laid> {
    let mut builder = Builder::new(root, DIM, fingerprint)?.stored_as(precision)?;
    let mut block = vec![0.0; BLOCK * DIM];
    for first in (0..data.rows).step_by(BLOCK) {
        let block = &mut block[..BLOCK.min(data.rows - first) * DIM];
        data.vectors.read(first, block)?;
        for (n, row) in block.chunks_exact(DIM).enumerate() {
            let (item, embedding) = picture(first + n, row)?;
            builder.add(item, &embedding)?;
        }
    }
    Ok(builder.lay_down()?)
}

/// Publishes a generation of the same vectors as another's, and so with the same graph, which takes long to build.
fn with_graph_of(other: &Generation, mut laid: Laid) -> Result<String> {
    for (name, _) in other.files().filter(|(name, _)| name.starts_with("graph.")) {
        let mut file = laid.file(name)?;
        io::copy(&mut File::open(other.folder().join(name))?, &mut file)?;
        file.finish()?;
    }
    laid.set_graph(other.graph_facts().context("a generation without a graph")?.clone());
    Ok(laid.seal()?.publish()?)
}

/// A picture of a row: its number is its id.
pub(crate) fn picture(row: usize, vector: &[f32]) -> Result<(NewItem, Embedding)> {
    let item = Item { id: row.to_string(), caption: format!("picture {row}"), ..Item::default() };
    let mut sha256 = [0; 32];
    sha256[..8].copy_from_slice(&row.to_le_bytes());
    Ok((NewItem { item, picture: None, sha256 }, Embedding::normalized(vector.to_vec())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_once_and_anew_if_it_cannot_be_opened() {
        let cache = tempfile::tempdir().unwrap();
        let data = Data::ready(cache.path(), 500, 5, 1).unwrap();
        let one = Gallery::ready(&data, Precision::F32, 1).unwrap();
        assert_eq!((one.built.vectors, one.scanned()), (data.bytes(), data.bytes()));
        let same = Gallery::ready(&data, Precision::F32, 1).unwrap();
        assert_eq!(one.built.seconds, same.built.seconds);
        let manifest = one.root.join("generations").join(&one.built.generations[1]).join("manifest.json");
        fs::write(manifest, "{\"format\": 1}").unwrap();
        let anew = Gallery::ready(&data, Precision::F32, 1).unwrap();
        assert_eq!(anew.built.generations, one.built.generations);
        assert_ne!(anew.built.generations[0], anew.built.generations[1]);
    }

    #[test]
    fn a_copy_is_an_index_of_its_own() {
        let cache = tempfile::tempdir().unwrap();
        let data = Data::ready(cache.path(), 100, 5, 1).unwrap();
        let gallery = Gallery::ready(&data, Precision::F16, 1).unwrap();
        let copy = gallery.copy().unwrap();
        let index = Root::open(copy.path()).unwrap();
        assert_eq!(index.generations().unwrap(), [gallery.built.generations[0].clone()]);
        assert_eq!(index.generation(&index.active().unwrap()).unwrap().len(), 100);
    }
}
