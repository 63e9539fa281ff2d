//! The two layers that every tower here is made of, and reading of configuration files.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;
use tch::Tensor;

use crate::{ModelError, Placement, weights::Weights};

/// y = xWᵀ + b.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `NAME.weight` `[output, input]` and, if it is there, `NAME.bias` `[output]`.
    ///
    /// # Errors
    /// [`ModelError::Content`] if the weight is missing or a shape is wrong.
    pub fn load(
        weights: &Weights<'_>,
        name: &str,
        output: i64,
        input: i64,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let weight = weights.tensor(&format!("{name}.weight"), &[output, input], at)?;
        let bias_name = format!("{name}.bias");
        let bias = weights.has(&bias_name).then(|| weights.tensor(&bias_name, &[output], at)).transpose()?;
        Ok(Self { weight, bias })
    }

    /// Several linears of one input as one: their outputs, `output` each, lie side by side.
    ///
    /// # Errors
    /// As [`Linear::load`]; either all of them have a bias or none.
    pub fn side_by_side(
        weights: &Weights<'_>,
        names: &[String],
        output: i64,
        input: i64,
        at: Placement,
    ) -> Result<Self, ModelError> {
        let of = |part: &str| names.iter().map(|name| format!("{name}.{part}")).collect::<Vec<_>>();
        let biases = of("bias");
        let any = biases.iter().any(|name| weights.has(name));
        Ok(Self {
            weight: weights.stacked(&of("weight"), &[output, input], at)?,
            bias: any.then(|| weights.stacked(&biases, &[output], at)).transpose()?,
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

/// Reads a JSON file into a typed configuration.
///
/// # Errors
/// [`ModelError::Read`] or [`ModelError::Content`] naming the file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read_to_string(path).map_err(|error| ModelError::read(path, error))?;
    serde_json::from_str(&text).map_err(|error| ModelError::content(path, error))
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
