//! The tower by the kernels of our own, on the CPU.

use std::cell::RefCell;

use fondue_kernels::{Buffers, Form, Matrix, Norm, Op, Team, Then};

use super::{CLASS, VisionConfig};
use crate::{
    ModelError, Placement,
    layers::{Size, values},
    packed,
    weights::Weights,
};

pub(super) struct Tower {
    team: Team,
    /// Pixels of a patch → its state.
    patch: Matrix,
    /// What each position's state begins with: its embedding, and the class token's at position 0; `[positions, width]`.
    begin: Vec<f32>,
    pre_norm: Norm,
    layers: Vec<Layer>,
    post_norm: Norm,
    heads: usize,
    active: Then,
    work: RefCell<Buffers>,
    /// The class tokens alone, which are all that the last layer's second half is needed for.
    last: RefCell<Buffers>,
}

struct Layer {
    norm1: Norm,
    qkv: Matrix,
    out: Matrix,
    norm2: Norm,
    fc1: Matrix,
    fc2: Matrix,
}

/// The states.
const STATE: usize = 0;
/// The states normalised.
const NORMED: usize = 1;
/// What attention gives.
const MIXED: usize = 2;
/// Within the feed-forward layer.
const INNER: usize = 3;
/// Queries, keys, values.
const QKV: usize = 4;
/// Pixels.
const PIXELS: usize = 5;

impl Tower {
    pub(super) fn load(
        weights: &Weights<'_>,
        config: &VisionConfig,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let (width, eps, form) = (config.hidden_size, config.layer_norm_eps, at.dtype.form());
        let (patch, positions) = (config.patch_size, config.n_positions());
        let shape = [width, 3, patch, patch];
        let whole = |name: &str, shape: &[i64]| values(&weights.tensor(name, shape, Placement::TORCH_F32)?);
        let pixels = (3 * patch * patch) as usize;
        let class = whole(CLASS, &[width])?;
        let kernel = whole("embeddings.patch_embedding.weight", &shape)?;
        let mut begin = whole("embeddings.position_embedding.weight", &[positions, width])?;
        begin.iter_mut().zip(&class).for_each(|(position, class)| *position += class);
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(weights, n, config, form));
        let (ffn, wide) = (config.intermediate_size as usize, width as usize);
        // The first layer reads pixels themselves, in which eight bits would show; it is small.
        let kernel_form = if form == Form::Int8 { Form::F16 } else { form };
        Ok(Self {
            team: packed::team()?,
            patch: Matrix::from_rows(wide, pixels, kernel_form, &kernel)?,
            begin,
            pre_norm: weights.norm("pre_layrnorm", width, eps)?,
            layers: layers.collect::<Result<_, _>>()?,
            post_norm: weights.norm("post_layernorm", width, eps)?,
            heads: config.num_attention_heads as usize,
            active: if config.is_quick_gelu() { Then::QuickGelu } else { Then::Gelu },
            work: RefCell::new(Buffers::new(&[wide, wide, wide, ffn, 3 * wide, pixels])),
            last: RefCell::new(Buffers::new(&[wide, wide, wide, ffn])),
        })
    }

    /// Blocks of `[3, size, size]`, all of that length → the class token's last state of each, `feature_dim` long.
    pub(super) fn encode(
        &self,
        config: &VisionConfig,
        pixels: &[Vec<f32>],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let positions = config.n_positions() as usize;
        let (mut work, mut last) = (self.work.borrow_mut(), self.last.borrow_mut());
        work.set_rows(pixels.len() * positions)?;
        last.set_rows(pixels.len())?;
        for (n, block) in pixels.iter().enumerate() {
            self.enter(&mut work, n * positions, block, config);
        }
        self.team.pass(&mut work, None, &self.steps(positions))?;
        for n in 0..pixels.len() {
            for id in [STATE, MIXED] {
                last.row_mut(id, n).copy_from_slice(work.row(id, n * positions));
            }
        }
        let mut steps = Vec::new();
        if let Some(layer) = self.layers.last() {
            steps.extend(self.second_half(layer));
        }
        steps.push(Op::Norm { from: STATE, to: STATE, norm: &self.post_norm });
        self.team.pass(&mut last, None, &steps)?;
        Ok((0..pixels.len()).map(|n| last.row(STATE, n).to_vec()).collect())
    }

    /// Puts a picture's patches into rows, behind one for the class token, which has no pixels.
    fn enter(&self, work: &mut Buffers, first: usize, block: &[f32], config: &VisionConfig) {
        let (size, side) = (config.image_size as usize, config.patch_size as usize);
        let (width, across) = (self.patch.outputs(), size / side);
        for (row, begin) in self.begin.chunks_exact(width).enumerate() {
            work.row_mut(STATE, first + row).copy_from_slice(begin);
            let pixels = work.row_mut(PIXELS, first + row);
            let Some(patch) = row.checked_sub(1) else {
                pixels.fill(0.0);
                continue;
            };
            let (top, left) = (patch / across * side, patch % across * side);
            for (n, line) in pixels.chunks_exact_mut(side).enumerate() {
                let (channel, y) = (n / side, n % side);
                let start = (channel * size + top + y) * size + left;
                line.copy_from_slice(&block[start..start + side]);
            }
        }
    }

    fn steps(&self, positions: usize) -> Vec<Op<'_>> {
        let mut steps = vec![
            Op::Product { from: PIXELS, to: STATE, matrix: &self.patch, then: Then::Add },
            Op::Norm { from: STATE, to: STATE, norm: &self.pre_norm },
        ];
        for (n, layer) in self.layers.iter().enumerate() {
            let is_last = n + 1 == self.layers.len();
            let queries = if is_last { 1 } else { positions };
            let heads = self.heads;
            steps.push(Op::Norm { from: STATE, to: NORMED, norm: &layer.norm1 });
            steps.push(Op::Product { from: NORMED, to: QKV, matrix: &layer.qkv, then: Then::Set });
            steps.push(Op::AttendAmong { from: QKV, to: MIXED, heads, rows: positions, queries });
            if !is_last {
                steps.extend(self.second_half(layer));
            }
        }
        steps
    }

    fn second_half<'a>(&self, layer: &'a Layer) -> [Op<'a>; 4] {
        [
            Op::Product { from: MIXED, to: STATE, matrix: &layer.out, then: Then::Add },
            Op::Norm { from: STATE, to: NORMED, norm: &layer.norm2 },
            Op::Product { from: NORMED, to: INNER, matrix: &layer.fc1, then: self.active },
            Op::Product { from: INNER, to: STATE, matrix: &layer.fc2, then: Then::Add },
        ]
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, n: usize, config: &VisionConfig, form: Form) -> Result<Self, ModelError> {
        let (width, ffn, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let name = |part: &str| format!("encoder.layers.{n}.{part}");
        let matrix =
            |part: &str, output, input| weights.matrix(&[name(part)], Size { output, input }, true, form);
        let parts = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(name);
        Ok(Self {
            norm1: weights.norm(&name("layer_norm1"), width, eps)?,
            qkv: weights.matrix(&parts, Size { output: width, input: width }, true, form)?,
            out: matrix("self_attn.out_proj", width, width)?,
            norm2: weights.norm(&name("layer_norm2"), width, eps)?,
            fc1: matrix("mlp.fc1", ffn, width)?,
            fc2: matrix("mlp.fc2", width, ffn)?,
        })
    }
}
