//! AdamW over a few tensors, spelt out, so that all it knows can be saved and read back to the bit.
//!
//! Source: Loshchilov and Hutter 2019; the order of operations of torch's `AdamW`, in the tensors' own precision.

use anyhow::{Context, Result};
use tch::{Tensor, no_grad};

/// What does not change while training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// Added to the root.
    pub eps: f64,
    /// Decoupled decay.
    pub decay: f64,
}

/// First and second moments of each tensor, and how many updates they have seen.
pub struct Moments {
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    updates: u64,
}

impl Moments {
    /// None yet.
    ///
    /// # Errors
    /// libtorch's.
    pub fn begin(tensors: &[Tensor]) -> Result<Self> {
        let zeros =
            || tensors.iter().map(|tensor| Ok(tensor.f_zeros_like()?.f_detach()?)).collect::<Result<_>>();
        Ok(Self { first: zeros()?, second: zeros()?, updates: 0 })
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// By names under which they are kept: `first.NAME`, `second.NAME`.
    pub fn named<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (String, &'a Tensor)> {
        let part = |prefix: &'static str, all: &'a [Tensor]| {
            names.iter().zip(all).map(move |(name, tensor)| (format!("{prefix}.{name}"), tensor))
        };
        part("first", &self.first).chain(part("second", &self.second))
    }

    /// Puts kept ones in their place.
    ///
    /// # Errors
    /// If one is missing or of another shape.
    pub fn restore(
        &mut self,
        names: &[&str],
        updates: u64,
        kept: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<()> {
        for (prefix, all) in [("first", &self.first), ("second", &self.second)] {
            for (name, tensor) in names.iter().zip(all) {
                let name = format!("{prefix}.{name}");
                let kept = kept(&name).with_context(|| format!("no tensor `{name}`"))?;
                no_grad(|| tensor.shallow_clone().f_copy_(&kept))
                    .with_context(|| format!("tensor `{name}`"))?;
            }
        }
        self.updates = updates;
        Ok(())
    }

    /// One update; tensors without a gradient stay.
    ///
    /// # Errors
    /// libtorch's.
    pub fn update(&mut self, tensors: &[Tensor], adam: &Adam, rate: f64) -> Result<()> {
        self.updates += 1;
        let Adam { betas: [beta1, beta2], eps, decay } = *adam;
        let step = self.updates as f64;
        let (correct1, correct2) = (1.0 - beta1.powf(step), 1.0 - beta2.powf(step));
        no_grad(|| {
            for ((tensor, first), second) in tensors.iter().zip(&self.first).zip(&self.second) {
                let grad = tensor.f_grad()?;
                if !grad.defined() {
                    continue;
                }
                let (mut tensor, mut first, mut second) =
                    (tensor.shallow_clone(), first.shallow_clone(), second.shallow_clone());
                if decay != 0.0 {
                    let _ = tensor.f_mul_scalar_(1.0 - rate * decay)?;
                }
                let _ = first.f_lerp_(&grad, 1.0 - beta1)?;
                // What is temporary is changed in its place: large models are trained in little memory.
                {
                    let mut squared = grad.f_mul(&grad)?;
                    let _ = squared.f_mul_scalar_(1.0 - beta2)?;
                    let _ = second.f_mul_scalar_(beta2)?.f_add_(&squared)?;
                }
                let mut below = second.f_sqrt()?;
                let _ = below.f_div_scalar_(correct2.sqrt())?.f_add_scalar_(eps)?;
                let mut by = first.f_div(&below)?;
                let _ = by.f_mul_scalar_(-rate / correct1)?;
                let _ = tensor.f_add_(&by)?;
            }
            Ok(())
        })
    }
}

/// Scales all gradients so that their common length is at most `max`; returns the length that they had.
///
/// # Errors
/// libtorch's.
pub fn clip(tensors: &[Tensor], max: f64) -> Result<f64> {
    no_grad(|| {
        let mut squares = 0.0;
        let mut grads = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let grad = tensor.f_grad()?;
            if grad.defined() {
                squares += grad.f_to_kind(tch::Kind::Float)?.f_norm()?.f_double_value(&[])?.powi(2);
                grads.push(grad);
            }
        }
        let length = squares.sqrt();
        let factor = max / (length + 1e-6);
        if factor < 1.0 {
            for grad in &mut grads {
                let _ = grad.f_mul_scalar_(factor)?;
            }
        }
        Ok(length)
    })
}

/// Forgets the gradients.
pub fn clear(tensors: &[Tensor]) {
    for tensor in tensors {
        tensor.shallow_clone().zero_grad();
    }
}
