//! A linear layer's weights, laid out in the order in which a product reads them.

use std::collections::TryReserveError;

use half::{bf16, f16};

use crate::{
    element::{Brain, Element, Half},
    lanes::LANES,
    memory::{Lines, size, vectors},
};

/// Outputs of one tile.
pub(crate) const TILE: usize = 4;

/// Tiles of one panel.
pub(crate) const PANEL: usize = 16;

/// Vectors of one block of inputs: 1,024 inputs, so that six rows and one tile of it fit the first cache.
pub(crate) const BLOCK: usize = 64;

/// How weights are stored. Sums are in f32 whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 32-bit.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// Whole numbers from −127 to 127 with one f32 scale for each output.
    Int8,
}

impl Form {
    /// Bytes of one weight.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }
}

/// y = xWᵀ + b with W `[outputs, inputs]`.
///
/// In panels of 16 tiles, a panel in blocks of 1,024 inputs, a block tile by tile, a tile vector by vector for its four
/// outputs: a product reads it from beginning to end, whatever the number of rows.
pub struct Matrix {
    outputs: usize,
    inputs: usize,
    form: Form,
    data: Lines,
    /// One for each output; empty unless [`Form::Int8`].
    scales: Vec<f32>,
    /// One for each output, or none at all.
    bias: Vec<f32>,
}

impl Matrix {
    /// A matrix of zeros without bias.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(outputs: usize, inputs: usize, form: Form) -> Result<Self, TryReserveError> {
        let bytes = size([outputs.div_ceil(TILE), TILE, vectors(inputs), LANES, form.bytes()]);
        let data = Lines::zeroed(bytes)?;
        let mut scales = Vec::new();
        if form == Form::Int8 {
            scales.try_reserve_exact(outputs)?;
            scales.resize(outputs, 0.0);
        }
        Ok(Self { outputs, inputs, form, data, scales, bias: Vec::new() })
    }

    /// A matrix of these weights, row-major `[outputs, inputs]`.
    ///
    /// # Errors
    /// As [`Matrix::new`].
    ///
    /// # Panics
    /// If the weights are fewer.
    pub fn from_rows(
        outputs: usize,
        inputs: usize,
        form: Form,
        weights: &[f32],
    ) -> Result<Self, TryReserveError> {
        let mut matrix = Self::new(outputs, inputs, form)?;
        (0..outputs).for_each(|n| matrix.set_row(n, &weights[n * inputs..][..inputs]));
        Ok(matrix)
    }

    /// Outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How the weights are stored.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Bytes of weights, scales and bias, as a product reads them.
    pub fn bytes(&self) -> usize {
        self.data.bytes() + size_of_val(self.scales.as_slice()) + size_of_val(self.bias.as_slice())
    }

    /// Adds a bias, `[outputs]`.
    ///
    /// # Panics
    /// If it has another length.
    pub fn set_bias(&mut self, bias: Vec<f32>) {
        assert_eq!(bias.len(), self.outputs, "a bias has one value for each output");
        self.bias = bias;
    }

    /// Stores the weights of one output, rounded to nearest.
    ///
    /// # Panics
    /// If there is no such output, or the length is not that of the inputs.
    pub fn set_row(&mut self, output: usize, weights: &[f32]) {
        assert!(output < self.outputs && weights.len() == self.inputs, "a row of another matrix");
        match self.form {
            Form::F32 => self.put(output, weights, |w: f32| w),
            Form::F16 => self.put(output, weights, |w| Half(f16::from_f32(w).to_bits())),
            Form::Bf16 => self.put(output, weights, |w| Brain(bf16::from_f32(w).to_bits())),
            Form::Int8 => {
                let largest = weights.iter().fold(0.0f32, |max, w| max.max(w.abs()));
                // A scale too small to be exact counts as 0, and so do its weights, of less than 10⁻³⁵.
                let scale = Some(largest / 127.0).filter(|scale| scale.is_normal()).unwrap_or(0.0);
                self.scales[output] = scale;
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                self.put(output, weights, |w| (w * inverse).round_ties_even() as i8);
            }
        }
    }

    /// Reads the weights of one output back.
    ///
    /// # Panics
    /// As [`Matrix::set_row`].
    pub fn row(&self, output: usize, weights: &mut [f32]) {
        assert!(output < self.outputs && weights.len() == self.inputs, "a row of another matrix");
        match self.form {
            Form::F32 => self.get(output, weights, |w: f32| w),
            Form::F16 => self.get(output, weights, |w: Half| f16::from_bits(w.0).to_f32()),
            Form::Bf16 => self.get(output, weights, |w: Brain| bf16::from_bits(w.0).to_f32()),
            Form::Int8 => {
                let scale = self.scales[output];
                self.get(output, weights, |w: i8| f32::from(w) * scale);
            }
        }
    }

    fn put<W: Element>(&mut self, output: usize, weights: &[f32], store: impl Fn(f32) -> W) {
        let place = self.place(output);
        let data: &mut [[W; LANES]] = self.data.of_mut();
        for (n, values) in weights.chunks(LANES).enumerate() {
            data[place(n)].iter_mut().zip(values).for_each(|(to, value)| *to = store(*value));
        }
    }

    fn get<W: Element>(&self, output: usize, weights: &mut [f32], load: impl Fn(W) -> f32) {
        let place = self.place(output);
        let data: &[[W; LANES]] = self.data.of();
        for (n, values) in weights.chunks_mut(LANES).enumerate() {
            values.iter_mut().zip(&data[place(n)]).for_each(|(value, from)| *value = load(*from));
        }
    }

    /// Where each vector of an output's weights lies.
    fn place(&self, output: usize) -> impl Fn(usize) -> usize + use<> {
        let (vectors, tiles) = (vectors(self.inputs), self.n_tiles());
        let (tile, within) = (output / TILE, output % TILE);
        let first = tile / PANEL * PANEL;
        let in_panel = PANEL.min(tiles - first);
        move |n| {
            let start = n / BLOCK * BLOCK;
            let block = BLOCK.min(vectors - start);
            (first * vectors + start * in_panel + (tile - first) * block + (n - start)) * TILE + within
        }
    }

    /// One block of inputs of one tile: `[vectors of the block]` of four outputs' vectors.
    pub(crate) fn tile<W: Element>(
        &self,
        tile: usize,
        block: std::ops::Range<usize>,
    ) -> &[[[W; LANES]; TILE]] {
        let data: &[[[W; LANES]; TILE]] = self.data.of();
        let first = self.place(tile * TILE)(block.start) / TILE;
        &data[first..first + block.len()]
    }

    pub(crate) fn n_tiles(&self) -> usize {
        self.outputs.div_ceil(TILE)
    }

    pub(crate) fn scales(&self) -> Option<&[f32]> {
        (!self.scales.is_empty()).then_some(self.scales.as_slice())
    }

    pub(crate) fn bias(&self) -> Option<&[f32]> {
        (!self.bias.is_empty()).then_some(self.bias.as_slice())
    }
}
