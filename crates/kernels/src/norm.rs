//! Layer normalisation of one row.

use crate::{
    lanes::{LANES, Lanes},
    memory::vectors,
};

/// (x − mean) / √(variance + ε) · weight + bias, over a whole row.
pub struct Norm {
    width: usize,
    eps: f32,
    weight: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
}

impl Norm {
    /// A norm with these weights and biases.
    ///
    /// # Panics
    /// If they differ in length.
    pub fn new(weight: &[f32], bias: &[f32], eps: f32) -> Self {
        assert_eq!(weight.len(), bias.len(), "a norm has as many weights as biases");
        Self { width: weight.len(), eps, weight: padded(weight), bias: padded(bias) }
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Normalises a row in place; what lies behind its width becomes 0.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, lanes: L, row: &mut [[f32; LANES]]) {
        let n = self.width as f32;
        let row = &mut row[..vectors(self.width)];
        let mut sum = lanes.zero();
        for x in row.iter() {
            sum = lanes.add(sum, lanes.load(x));
        }
        let mean = lanes.sum(sum) / n;
        if let (Some(last), rest @ 1..) = (row.last_mut(), self.width % LANES) {
            last[rest..].fill(mean); // no distance from the mean
        }
        let mean = lanes.splat(mean);
        let mut squares = lanes.zero();
        for x in row.iter() {
            let x = lanes.sub(lanes.load(x), mean);
            squares = lanes.fma(x, x, squares);
        }
        let inverse = lanes.splat(1.0 / (lanes.sum(squares) / n + self.eps).sqrt());
        for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
            let centred = lanes.mul(lanes.sub(lanes.load(x), mean), inverse);
            lanes.store(x, lanes.fma(centred, lanes.load(weight), lanes.load(bias)));
        }
        // Not by weights of 0, which would leave no number where the row has none, to be read by rows after it.
        if let (Some(last), rest @ 1..) = (row.last_mut(), self.width % LANES) {
            last[rest..].fill(0.0);
        }
    }
}

/// Values in vectors, zeros behind them.
fn padded(values: &[f32]) -> Vec<[f32; LANES]> {
    let mut all = vec![[0.0; LANES]; vectors(values.len())];
    all.as_flattened_mut()[..values.len()].copy_from_slice(values);
    all
}
