//! The same weights in every form that they are published in. What is there as safetensors is written anew in the others;
//! folders without it are taken as they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use fondue_forms::{Values, safetensors, sharded, torch};

use crate::Golden;

/// Folders of one model's parts; those that were made go with this.
pub(super) struct Forms {
    pub(super) opt: Vec<PathBuf>,
    pub(super) mapping: Vec<PathBuf>,
    pub(super) clip: Vec<PathBuf>,
    _made: tempfile::TempDir,
}

/// What `golden` holds, and other forms of it.
pub(super) fn write(golden: &Golden) -> Result<Forms> {
    let made = tempfile::tempdir()?;
    let mut forms = Forms {
        opt: parts(&golden.folder, "opt")?,
        mapping: Vec::new(),
        clip: parts(&golden.folder, "clip")?,
        _made: tempfile::tempdir()?,
    };
    opt(golden, &mut forms.opt, made.path()).context("other forms of OPT")?;
    mapping(golden, &mut forms.mapping, made.path()).context("other forms of the mapping layers")?;
    clip(golden, &mut forms.clip, made.path()).context("other forms of CLIP")?;
    Ok(Forms { _made: made, ..forms })
}

/// Subfolders that are a Hugging Face folder of this kind by their name, such as `opt` and `opt_bin`.
fn parts(folder: &Path, kind: &str) -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind));
        if named && path.join("config.json").exists() {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

/// The tensors of a file, if it is there.
fn read(path: &Path) -> Result<Option<Vec<Values>>> {
    path.exists().then(|| safetensors::read(path)).transpose()
}

/// A new folder `name` with copies of `files` of `from`.
fn folder(made: &Path, name: &str, from: &Path, files: &[&str]) -> Result<PathBuf> {
    let folder = made.join(name);
    fs::create_dir(&folder)?;
    for file in files {
        fs::copy(from.join(file), folder.join(file))
            .with_context(|| from.join(file).display().to_string())?;
    }
    Ok(folder)
}

fn opt(golden: &Golden, forms: &mut Vec<PathBuf>, made: &Path) -> Result<()> {
    let from = golden.folder.join("opt");
    let Some(all) = read(&from.join("model.safetensors"))? else { return Ok(()) };
    let thirds: Vec<&[Values]> = all.chunks(all.len().div_ceil(3)).collect();
    let bins = folder(made, "opt-bins", &from, &["config.json"])?;
    sharded(&bins, "pytorch_model", "bin", &thirds)?;
    let shards = folder(made, "opt-shards", &from, &["config.json"])?;
    sharded(&shards, "model", "safetensors", &thirds)?;
    // As older files have it: without the model's prefix.
    let bare = folder(made, "opt-bare", &from, &["config.json"])?;
    let unprefixed = |tensor: &Values| {
        let name = tensor.name.strip_prefix("model.").unwrap_or(&tensor.name).to_owned();
        tensor.clone().named(&name)
    };
    torch::write(&bare.join("pytorch_model.bin"), &all.iter().map(unprefixed).collect::<Vec<_>>())?;
    forms.extend([bins, shards, bare]);
    Ok(())
}

fn mapping(golden: &Golden, forms: &mut Vec<PathBuf>, made: &Path) -> Result<()> {
    const ROW: &str = "ret_input_embeddings.weight";
    let from = golden.folder.join("fromage");
    for file in ["mapping.safetensors", "pretrained_ckpt.pth.tar"] {
        if from.join(file).exists() {
            // A folder of its own, so that this form is the one that is found.
            forms.push(folder(made, &format!("with-{file}"), &from, &["model_args.json", file])?);
        }
    }
    // As the trainer leaves it: all names under `module.`, and the row as the last of the whole table.
    let Some(all) = read(&from.join("mapping.safetensors"))? else { return Ok(()) };
    let mut table = Vec::new();
    let mut trained = Vec::new();
    for tensor in all {
        if tensor.name == ROW {
            table = tensor.to_floats()?;
        } else {
            let name = format!("module.{}", tensor.name);
            trained.push(tensor.named(&name));
        }
    }
    let (rows, width) = (u64::from(golden.token("ret_token")?.0) + 1, table.len() as u64);
    let mut whole = vec![0.25; ((rows - 1) * width) as usize];
    whole.extend(table);
    trained.push(Values::floats("module.model.input_embeddings.weight", &[rows, width], &whole));
    let full = folder(made, "trained", &from, &["model_args.json"])?;
    torch::write_checkpoint(&full.join("ckpt_best.pth.tar"), &trained)?;
    forms.push(full);
    Ok(())
}

fn clip(golden: &Golden, forms: &mut Vec<PathBuf>, made: &Path) -> Result<()> {
    let from = golden.folder.join("clip");
    let Some(all) = read(&from.join("model.safetensors"))? else { return Ok(()) };
    let files = ["config.json", "preprocessor_config.json"];
    let bin = folder(made, "clip-bin", &from, &files)?;
    torch::write(&bin.join("pytorch_model.bin"), &all)?;
    let halves: Vec<&[Values]> = all.chunks(all.len().div_ceil(2)).collect();
    let shards = folder(made, "clip-shards", &from, &files)?;
    sharded(&shards, "model", "safetensors", &halves)?;
    forms.extend([bin, shards]);
    Ok(())
}
