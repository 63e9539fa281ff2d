//! One batch's losses and gradients: the captioning pass, the retrieval pass, the contrastive loss over all processes.
//!
//! Source: Koh et al. 2023, section 3.2; the reference's `models.py` and `main.py`.

mod contrast;

use anyhow::{Context, Result};
use tch::{Device, Tensor};

pub use self::contrast::Contrast;
use super::{
    frozen::Frozen,
    head::{Head, Told},
    layout::{self, Packed, Text},
    trained::Trained,
};
use crate::run::group::Group;

/// How much each loss counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossWeights {
    /// Of the captioning pass, λc.
    pub captioning: f64,
    /// Of the retrieval pass's tokens, a part of λr.
    pub ret_lm: f64,
    /// Of the contrastive loss, a part of λr.
    pub contrastive: f64,
}

/// This process's share of a batch.
pub struct Batch<'a> {
    /// Features, `[n, feature]`, where the model lies.
    pub features: Tensor,
    /// Their captions.
    pub texts: Vec<&'a Text>,
    /// Whether captions are paired in the captioning pass.
    pub pairs: bool,
}

/// What a batch gave, of all processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Losses {
    /// Their weighted sum.
    pub loss: f64,
    /// Mean cross-entropy of the captioning pass.
    pub captioning: f64,
    /// Mean cross-entropy of the retrieval pass.
    pub ret_lm: f64,
    /// InfoNCE, the mean of both directions.
    pub contrastive: f64,
    /// Captioning targets that were the first choice, in percent.
    pub caption_top1: f64,
    /// Or one of the first five.
    pub caption_top5: f64,
    /// Texts whose picture scored highest, in percent.
    pub text_to_image_top1: f64,
    /// Or one of the five highest.
    pub text_to_image_top5: f64,
    /// Pictures whose text scored highest, in percent.
    pub image_to_text_top1: f64,
    /// Or one of the five highest.
    pub image_to_text_top5: f64,
}

/// Model, weights and company of a step.
pub struct Step<'a> {
    /// The frozen model.
    pub frozen: &'a Frozen,
    /// What trains.
    pub trained: &'a Trained,
    /// How much each loss counts.
    pub weights: LossWeights,
    /// The loss of this many steps makes one update.
    pub accumulate: usize,
}

impl Step<'_> {
    /// Adds the gradients of this batch to those of the trained tensors; they are this process's part, to be summed over
    /// all. The row of `[RET]` must be shown to the frozen model.
    ///
    /// # Errors
    /// libtorch's, or the other processes'.
    pub fn run(&self, batch: &Batch<'_>, group: &mut Group) -> Result<Losses> {
        let LossWeights { captioning: told_weight, ret_lm: ret_weight, contrastive } = self.weights;
        let k = self.trained.widths().prefix as usize;
        let told = layout::captioning(&batch.texts, k, batch.pairs)?;
        let (places, asking): (Vec<i64>, Vec<&Text>) =
            (0i64..).zip(&batch.texts).filter(|(_, text)| text.asks).map(|(n, text)| (n, *text)).unzip();
        let asking = layout::retrieval(&asking);
        // Means are over all processes' targets.
        let mut counts = [told.targets.len() as f64, asking.before.targets.len() as f64];
        group.sum(&mut counts)?;
        let share = 1.0 / self.accumulate as f64;
        let scale = |weight: f64, n: f64| weight * share / n.max(1.0);

        let mut sums = [0.0; 6];
        if told_weight != 0.0 && !told.targets.is_empty() {
            let told = self.captioning(batch, &told, scale(told_weight, counts[0]))?;
            if told.proxy.requires_grad() {
                told.proxy.f_backward()?;
            }
            sums[0] = told.sum.f_double_value(&[])?;
            sums[1] = told.right[0] as f64;
            sums[2] = told.right[1] as f64;
        }
        let mut result = Losses::default();
        if ret_weight != 0.0 || contrastive != 0.0 {
            let (told, states) = self.retrieval(&asking, scale(ret_weight, counts[1]))?;
            let pictures = if places.len() == batch.texts.len() {
                batch.features.shallow_clone()
            } else {
                batch.features.f_index_select(0, &self.frozen.upload(&places)?)?
            };
            let contrast = Contrast::of(self.trained, &pictures, &states, group)?;
            let mut loss = contrast.loss.f_mul_scalar(contrastive * share)?;
            if let Some(told) = &told {
                sums[3] = told.sum.f_double_value(&[])?;
                if ret_weight != 0.0 {
                    loss = loss.f_add(&told.proxy)?;
                }
            }
            if loss.requires_grad() {
                loss.f_backward()?;
            }
            contrast.fill(&mut result)?;
        }
        group.sum(&mut sums)?;
        let mean = |sum: f64, n: f64| if n > 0.0 { sum / n } else { 0.0 };
        result.captioning = mean(sums[0], counts[0]);
        result.caption_top1 = mean(100.0 * sums[1], counts[0]);
        result.caption_top5 = mean(100.0 * sums[2], counts[0]);
        result.ret_lm = mean(sums[3], counts[1]);
        result.loss =
            told_weight * result.captioning + ret_weight * result.ret_lm + contrastive * result.contrastive;
        Ok(result)
    }

    fn captioning(&self, batch: &Batch<'_>, packed: &Packed, scale: f64) -> Result<Told> {
        let row = self.trained.ret_row();
        let embeds = self.frozen.embed(&packed.ids, row)?;
        let prefix = self.trained.prefix(&batch.features)?;
        let embeds = embeds.f_index_copy(0, &self.frozen.upload(&packed.pictures)?, &prefix)?;
        let embeds = embeds.f_view([packed.rows as i64, packed.width as i64, -1])?;
        let hidden = self.frozen.net().forward(&embeds)?;
        self.told(&hidden, packed, scale)
    }

    /// How well the texts are told, and the states at their last `[RET]`, `[n, word]`.
    fn retrieval(&self, asking: &layout::Asking, scale: f64) -> Result<(Option<Told>, Tensor)> {
        let (row, before) = (self.trained.ret_row(), &asking.before);
        let n = before.rows as i64;
        if n == 0 {
            // Nobody asks here; the others may.
            let kind = (row.kind(), row.device());
            return Ok((None, Tensor::f_zeros([0, self.frozen.word_dim()], kind)?));
        }
        let embeds = self.frozen.embed(&before.ids, row)?.f_view([n, before.width as i64, -1])?;
        let lengths = self.frozen.upload(&asking.lengths)?;
        let (hidden, last) = if asking.within {
            self.retrieval_whole(&embeds, &lengths)?
        } else {
            let last = row.f_unsqueeze(0)?.f_expand([n, 1, -1], false)?;
            self.frozen.net().forward_last(&embeds, &last, &lengths)?
        };
        Ok((Some(self.told(&hidden, before, scale)?), last.f_view([n, -1])?))
    }

    /// With `[RET]` inside of texts, all states behind take gradients.
    fn retrieval_whole(&self, before: &Tensor, lengths: &Tensor) -> Result<(Tensor, Tensor)> {
        let (n, t, width) = before.size3()?;
        let row = self.trained.ret_row().f_view([1, 1, width])?.f_expand([n, 1, width], false)?;
        let at = lengths.f_view([n, 1, 1])?.f_expand([n, 1, width], false)?;
        let pad = Tensor::f_zeros([n, 1, width], (before.kind(), before.device()))?;
        let embeds = Tensor::f_cat(&[before, &pad], 1)?.f_scatter(1, &at, &row)?;
        let hidden = self.frozen.net().forward(&embeds)?;
        Ok((hidden.f_narrow(1, 0, t)?.f_contiguous()?, hidden.f_gather(1, &at, false)?))
    }

    fn told(&self, hidden: &Tensor, packed: &Packed, scale: f64) -> Result<Told> {
        let states = hidden
            .f_reshape([-1, self.frozen.word_dim()])?
            .f_index_select(0, &self.frozen.upload(&packed.states)?)?;
        let head = Head { table: self.frozen.table(), ret_row: self.trained.ret_row() };
        head.told(&states, &self.frozen.upload(&packed.targets)?, scale)
    }
}

/// The gradients, on the host in f32, flat, in the order of the trained tensors; zeros where there is none.
///
/// # Errors
/// libtorch's.
pub fn gradients(trained: &Trained) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(trained.parameters());
    for tensor in trained.all() {
        let grad = tensor.f_grad()?;
        if grad.defined() {
            all.extend(fondue_model::layers::values(&grad).context("a gradient")?);
        } else {
            all.resize(all.len() + tensor.numel(), 0.0);
        }
    }
    Ok(all)
}

/// Puts summed gradients in their place.
///
/// # Errors
/// libtorch's.
pub fn set_gradients(trained: &Trained, all: &[f32]) -> Result<()> {
    let flat = Tensor::f_from_slice(all)?;
    let mut start = 0;
    for tensor in trained.all() {
        let n = tensor.numel() as i64;
        let part = flat.f_narrow(0, start, n)?.f_view(tensor.size().as_slice())?;
        let grad = tensor.f_grad()?;
        if grad.defined() {
            tch::no_grad(|| grad.shallow_clone().f_copy_(&part))?;
        } else {
            // Only a backward pass makes a gradient: one whose result is what it is to be.
            let part = part.f_to_device(tensor.device())?.f_to_kind(tensor.kind())?;
            tensor.f_mul(&part)?.f_sum(tensor.kind())?.f_backward()?;
        }
        start += n;
    }
    debug_assert!(flat.device() == Device::Cpu);
    Ok(())
}
