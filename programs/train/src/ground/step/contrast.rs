//! InfoNCE of pictures and texts, over the batch of all processes.

use anyhow::{Context, Result};
use fondue_model::layers::values;
use tch::{Kind, Tensor};

use super::Losses;
use crate::{ground::trained::Trained, run::group::Group};

/// The loss and what it was computed from.
pub struct Contrast {
    /// The mean of both directions, a scalar; its gradient reaches this process's rows.
    pub loss: Tensor,
    /// `[n, n]`, pictures down, texts across, without a gradient.
    pub similarity: Tensor,
}

impl Contrast {
    /// `pictures` `[n, feature]` and `states` `[n, word]` at their texts' `[RET]`.
    ///
    /// r̂ = r/‖r‖, v̂ = eˢ·v/‖v‖, S = v̂ r̂ᵀ; L = ½ (CE(S) + CE(Sᵀ)) with the diagonal as target.
    ///
    /// Rows of other processes are constants. The temperature is within v̂, so that the sum of all processes' gradients
    /// is the gradient of the whole.
    ///
    /// # Errors
    /// libtorch's, or the other processes'.
    pub fn of(trained: &Trained, pictures: &Tensor, states: &Tensor, group: &mut Group) -> Result<Self> {
        let unit = |rows: Tensor| -> Result<Tensor> {
            Ok(rows.f_div(&rows.f_norm_scalaropt_dim(2, [-1i64].as_slice(), true)?)?)
        };
        let pictures = unit(trained.pictures(pictures)?)?.f_mul(&trained.logit_scale().f_exp()?)?;
        let texts = unit(trained.queries(states)?)?;
        let (pictures, texts) = (together(&pictures, group)?, together(&texts, group)?);
        let similarity = pictures.f_matmul(&texts.f_transpose(0, 1)?)?.f_to_kind(Kind::Float)?;
        let n = similarity.size()[0];
        if n == 0 {
            return Ok(Self { loss: similarity.f_sum(Kind::Float)?, similarity: similarity.f_detach()? });
        }
        let right = Tensor::f_arange(n, (Kind::Int64, similarity.device()))?;
        let one_way = |scores: &Tensor| {
            scores.f_cross_entropy_loss(&right, None::<&Tensor>, tch::Reduction::Mean, -100, 0.0)
        };
        let both = one_way(&similarity)?.f_add(&one_way(&similarity.f_transpose(0, 1)?)?)?;
        Ok(Self { loss: both.f_div_scalar(2.0)?, similarity: similarity.f_detach()? })
    }

    /// The loss and how often the diagonal is at the top.
    pub(super) fn fill(&self, losses: &mut Losses) -> Result<()> {
        losses.contrastive = self.loss.f_double_value(&[])?;
        let similarity = values(&self.similarity)?;
        let n = self.similarity.size()[0] as usize;
        [losses.image_to_text_top1, losses.image_to_text_top5] = top(&similarity, n);
        let across = values(&self.similarity.f_transpose(0, 1)?)?;
        [losses.text_to_image_top1, losses.text_to_image_top5] = top(&across, n);
        Ok(())
    }
}

/// Percent of rows of a square whose diagonal is the largest, and among the five largest.
pub(crate) fn top(scores: &[f32], n: usize) -> [f64; 2] {
    let (mut first, mut five) = (0, 0);
    for (right, row) in scores.chunks(n.max(1)).enumerate() {
        let above = row.iter().filter(|score| **score > row[right]).count();
        first += usize::from(above < 1);
        five += usize::from(above < 5);
    }
    [first, five].map(|hits| 100.0 * hits as f64 / n.max(1) as f64)
}

/// The rows of all processes in their order; this process's own keep their gradient.
fn together(mine: &Tensor, group: &mut Group) -> Result<Tensor> {
    if group.size() == 1 {
        return Ok(mine.shallow_clone());
    }
    let width = mine.size()[1];
    let all = group.gather(&values(&mine.f_detach()?)?)?;
    let mut blocks = Vec::with_capacity(all.len());
    for (rank, block) in all.iter().enumerate() {
        if rank == group.rank() {
            blocks.push(mine.shallow_clone());
        } else {
            let block =
                Tensor::f_from_slice(block)?.f_view([-1, width]).context("rows of another process")?;
            blocks.push(block.f_to_device(mine.device())?.f_to_kind(mine.kind())?);
        }
    }
    Ok(Tensor::f_cat(&blocks, 0)?)
}
