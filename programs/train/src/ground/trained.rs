//! What is trained: the mapping layers, the temperature and the row of `[RET]`, under their published names.

use anyhow::{Context, Result, ensure};
use fondue_model::{Placement, weights::Weights};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tch::{Kind, Tensor, no_grad};

/// Widths that the tensors' shapes follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Of the language model's vectors, d.
    pub word: i64,
    /// Of the vision tower's features.
    pub feature: i64,
    /// Vectors that a picture becomes, k.
    pub prefix: i64,
    /// Of retrieval space, q.
    pub shared: i64,
}

/// All trained tensors: leaves that take gradients.
pub struct Trained {
    widths: Widths,
    all: [Tensor; 8],
}

/// Names as published, in the order of their files.
pub const NAMES: [&str; 8] = [
    "model.logit_scale",
    "model.visual_embeddings.weight",
    "model.visual_embeddings.bias",
    "model.visual_fc.weight",
    "model.visual_fc.bias",
    "model.text_hidden_fcs.0.0.weight",
    "model.text_hidden_fcs.0.0.bias",
    RET_ROW,
];

/// The name of `[RET]`'s row.
pub const RET_ROW: &str = "ret_input_embeddings.weight";

impl Trained {
    /// Linear layers uniform within 1/√fan-in, the temperature ln(1/0.07), and `ret_row` `[1, word]` as it is given.
    ///
    /// # Errors
    /// libtorch's.
    pub fn begin(widths: Widths, ret_row: &Tensor, seed: u64, at: Placement) -> Result<Self> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let shapes = shapes(widths);
        let mut all = Vec::with_capacity(shapes.len());
        for (n, shape) in shapes.iter().enumerate() {
            let tensor = match n {
                0 => Tensor::from((1.0f64 / 0.07).ln()),
                7 => ret_row.shallow_clone(),
                // Weight and bias of a layer have the same bound.
                _ => {
                    let fan_in = shapes[if n % 2 == 1 { n } else { n - 1 }][1];
                    uniform(shape, (fan_in as f64).powf(-0.5), &mut rng)?
                }
            };
            all.push(tensor);
        }
        Self::of(widths, &all, at)
    }

    /// Of tensors in the order of [`NAMES`].
    ///
    /// # Errors
    /// If there are others, or of another shape.
    pub fn of(widths: Widths, tensors: &[Tensor], at: Placement) -> Result<Self> {
        let mut all = Vec::with_capacity(NAMES.len());
        for ((tensor, shape), name) in tensors.iter().zip(shapes(widths)).zip(NAMES) {
            let got = tensor.size();
            ensure!(got == shape, "`{name}` is {got:?}, expected {shape:?}");
            // A copy of its own: what is given may be a part of another.
            let leaf = tensor.f_detach()?.f_to_device(at.device)?.f_to_kind(at.dtype.kind())?.copy();
            all.push(leaf.f_set_requires_grad(true)?);
        }
        let all = <[Tensor; 8]>::try_from(all).ok().context("eight tensors are trained")?;
        Ok(Self { widths, all })
    }

    /// From mapping layers in any published form; `ret` is the row of `[RET]` in a training checkpoint's table.
    ///
    /// # Errors
    /// What is wrong with the files, by name.
    pub fn read(weights: &Weights<'_>, widths: Widths, ret: i64, at: Placement) -> Result<Self> {
        use fondue_model::mapping::{RET_ROW, TABLE};
        let mut all = Vec::with_capacity(NAMES.len());
        for (name, shape) in NAMES.iter().zip(shapes(widths)) {
            let tensor = match *name {
                RET_ROW if !weights.has(RET_ROW) && weights.has(TABLE) => {
                    weights.rows(TABLE, ret..ret + 1, at)?
                }
                RET_ROW if weights.shape(RET_ROW) == Some(&[widths.word]) => {
                    weights.tensor(name, &[widths.word], at)?.f_reshape([1, widths.word])?
                }
                _ => weights.tensor(name, &shape, at)?,
            };
            all.push(tensor);
        }
        Self::of(widths, &all, at)
    }

    /// Their widths.
    pub fn widths(&self) -> Widths {
        self.widths
    }

    /// All of them, in the order of [`NAMES`].
    pub fn all(&self) -> &[Tensor] {
        &self.all
    }

    /// Those that updates change: all, or all but the row of `[RET]`, which is the last.
    pub fn learning(&self, freeze_ret: bool) -> &[Tensor] {
        if freeze_ret { &self.all[..NAMES.len() - 1] } else { &self.all }
    }

    /// Numbers that are trained.
    pub fn parameters(&self) -> usize {
        self.all.iter().map(Tensor::numel).sum()
    }

    /// The log temperature, a scalar.
    pub fn logit_scale(&self) -> &Tensor {
        &self.all[0]
    }

    /// The row of `[RET]`, `[1, word]`.
    pub fn ret_row(&self) -> &Tensor {
        &self.all[7]
    }

    /// `[n, feature]` → `[n · k, word]`, the vectors that pictures become, picture by picture.
    ///
    /// # Errors
    /// libtorch's.
    pub fn prefix(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.f_linear(&self.all[1], Some(&self.all[2]))?.f_reshape([-1, self.widths.word])?)
    }

    /// `[n, feature]` → `[n, q]`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn pictures(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.f_linear(&self.all[3], Some(&self.all[4]))?)
    }

    /// `[n, word]` states at `[RET]` → `[n, q]`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn queries(&self, states: &Tensor) -> Result<Tensor> {
        Ok(states.f_linear(&self.all[5], Some(&self.all[6]))?)
    }

    /// Gives the row of `[RET]` this length.
    ///
    /// # Errors
    /// libtorch's.
    pub fn rescale_ret(&self, norm: f64) -> Result<()> {
        no_grad(|| {
            let row = self.ret_row();
            // In the row's own precision, as the reference divides.
            let factor = row.f_norm()?.f_div_scalar(norm)?;
            let _ = row.shallow_clone().f_div_(&factor)?;
            Ok(())
        })
    }
}

/// Shapes in the order of [`NAMES`].
fn shapes(widths: Widths) -> [Vec<i64>; 8] {
    let Widths { word, feature, prefix, shared } = widths;
    [
        vec![],
        vec![word * prefix, feature],
        vec![word * prefix],
        vec![shared, feature],
        vec![shared],
        vec![shared, word],
        vec![shared],
        vec![1, word],
    ]
}

fn uniform(shape: &[i64], bound: f64, rng: &mut impl Rng) -> Result<Tensor> {
    let n = shape.iter().product::<i64>() as usize;
    let values: Vec<f32> = (0..n).map(|_| rng.random_range(-bound..bound) as f32).collect();
    Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_kind(Kind::Float)?)
}
