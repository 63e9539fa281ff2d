//! OPT that gradients pass through: input vectors → last hidden states, whole sequences, no cache.
//!
//! Weights are either a frozen model's or leaves that train; the same tensors serve both, under Hugging Face's names.
//! Source: Zhang et al. 2022; Hugging Face's `OPTModel` for the layout, pre-LN and post-LN (350m).

mod layer;

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result, ensure};
use fondue_model::{
    Placement,
    opt::{OptConfig, PREFIX, TABLE},
    weights::{Watch, Weights},
};
use tch::{Kind, Tensor, no_grad};

use self::layer::Layer;

/// Epsilon of OPT's layer norms; its configuration does not hold it.
const EPS: f64 = 1e-5;

/// Positions of OPT's table begin here; the two rows before are padding's.
const POSITION_OFFSET: i64 = 2;

/// The decoder with its token embedding, without a head: the head is the embedding transposed.
pub struct OptNet {
    config: OptConfig,
    table: Tensor,
    positions: Tensor,
    project_in: Option<Tensor>,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
    project_out: Option<Tensor>,
}

impl OptNet {
    /// Reads a Hugging Face folder; nothing of it takes a gradient.
    ///
    /// # Errors
    /// What is wrong with the files, by name.
    pub fn load(folder: &Path, at: Placement, watch: Watch<'_>) -> Result<Self> {
        at.check()?;
        let config = OptConfig::load(folder)?;
        let weights = Weights::open(folder, watch)?.under(&[PREFIX, "decoder.", "", "model."], TABLE)?;
        let mut tensors = HashMap::new();
        for (name, shape) in shapes(&config) {
            let tensor = weights.tensor(name.trim_start_matches(PREFIX), &shape, at)?;
            tensors.insert(name, tensor);
        }
        Self::new(config, &tensors)
    }

    /// Of tensors by the names and shapes of [`shapes`]; they are shared with the caller, and what trains may be among
    /// them.
    ///
    /// # Errors
    /// If one is missing or of another shape.
    pub fn new(config: OptConfig, tensors: &HashMap<String, Tensor>) -> Result<Self> {
        for (name, shape) in shapes(&config) {
            let tensor = tensors.get(&name).with_context(|| format!("no tensor `{name}`"))?;
            let got = tensor.size();
            ensure!(got == shape, "tensor `{name}` is {got:?}, expected {shape:?}");
        }
        let get = |name: &str| get(tensors, &format!("{PREFIX}{name}"));
        let layers = (0..config.num_hidden_layers).map(|n| Layer::new(tensors, n, &config));
        Ok(Self {
            table: get(TABLE)?,
            positions: get("embed_positions.weight")?,
            project_in: config.is_projected().then(|| get("project_in.weight")).transpose()?,
            layers: layers.collect::<Result<_>>()?,
            final_norm: config
                .has_final_norm()
                .then(|| Norm::new(tensors, &format!("{PREFIX}final_layer_norm")))
                .transpose()?,
            project_out: config.is_projected().then(|| get("project_out.weight")).transpose()?,
            config,
        })
    }

    /// Its sizes.
    pub fn config(&self) -> &OptConfig {
        &self.config
    }

    /// The token embedding as stored, `[vocab, word_dim]`.
    pub fn table(&self) -> &Tensor {
        &self.table
    }

    /// Input vectors of sequences that all begin at position 0, `[n, t, word_dim]` → last hidden states of the same
    /// shape: after the final norm and, with OPT-350m, after `project_out`. Causal, and nothing else is masked: what is
    /// right of a sequence does not change it.
    ///
    /// # Errors
    /// If there are more positions than the table has.
    pub fn forward(&self, embeds: &Tensor) -> Result<Tensor> {
        let mut x = self.enter(embeds, 0)?;
        for layer in &self.layers {
            x = layer.forward(&x, &self.config)?;
        }
        self.leave(&x)
    }

    /// As [`OptNet::forward`], of sequences of which only the last vector takes a gradient, so that all before it run
    /// without: `before` is `[n, t, word_dim]`, of whose rows `lengths` `[n]` (i64) count; `last` `[n, 1, word_dim]`
    /// stands behind these. Returns the states of both, the first without a gradient.
    ///
    /// # Errors
    /// As [`OptNet::forward`].
    pub fn forward_last(&self, before: &Tensor, last: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, t, _) = before.size3()?;
        ensure!(t < self.config.max_position_embeddings, "{} positions are too many", t + 1);
        let mut x = no_grad(|| self.enter(before, 0))?;
        let positions = self.positions.f_index_select(0, &lengths.f_add_scalar(POSITION_OFFSET)?)?;
        let projected = match &self.project_in {
            Some(weight) => last.f_linear(weight, None::<&Tensor>)?,
            None => last.shallow_clone(),
        };
        let mut y = projected.f_add(&positions.f_unsqueeze(1)?)?;
        // [n, 1, 1, t + 1]: what counts before, and the last itself.
        let places = Tensor::f_arange(t, (Kind::Int64, last.device()))?;
        let counts = places.f_unsqueeze(0)?.f_less_tensor(&lengths.f_unsqueeze(1)?)?;
        let own = Tensor::f_ones([n, 1], (Kind::Bool, last.device()))?;
        let mask = Tensor::f_cat(&[counts, own], 1)?.f_view([n, 1, 1, t + 1])?;
        for layer in &self.layers {
            (x, y) = layer.forward_last(&x, &y, &mask, &self.config)?;
        }
        Ok((no_grad(|| self.leave(&x))?, self.leave(&y)?))
    }

    /// Vectors at positions `start` and on, projected where the model does and with their positions added.
    fn enter(&self, embeds: &Tensor, start: i64) -> Result<Tensor> {
        let (_, t, _) = embeds.size3()?;
        let max = self.config.max_position_embeddings;
        ensure!(start + t <= max, "{} positions are needed, the model has {max}", start + t);
        let positions = self.positions.f_narrow(0, start + POSITION_OFFSET, t)?;
        Ok(match &self.project_in {
            Some(weight) => embeds.f_linear(weight, None::<&Tensor>)?.f_add(&positions)?,
            None => embeds.f_add(&positions)?,
        })
    }

    fn leave(&self, x: &Tensor) -> Result<Tensor> {
        let x = match &self.final_norm {
            Some(norm) => norm.forward(x)?,
            None => x.shallow_clone(),
        };
        Ok(match &self.project_out {
            Some(weight) => x.f_linear(weight, None::<&Tensor>)?,
            None => x,
        })
    }
}

/// Names and shapes of all tensors of an OPT model, in the order of its files.
pub fn shapes(config: &OptConfig) -> Vec<(String, Vec<i64>)> {
    let (width, word, ffn) = (config.hidden_size, config.word_dim(), config.ffn_dim);
    let rows = config.max_position_embeddings + POSITION_OFFSET;
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[i64]| all.push((format!("{PREFIX}{name}"), shape.to_vec()));
    add(TABLE.to_owned(), &[config.vocab_size, word]);
    add("embed_positions.weight".to_owned(), &[rows, width]);
    if config.is_projected() {
        add("project_in.weight".to_owned(), &[width, word]);
        add("project_out.weight".to_owned(), &[word, width]);
    }
    let norms: &[&str] = if config.has_final_norm() { &["final_layer_norm"] } else { &[] };
    for norm in norms {
        add(format!("{norm}.weight"), &[width]);
        add(format!("{norm}.bias"), &[width]);
    }
    for n in 0..config.num_hidden_layers {
        let square = [width, width];
        let linears: [(&str, [i64; 2]); 6] = [
            ("self_attn.q_proj", square),
            ("self_attn.k_proj", square),
            ("self_attn.v_proj", square),
            ("self_attn.out_proj", square),
            ("fc1", [ffn, width]),
            ("fc2", [width, ffn]),
        ];
        for (part, shape) in linears {
            add(format!("layers.{n}.{part}.weight"), &shape);
            if config.has_biases() {
                add(format!("layers.{n}.{part}.bias"), &shape[..1]);
            }
        }
        for part in ["self_attn_layer_norm", "final_layer_norm"] {
            add(format!("layers.{n}.{part}.weight"), &[width]);
            add(format!("layers.{n}.{part}.bias"), &[width]);
        }
    }
    all
}

/// A tensor by its name, shared.
fn get(tensors: &HashMap<String, Tensor>, name: &str) -> Result<Tensor> {
    Ok(tensors.get(name).with_context(|| format!("no tensor `{name}`"))?.shallow_clone())
}

/// y = xWᵀ + b.
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn new(tensors: &HashMap<String, Tensor>, name: &str, bias: bool) -> Result<Self> {
        let bias = bias.then(|| get(tensors, &format!("{name}.bias"))).transpose()?;
        Ok(Self { weight: get(tensors, &format!("{name}.weight"))?, bias })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
    }
}

/// Layer normalisation over the last axis.
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(tensors: &HashMap<String, Tensor>, name: &str) -> Result<Self> {
        let part = |part: &str| get(tensors, &format!("{name}.{part}"));
        Ok(Self { weight: part("weight")?, bias: part("bias")? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPS, true)?)
    }
}
