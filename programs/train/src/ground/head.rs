//! How well states tell tokens by the head, which is the frozen token embedding with the trained row of `[RET]`.
//!
//! Cross-entropy over a vocabulary would keep logits of all positions for the way back. Since the head is frozen, its
//! gradient is known on the way there: (softmax − target) · table, a piece of rows at a time. So the table never has a
//! gradient, and memory does not grow with positions × vocabulary.

use anyhow::Result;
use tch::{Kind, Tensor, no_grad};

/// Bytes of logits at a time.
const PIECE_BYTES: i64 = 64 << 20;

/// What came of states and targets.
pub struct Told {
    /// Σ −ln p of the targets, in f32, without a gradient.
    pub sum: Tensor,
    /// A scalar whose gradient is that of `scale · sum`; its value means nothing.
    pub proxy: Tensor,
    /// Targets that have the highest logit, and one of the five highest.
    pub right: [i64; 2],
}

/// The head.
pub struct Head<'a> {
    /// `[ret + 1, d]`; its last row is the present value of `ret_row`.
    pub table: &'a Tensor,
    /// The trained row, `[1, d]`.
    pub ret_row: &'a Tensor,
}

impl Head<'_> {
    /// `states` `[n, d]` against `targets` `[n]` (i64).
    ///
    /// # Errors
    /// libtorch's.
    pub fn told(&self, states: &Tensor, targets: &Tensor, scale: f64) -> Result<Told> {
        let (n, _) = states.size2()?;
        let vocabulary = self.table.size()[0];
        let (kind, device) = (states.f_kind()?, states.device());
        let piece = (PIECE_BYTES / (4 * vocabulary)).max(1);
        let float = (Kind::Float, device);
        let (mut sum, mut right) =
            (Tensor::f_zeros([], float)?, Tensor::f_zeros([2], (Kind::Int64, device))?);
        let mut to_row = Tensor::f_zeros(self.ret_row.size(), float)?;
        let mut to_states = Vec::new();
        let wanted = states.requires_grad();
        no_grad(|| -> Result<()> {
            for start in (0..n).step_by(piece as usize) {
                let states = states.f_detach()?.f_narrow(0, start, piece.min(n - start))?;
                let targets = targets.f_narrow(0, start, piece.min(n - start))?.f_unsqueeze(1)?;
                let mut logits = states.f_matmul(&self.table.f_transpose(0, 1)?)?.f_to_kind(Kind::Float)?;
                let at_target = logits.f_gather(1, &targets, false)?;
                let total = logits.f_logsumexp(1, true)?;
                sum = sum.f_add(&total.f_sub(&at_target)?.f_sum(Kind::Float)?)?;
                let above = logits.f_greater_tensor(&at_target)?.f_sum_dim_intlist(
                    [1i64].as_slice(),
                    false,
                    Kind::Int64,
                )?;
                let within = |k: i64| above.f_less(k)?.f_sum(Kind::Int64);
                right = right.f_add(&Tensor::f_stack(&[within(1)?, within(5)?], 0)?)?;
                // softmax − target, times the scale, in the logits' own memory.
                let mut slope = logits.f_sub_(&total)?.f_exp_()?;
                let minus = Tensor::f_full(targets.size(), -1.0, float)?;
                let _ = slope.f_scatter_add_(1, &targets, &minus)?.f_mul_scalar_(scale)?;
                let of_ret = slope.f_narrow(1, vocabulary - 1, 1)?.f_transpose(0, 1)?;
                to_row = to_row.f_add(&of_ret.f_matmul(&states.f_to_kind(Kind::Float)?)?)?;
                if wanted {
                    to_states.push(slope.f_to_kind(kind)?.f_matmul(self.table)?);
                }
            }
            Ok(())
        })?;
        let mut proxy = self.ret_row.f_mul(&to_row.f_to_kind(kind)?)?.f_sum(Kind::Float)?;
        if wanted && !to_states.is_empty() {
            proxy = proxy.f_add(&states.f_mul(&Tensor::f_cat(&to_states, 0)?)?.f_sum(Kind::Float)?)?;
        }
        let right = [right.f_int64_value(&[0])?, right.f_int64_value(&[1])?];
        Ok(Told { sum, proxy, right })
    }
}
