//! Mapping layers to begin grounding with: the layer that showed pictures to the language tower, the vision tower's own
//! projection, and one that is drawn.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::super::{course::write, flat::Layout};

/// Writes `start/fromage` below `out`: what `fondue train ground --init` reads.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn write_start(
    out: &Path,
    layout: &Layout,
    flat: &Tensor,
    ret: i64,
    projection: &Tensor,
) -> Result<()> {
    let named = layout.named(flat);
    let find = |wanted: &str| {
        let found = named.iter().find(|(name, _)| name == wanted);
        found.map(|(_, tensor)| tensor.copy()).with_context(|| format!("the tower has no `{wanted}`"))
    };
    let (weight, bias) = (find("eyes.map.weight")?, find("eyes.map.bias")?);
    let table = find("model.decoder.embed_tokens.weight")?;
    let (width, q) = (weight.size()[0], projection.size()[0]);
    // As torch begins its linear layers: uniform within ±1/√inputs.
    let drawn = |shape: &[i64], inputs: i64| {
        let bound = (inputs as f64).powf(-0.5);
        Tensor::rand(shape, (Kind::Float, Device::Cpu)) * (2.0 * bound) - bound
    };
    let tensors = [
        ("model.logit_scale", Tensor::from((1.0f32 / 0.07).ln())),
        ("model.visual_embeddings.weight", weight),
        ("model.visual_embeddings.bias", bias),
        ("model.visual_fc.weight", projection.shallow_clone()),
        ("model.visual_fc.bias", Tensor::zeros([q], (Kind::Float, Device::Cpu))),
        ("model.text_hidden_fcs.0.0.weight", drawn(&[q, width], width)),
        ("model.text_hidden_fcs.0.0.bias", drawn(&[q], width)),
        ("ret_input_embeddings.weight", table.narrow(0, ret, 1)),
    ];
    let folder = out.join("start").join("fromage");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    write(&folder.join("mapping.safetensors"), &tensors)?;
    let arguments = json!({
        "freeze_lm": true,
        "freeze_vm": true,
        "opt_version": "opt",
        "visual_encoder": "clip",
        "n_visual_tokens": 1,
        "shared_emb_dim": q,
        "text_emb_layers": [-1],
        "text_embed_dropout_prob": 0.0,
        "image_embed_dropout_prob": 0.0,
        "task": "captioning",
    });
    let path = folder.join("model_args.json");
    fs::write(&path, serde_json::to_string_pretty(&arguments)?)
        .with_context(|| format!("writing {}", path.display()))?;
    eprintln!("mapping layers to begin with are in {}", folder.display());
    Ok(())
}
