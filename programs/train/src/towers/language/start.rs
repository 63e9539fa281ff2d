//! Mapping layers to begin grounding with: the layers that showed pictures to the language tower and looked for them, and the
//! vision tower's own projection.

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
    let (query, query_bias) = (find("eyes.query.weight")?, find("eyes.query.bias")?);
    let table = find("model.decoder.embed_tokens.weight")?;
    let q = projection.size()[0];
    let tensors = [
        ("model.logit_scale", Tensor::from((1.0f32 / 0.07).ln())),
        ("model.visual_embeddings.weight", weight),
        ("model.visual_embeddings.bias", bias),
        ("model.visual_fc.weight", projection.shallow_clone()),
        ("model.visual_fc.bias", Tensor::zeros([q], (Kind::Float, Device::Cpu))),
        ("model.text_hidden_fcs.0.0.weight", query),
        ("model.text_hidden_fcs.0.0.bias", query_bias),
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

/// Those of another run's layers that this one can begin with, under their names here; none if it wrote none.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn read_start(folder: &Path) -> Result<Vec<(String, Tensor)>> {
    let path = folder.join("start/fromage/mapping.safetensors");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let named = Tensor::read_safetensors(&path).with_context(|| format!("reading {}", path.display()))?;
    let own = |name: &str| {
        let (layer, part) = name.strip_prefix("model.")?.rsplit_once('.')?;
        let layer = match layer {
            "visual_embeddings" => "eyes.map",
            "text_hidden_fcs.0.0" => "eyes.query",
            _ => return None,
        };
        Some(format!("{layer}.{part}"))
    };
    Ok(named.into_iter().filter_map(|(name, tensor)| Some((own(&name)?, tensor))).collect())
}
