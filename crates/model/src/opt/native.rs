//! The decoder by the kernels of our own, on the CPU: weights in any form, sums in f32, the same bits for a row in any company.

use std::cell::RefCell;

use fondue_kernels::{Buffers, Form, KvMemory, Matrix, Norm, Op, Sequences, Span, Team, Then};
use tch::Tensor;

use super::{Chunk, OptConfig, POSITION_OFFSET, cache::BlockId, config::EPS};
use crate::{ModelError, Placement, layers::Size, packed, weights::Weights};

pub(super) struct Decoder {
    team: Team,
    positions: Matrix,
    project_in: Option<Matrix>,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
    project_out: Option<Matrix>,
    pre_norm: bool,
    word_dim: usize,
    work: RefCell<Buffers>,
}

struct Layer {
    attention_norm: Norm,
    qkv: Matrix,
    out: Matrix,
    ffn_norm: Norm,
    fc1: Matrix,
    fc2: Matrix,
}

/// The states.
const STATE: usize = 0;
/// The states normalised.
const NORMED: usize = 1;
/// Queries, keys, values.
const QKV: usize = 2;
/// What attention gives.
const MIXED: usize = 3;
/// Within the feed-forward layer.
const INNER: usize = 4;
/// What comes in and goes out, where its width is another.
const WORD: usize = 5;

impl Decoder {
    pub(super) fn load(weights: &Weights<'_>, config: &OptConfig, at: Placement) -> Result<Self, ModelError> {
        let (width, word, form) = (config.hidden_size, config.word_dim(), at.dtype.form());
        let rows = config.max_position_embeddings + POSITION_OFFSET;
        let project = |name: &str, output, input| {
            let load = || weights.matrix(&[name.to_owned()], Size { output, input }, false, form);
            config.is_projected().then(load).transpose()
        };
        // Looked up and added, never multiplied: eight bits would save little and cost accuracy.
        let looked_up = if form == Form::Int8 { Form::F16 } else { form };
        let positions = ["embed_positions.weight".to_owned()];
        let size = Size { output: rows, input: width };
        let positions = weights.table(&positions, size, rows as usize, looked_up)?;
        let project_in = project("project_in", width, word)?;
        let layers = (0..config.num_hidden_layers).map(|n| Layer::load(weights, n, config, form));
        let (layers, final_norm) = (layers.collect::<Result<_, _>>()?, config.has_final_norm());
        let final_norm = final_norm.then(|| weights.norm("final_layer_norm", width, EPS)).transpose()?;
        let (width, ffn, word) = (width as usize, config.ffn_dim as usize, word as usize);
        Ok(Self {
            team: packed::team()?,
            positions,
            project_in,
            layers,
            final_norm,
            project_out: project("project_out", word as i64, width as i64)?,
            pre_norm: config.do_layer_norm_before,
            word_dim: word,
            work: RefCell::new(Buffers::new(&[width, width, 3 * width, width, ffn, word])),
        })
    }

    pub(super) fn forward(&self, memory: &mut KvMemory, chunks: &[Chunk<'_>]) -> Result<Tensor, ModelError> {
        let mut work = self.work.borrow_mut();
        let lengths: Vec<usize> = chunks.iter().map(|chunk| chunk.vectors.size()[0] as usize).collect();
        work.set_rows(lengths.iter().sum())?;
        self.enter(&mut work, chunks, &lengths)?;
        let blocks: Vec<&[u32]> = chunks.iter().map(|chunk| BlockId::numbers(chunk.blocks)).collect();
        let spans = chunks.iter().zip(&lengths).zip(&blocks);
        let spans: Vec<Span<'_>> =
            spans.map(|((chunk, &rows), blocks)| Span { rows, start: chunk.start, blocks }).collect();
        self.team.pass(&mut work, Some(Sequences { kv: memory, spans: &spans }), &self.steps())?;
        let id = if self.project_out.is_some() { WORD } else { STATE };
        packed::tensor(&work, id, self.word_dim)
    }

    /// Puts the input vectors and the positions' into the matrices where the steps begin.
    fn enter(&self, work: &mut Buffers, chunks: &[Chunk<'_>], lengths: &[usize]) -> Result<(), ModelError> {
        let mut position = vec![0.0; self.positions.inputs()];
        let mut row = 0;
        for (chunk, &n) in chunks.iter().zip(lengths) {
            let projected = self.project_in.is_some();
            packed::fill(work, if projected { WORD } else { STATE }, row, &chunk.vectors)?;
            for at in chunk.start..chunk.start + n {
                self.positions.row(at + POSITION_OFFSET as usize, &mut position);
                let state = work.row_mut(STATE, row).iter_mut().zip(&position);
                // With a projection, its results are added to the position's.
                state.for_each(|(to, from)| if projected { *to = *from } else { *to += from });
                row += 1;
            }
        }
        Ok(())
    }

    fn steps(&self) -> Vec<Op<'_>> {
        let product = |from, to, matrix, then| Op::Product { from, to, matrix, then };
        let mut steps = Vec::with_capacity(8 * self.layers.len() + 3);
        steps.extend(self.project_in.iter().map(|matrix| product(WORD, STATE, matrix, Then::Add)));
        for (layer, weights) in self.layers.iter().enumerate() {
            let Layer { attention_norm, qkv, out, ffn_norm, fc1, fc2 } = weights;
            let input = if self.pre_norm {
                steps.push(Op::Norm { from: STATE, to: NORMED, norm: attention_norm });
                NORMED
            } else {
                STATE
            };
            steps.push(product(input, QKV, qkv, Then::Set));
            steps.push(Op::Attend { from: QKV, to: MIXED, layer });
            steps.push(product(MIXED, STATE, out, Then::Add));
            if self.pre_norm {
                steps.push(Op::Norm { from: STATE, to: NORMED, norm: ffn_norm });
            } else {
                steps.push(Op::Norm { from: STATE, to: STATE, norm: attention_norm });
            }
            steps.push(product(input, INNER, fc1, Then::Relu));
            steps.push(product(INNER, STATE, fc2, Then::Add));
            if !self.pre_norm {
                steps.push(Op::Norm { from: STATE, to: STATE, norm: ffn_norm });
            }
        }
        steps.extend(self.final_norm.iter().map(|norm| Op::Norm { from: STATE, to: STATE, norm }));
        steps.extend(self.project_out.iter().map(|matrix| product(STATE, WORD, matrix, Then::Set)));
        steps
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, n: usize, config: &OptConfig, form: Form) -> Result<Self, ModelError> {
        let (width, ffn, bias) = (config.hidden_size, config.ffn_dim, config.has_biases());
        let name = |part: &str| format!("layers.{n}.{part}");
        let matrix =
            |part: &str, output, input| weights.matrix(&[name(part)], Size { output, input }, bias, form);
        let parts = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(name);
        Ok(Self {
            attention_norm: weights.norm(&name("self_attn_layer_norm"), width, EPS)?,
            qkv: weights.matrix(&parts, Size { output: width, input: width }, bias, form)?,
            out: matrix("self_attn.out_proj", width, width)?,
            ffn_norm: weights.norm(&name("final_layer_norm"), width, EPS)?,
            fc1: matrix("fc1", ffn, width)?,
            fc2: matrix("fc2", width, ffn)?,
        })
    }
}
