//! Models of random weights, written once into the user's cache.
//!
//! All tokens but some words have a vector of zeros, so that a greedy answer is made of these words alone: none ends it,
//! none is `[RET]`, and each is a piece of text of its own, whose time of arrival a client sees.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use crate::{
    cached::make,
    shape::{POSITIONS, Shape, Sizes, VOCABULARY},
    words::{self, Word},
};

/// Beginning of every text, and OPT's end of one.
pub(crate) const BOS: u32 = 2;
/// Changes when what is written changes.
const VERSION: u32 = 2;
/// Length of pictures' features and of queries.
const FEATURES: usize = 64;

/// A model folder and the words that it knows.
pub(crate) struct Model {
    pub(crate) folder: PathBuf,
    pub(crate) words: Vec<Word>,
}

/// Makes a language model unless it is there: `opt/` and `fromage/`.
///
/// # Errors
/// If the cache cannot be written.
pub(crate) fn language(cache: &Path, shape: Shape) -> Result<Model> {
    let (file, words) = words::filled()?;
    let folder = cache.join(format!("opt-{}-{VERSION}", shape.name()));
    make(&folder, |folder| {
        let (sizes, opt) = (shape.sizes(), folder.join("opt"));
        fs::create_dir_all(&opt)?;
        fs::write(opt.join("tokenizer.json"), file.to_string())?;
        let end = "</s>";
        let tokens = json!({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": end, "eos_token": end, "unk_token": end,
            "pad_token": "<pad>"});
        fs::write(opt.join("tokenizer_config.json"), tokens.to_string())?;
        fs::write(opt.join("config.json"), config(&sizes).to_string())?;
        write(&opt.join("model.safetensors"), opt_tensors(&sizes, &words))?;
        let fromage = folder.join("fromage");
        fs::create_dir_all(&fromage)?;
        let args = json!({"n_visual_tokens": 1, "shared_emb_dim": FEATURES, "text_emb_layers": [-1], "freeze_lm": true});
        fs::write(fromage.join("model_args.json"), args.to_string())?;
        write(&fromage.join("mapping.safetensors"), mapping_tensors(sizes.word))
    })?;
    Ok(Model { folder, words })
}

/// Makes a vision tower of ViT-L/14's widths and few layers unless it is there; `tiny` is narrow too.
///
/// # Errors
/// If the cache cannot be written.
pub(crate) fn vision(cache: &Path, layers: usize, tiny: bool) -> Result<PathBuf> {
    let (width, heads, ffn, patch, size) =
        if tiny { (64, 4, 128, 16, 64) } else { (1024, 16, 4096, 14, 224) };
    let folder = cache.join(format!("clip-{width}-{layers}-{VERSION}"));
    make(&folder, |folder| {
        let config = json!({
            "model_type": "clip_vision_model", "hidden_size": width, "intermediate_size": ffn,
            "num_hidden_layers": layers, "num_attention_heads": heads, "image_size": size, "patch_size": patch,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": 768,
        });
        fs::write(folder.join("config.json"), config.to_string())?;
        let preprocessor = json!({
            "image_processor_type": "CLIPImageProcessor", "do_resize": true, "size": {"shortest_edge": size},
            "do_center_crop": true, "crop_size": {"height": size, "width": size}, "do_rescale": true,
            "do_normalize": true, "do_convert_rgb": true, "resample": 3, "rescale_factor": 1.0 / 255.0,
            "image_mean": [0.481_454_66, 0.457_827_5, 0.408_210_73],
            "image_std": [0.268_629_54, 0.261_302_6, 0.275_777_1],
        });
        fs::write(folder.join("preprocessor_config.json"), preprocessor.to_string())?;
        write(&folder.join("model.safetensors"), clip_tensors(width, layers, ffn, patch, size))
    })?;
    Ok(folder)
}

fn config(sizes: &Sizes) -> serde_json::Value {
    json!({
        "architectures": ["OPTForCausalLM"], "model_type": "opt", "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads, "ffn_dim": sizes.ffn,
        "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS, "word_embed_proj_dim": sizes.word,
        "do_layer_norm_before": sizes.pre_norm, "activation_function": "relu", "enable_bias": true,
        "layer_norm_elementwise_affine": true, "tie_word_embeddings": true, "dropout": 0.0,
        "attention_dropout": 0.0, "layerdrop": 0.0, "init_std": 0.02, "_remove_final_layer_norm": false,
        "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1, "use_cache": true, "torch_dtype": "float32",
    })
}

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Makes tensors one after the other from one stream of numbers.
struct Maker {
    rng: ChaCha8Rng,
    all: Tensors,
}

impl Maker {
    fn new() -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(20_230_131), all: Vec::new() }
    }

    /// Uniform numbers with the spread of a trained model's.
    fn random(&mut self, name: String, shape: &[usize]) {
        let n = shape.iter().product();
        let values = (0..n).map(|_| (self.rng.random::<f32>() - 0.5) * 0.08).collect();
        self.all.push((name, shape.to_vec(), values));
    }

    fn pair(&mut self, name: &str, shape: &[usize]) {
        self.random(format!("{name}.weight"), shape);
        self.random(format!("{name}.bias"), &shape[..1]);
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.all.push((format!("{name}.weight"), vec![width], vec![1.0; width]));
        self.random(format!("{name}.bias"), &[width]);
    }
}

fn opt_tensors(sizes: &Sizes, words: &[Word]) -> Tensors {
    let Sizes { width, layers, ffn, word, pre_norm, .. } = *sizes;
    let (mut maker, start) = (Maker::new(), "model.decoder");
    maker.random(format!("{start}.embed_tokens.weight"), &[VOCABULARY, word]);
    if let Some((_, _, table)) = maker.all.last_mut() {
        let mut known = vec![false; VOCABULARY];
        words.iter().for_each(|word| known[word.id as usize] = true);
        let rows = table.chunks_exact_mut(word).zip(known);
        rows.filter(|(_, known)| !known).for_each(|(row, _)| row.fill(0.0));
    }
    maker.random(format!("{start}.embed_positions.weight"), &[POSITIONS + 2, width]);
    if word != width {
        maker.random(format!("{start}.project_in.weight"), &[width, word]);
        maker.random(format!("{start}.project_out.weight"), &[word, width]);
    }
    for n in 0..layers {
        let part = |part: &str| format!("{start}.layers.{n}.{part}");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            maker.pair(&part(&format!("self_attn.{name}")), &[width, width]);
        }
        maker.norm(&part("self_attn_layer_norm"), width);
        maker.pair(&part("fc1"), &[ffn, width]);
        maker.pair(&part("fc2"), &[width, ffn]);
        maker.norm(&part("final_layer_norm"), width);
    }
    if pre_norm {
        maker.norm(&format!("{start}.final_layer_norm"), width);
    }
    maker.all
}

fn mapping_tensors(word: usize) -> Tensors {
    let mut maker = Maker::new();
    maker.random("model.logit_scale".to_owned(), &[]);
    maker.pair("model.visual_embeddings", &[word, FEATURES]);
    maker.pair("model.visual_fc", &[FEATURES, FEATURES]);
    maker.pair("model.text_hidden_fcs.0.0", &[FEATURES, word]);
    maker.all.push(("ret_input_embeddings.weight".to_owned(), vec![1, word], vec![0.0; word]));
    maker.all
}

fn clip_tensors(width: usize, layers: usize, ffn: usize, patch: usize, size: usize) -> Tensors {
    let (mut maker, start) = (Maker::new(), "vision_model");
    maker.random(format!("{start}.embeddings.class_embedding"), &[width]);
    maker.random(format!("{start}.embeddings.patch_embedding.weight"), &[width, 3, patch, patch]);
    let positions = (size / patch).pow(2) + 1;
    maker.random(format!("{start}.embeddings.position_embedding.weight"), &[positions, width]);
    maker.norm(&format!("{start}.pre_layrnorm"), width);
    for n in 0..layers {
        let part = |part: &str| format!("{start}.encoder.layers.{n}.{part}");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            maker.pair(&part(&format!("self_attn.{name}")), &[width, width]);
        }
        maker.norm(&part("layer_norm1"), width);
        maker.norm(&part("layer_norm2"), width);
        maker.pair(&part("mlp.fc1"), &[ffn, width]);
        maker.pair(&part("mlp.fc2"), &[width, ffn]);
    }
    maker.norm(&format!("{start}.post_layernorm"), width);
    maker.all
}

fn write(path: &Path, tensors: Tensors) -> Result<()> {
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, shape, values) in tensors {
        let all: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        bytes.push((name, shape, all));
    }
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views = views.collect::<Result<HashMap<_, _>>>()?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path)?;
    Ok(())
}
