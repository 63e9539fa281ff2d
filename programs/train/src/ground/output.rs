//! The published layout: `model_args.json` beside the mapping layers, these twice: as safetensors, which Fondue reads first, and as the
//! checkpoint that the published code reads.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;
use tch::Tensor;

use super::{
    torch_file,
    trained::{NAMES, RET_ROW, Trained},
};
use crate::run::checkpoint;

/// Names of the towers, as `model_args.json` tells them.
pub struct Towers<'a> {
    /// OPT's folder.
    pub opt: &'a str,
    /// CLIP's folder.
    pub clip: &'a str,
}

/// Writes a folder of mapping layers, or writes it anew.
///
/// # Errors
/// The system's.
pub fn write(folder: &Path, trained: &Trained, towers: &Towers<'_>) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let widths = trained.widths();
    let args = json!({
        "freeze_lm": true,
        "freeze_vm": true,
        "opt_version": towers.opt,
        "visual_encoder": towers.clip,
        "n_visual_tokens": widths.prefix,
        "shared_emb_dim": widths.shared,
        "text_emb_layers": [-1],
        "text_embed_dropout_prob": 0.0,
        "image_embed_dropout_prob": 0.0,
    });
    checkpoint::replace(&folder.join("model_args.json"), serde_json::to_string_pretty(&args)?.as_bytes())?;
    let tensors: Vec<(&str, &Tensor)> = NAMES.into_iter().zip(trained.all()).collect();
    let named = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), *tensor));
    checkpoint::save_tensors(&folder.join("mapping.safetensors"), named)?;
    // Some versions of the published code read the row of `[RET]` without its first dimension alone.
    let row = trained.ret_row().f_squeeze_dim(0)?;
    let tensors: Vec<(&str, &Tensor)> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, if name == RET_ROW { &row } else { tensor }))
        .collect();
    let published = folder.join("pretrained_ckpt.pth.tar");
    checkpoint::place(&published, |file| torch_file::fill(file, &tensors))
}
