//! Which files a model's tensors lie in.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use crate::{
    ModelError,
    files::{INDEX_BYTES, read_json},
};

/// Names of whole files; `NAME.index.json` tells of shards. Safetensors first: it needs no parsing.
const MODEL: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Our compact form, the published checkpoint, those that the reference's trainer leaves.
const MAPPING: [&str; 4] =
    ["mapping.safetensors", "pretrained_ckpt.pth.tar", "ckpt_best.pth.tar", "ckpt.pth.tar"];

pub(crate) fn model(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    // Hugging Face's own order: of a whole file and shards, the whole file counts.
    for name in MODEL {
        let path = folder.join(name);
        if path.exists() {
            return Ok(vec![path]);
        }
        let index = folder.join(format!("{name}.index.json"));
        if index.exists() {
            return shards(folder, &index);
        }
    }
    Err(none(folder, &MODEL, "whole or sharded, with its .index.json"))
}

pub(crate) fn mapping(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let paths = MAPPING.iter().map(|name| folder.join(name));
    match paths.into_iter().find(|path| path.exists()) {
        Some(path) => Ok(vec![path]),
        None => Err(none(folder, &MAPPING, "the mapping layers")),
    }
}

fn none(folder: &Path, names: &[&str], what: &str) -> ModelError {
    ModelError::read(folder, format!("holds none of {} ({what})", names.join(", ")))
}

fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let parsed: Index = read_json(index, INDEX_BYTES)?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(ModelError::content(index, "names no shard"));
    }
    // A shard is a file of this folder; a path that leads elsewhere is not one.
    let leads_away = |name: &&String| Path::new(name).components().count() != 1 || name.starts_with('.');
    if let Some(shard) = shards.iter().find(leads_away) {
        return Err(ModelError::content(index, format!("shard `{shard}` is not a file name")));
    }
    Ok(shards.iter().map(|name| folder.join(name)).collect())
}
