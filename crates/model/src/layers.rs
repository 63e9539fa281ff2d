//! The two layers that every tower here is made of.

use tch::Tensor;

use crate::{ModelError, Placement, placement::upload, weights::Weights};

/// y = xWᵀ + b.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// Widths of a linear layer's two sides.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Width of what comes out.
    pub output: i64,
    /// Width of what goes in.
    pub input: i64,
}

impl Linear {
    /// Reads `NAME.weight` `[output, input]` and, if there is to be one, `NAME.bias` `[output]`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if one is missing or of another shape.
    pub fn load(
        weights: &Weights<'_>,
        name: &str,
        size: Size,
        bias: bool,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let Size { output, input } = size;
        let read_bias = || weights.tensor(&format!("{name}.bias"), &[output], at);
        Ok(Self {
            weight: weights.tensor(&format!("{name}.weight"), &[output, input], at)?,
            bias: bias.then(read_bias).transpose()?,
        })
    }

    /// Several linears of one input as one: their outputs, `output` each, lie side by side.
    ///
    /// # Errors
    /// As [`Linear::load`].
    pub fn side_by_side(
        weights: &Weights<'_>,
        names: &[String],
        size: Size,
        bias: bool,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let of = |part: &str| names.iter().map(|name| format!("{name}.{part}")).collect::<Vec<_>>();
        let Size { output, input } = size;
        Ok(Self {
            weight: weights.stacked(&of("weight"), &[output, input], at)?,
            bias: bias.then(|| weights.stacked(&of("bias"), &[output], at)).transpose()?,
        })
    }

    /// `[…, input]` → `[…, output]`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if the last axis is not `input`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
    }
}

/// Layer normalisation with weight and bias over the last axis.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads `NAME.weight` and `NAME.bias`, both `[width]`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if one is missing or of another shape.
    pub fn load(
        weights: &Weights<'_>,
        name: &str,
        width: i64,
        eps: f64,
        at: Placement,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.tensor(&format!("{name}.weight"), &[width], at)?,
            bias: weights.tensor(&format!("{name}.bias"), &[width], at)?,
            eps,
        })
    }

    /// `[…, width]` → the same shape.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if the last axis is not `width`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let width = self.weight.size();
        Ok(x.f_layer_norm(&width, Some(&self.weight), Some(&self.bias), self.eps, false)?)
    }
}

/// Some rows of a matrix, in this order: `[n, width]` → `[rows.len(), width]`, where the matrix lies.
///
/// # Errors
/// [`ModelError::Torch`] if one is not there.
pub fn rows(matrix: &Tensor, rows: &[i64]) -> Result<Tensor, ModelError> {
    Ok(matrix.f_index_select(0, &upload(&Tensor::f_from_slice(rows)?, matrix.device())?)?)
}

/// The values of a tensor of any shape, row-major, as f32 on the host.
///
/// # Errors
/// [`ModelError::Torch`] if it cannot be copied.
pub fn values(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let flat =
        tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(tch::Kind::Float)?.f_reshape([-1])?.f_contiguous()?;
    let mut out = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut out, flat.numel())?;
    Ok(out)
}
