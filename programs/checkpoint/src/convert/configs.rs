//! The files beside the tensors: configurations that say what was written, tokenizers as they are.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use anyhow::{Context, Result};
use fondue_model::dialogue;
use serde_json::{Map, Value};

use super::dtype::Target;
use crate::parts::{Kind, Place, read_config};

/// Files of OPT that travel along as they are.
const OPT: [&str; 7] = [
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
];

/// Writes what stands beside the tensors of a part.
pub(crate) fn write(place: &Place, out: &Path, dtype: Target) -> Result<()> {
    match place.kind {
        Kind::Opt => {
            config(place, out, dtype, false)?;
            copy(place, out, &OPT)
        }
        Kind::Clip => {
            config(place, out, dtype, true)?;
            copy(place, out, &["preprocessor_config.json"])
        }
        Kind::Fromage => copy(place, out, &["model_args.json", dialogue::FILE]),
    }
}

/// `config.json` with the precision that was written; of a whole CLIP model, the vision tower's.
fn config(place: &Place, out: &Path, dtype: Target, tower: bool) -> Result<()> {
    let path = place.folder.join("config.json");
    let text = read_config(&path).with_context(|| path.display().to_string())?;
    let mut config: Map<String, Value> =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    if tower && let Some(Value::Object(vision)) = config.remove("vision_config") {
        let whole = std::mem::replace(&mut config, vision);
        for key in ["torch_dtype", "dtype", "transformers_version"] {
            if let Some(value) = whole.get(key).filter(|value| !value.is_null()) {
                config.insert(key.to_owned(), value.clone());
            }
        }
        config.insert("model_type".to_owned(), "clip_vision_model".into());
        config.insert("architectures".to_owned(), vec!["CLIPVisionModel"].into());
        // A tower's own file has no defaults: what was left out is said.
        for (key, value) in [
            ("hidden_size", 768),
            ("intermediate_size", 3072),
            ("num_hidden_layers", 12),
            ("num_attention_heads", 12),
            ("image_size", 224),
            ("patch_size", 32),
        ] {
            config.entry(key).or_insert_with(|| value.into());
        }
    }
    if let Some(name) = dtype.torch_name() {
        for key in ["torch_dtype", "dtype"] {
            if let Some(value) = config.get_mut(key) {
                *value = name.into();
            }
        }
    }
    put(&out.join("config.json"), serde_json::to_string_pretty(&config)?.as_bytes())
}

fn copy(place: &Place, out: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        let path = place.folder.join(name);
        if fs::metadata(&path).is_ok_and(|data| data.is_file()) {
            let mut from = File::open(&path).with_context(|| path.display().to_string())?;
            let mut to = File::create_new(out.join(name)).with_context(|| name.to_string())?;
            std::io::copy(&mut from, &mut to).with_context(|| path.display().to_string())?;
            to.sync_all()?;
        }
    }
    Ok(())
}

/// Writes a small file for good.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| path.display().to_string())
}
