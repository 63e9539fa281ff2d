//! Pictures whose vector, caption and file all tell their id and version, and a look at what an index holds of them.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fondue_domain::Embedding;
use fondue_index::{
    Builder, Exclusions, Filter, Item, Metadata, NewItem, Query, Value, View,
    graph::{Graphing, Params},
    live::{Limits, Settings},
};

/// Length of the vectors.
pub const DIM: usize = 8;

/// Versions by id.
pub type Content = BTreeMap<u32, u32>;

/// Nothing is waited for: what may be collected goes at once.
pub const SETTINGS: Settings = Settings {
    verify: true,
    max_open: 2,
    collect_after: Duration::ZERO,
    graphing: Graphing { above: 1_000_000, params: Params { m: 4, ef_construction: 20, threads: 1 } },
    limits: Limits { changes: 100_000, bytes: 1 << 26, batch_bytes: 1 << 20 },
};

/// A picture's vector.
///
/// # Errors
/// None: every value is finite, and one is not 0.
pub fn vector(id: u32, version: u32) -> Result<Embedding> {
    let seed = f64::from(id) * 12.9898 + f64::from(version) * 78.233;
    let values = (0..DIM).map(|n| (seed * (n + 1) as f64).sin() as f32 + 0.01).collect();
    Ok(Embedding::normalized(values)?)
}

/// A picture, whose file has up to some hundred bytes.
///
/// # Errors
/// None, as [`vector`].
pub fn picture(id: u32, version: u32) -> Result<(NewItem, Embedding)> {
    let mut metadata = Metadata::new();
    metadata.set("version", Value::Number(f64::from(version)))?;
    let media_type = "image/png".to_owned();
    let caption = format!("{id} {version}");
    let item = Item { id: id.to_string(), caption, media_type, metadata, ..Item::default() };
    Ok((NewItem { item, picture: Some(file(id, version)), sha256: [id as u8; 32] }, vector(id, version)?))
}

fn file(id: u32, version: u32) -> Vec<u8> {
    format!("{id} {version} ").repeat((id * 7 + version) as usize % 40 + 1).into_bytes()
}

/// Builds a generation of ids in version 0.
///
/// # Errors
/// The builder's.
pub fn build(root: &Path, ids: std::ops::Range<u32>) -> Result<(String, Content)> {
    let mut builder = Builder::new(root, DIM, "model")?;
    for id in ids.clone() {
        let (new, vector) = picture(id, 0)?;
        builder.add(new, &vector)?;
    }
    Ok((builder.publish()?, ids.map(|id| (id, 0)).collect()))
}

/// What a view holds; everything that belongs to a picture must be of one version.
///
/// # Errors
/// If it is not, or something cannot be read.
pub fn content(view: &View) -> Result<Content> {
    let (filter, exclusions) =
        (Filter::default(), Exclusions { ids: HashSet::new(), sha256: HashSet::new() });
    let query = vector(0, 0)?;
    let everything = Query { vector: &query, k: 1_000_000, filter: &filter, exclusions: &exclusions };
    let mut content = Content::new();
    for found in view.search(&everything)? {
        let item = view.item(found.place)?;
        let (id, version) = item.caption.split_once(' ').context("no caption")?;
        let (id, version) = (id.parse::<u32>()?, version.parse::<u32>()?);
        ensure!(item.id == id.to_string(), "{} is called {id}", item.id);
        ensure!(item.metadata.get("version") == Some(&Value::Number(f64::from(version))), "{id} {version}");
        ensure!(view.picture(found.place)? == file(id, version), "the file of {id} is not version {version}");
        let own = vector(id, version)?;
        let score: f32 = query.values().iter().zip(own.values()).map(|(a, b)| a * b).sum();
        ensure!((score - found.score).abs() < 1e-5, "the vector of {id} is not version {version}");
        ensure!(view.find(&item.id)? == Some(found.place), "{id} is found elsewhere by name");
        ensure!(content.insert(id, version).is_none(), "{id} is there twice");
    }
    ensure!(content.len() == view.len(), "{} found of {}", content.len(), view.len());
    Ok(content)
}
