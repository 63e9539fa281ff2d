//! Attention that gradients pass through.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// Up to so many keys a head's scores are small, and on a processor two products over all heads at once are quicker than
/// libtorch's own pass, which computes each head's blocks by calls of their own.
const SHORT: i64 = 128;

/// What each position looks at.
#[derive(Clone, Copy)]
pub(crate) enum Looks<'a> {
    /// All.
    Everywhere,
    /// Itself and those before it.
    Back,
    /// Where this is true; `[n, 1, 1, keys]`, or what spreads to `[n, heads, queries, keys]`.
    Where(&'a Tensor),
}

/// `q` `[n, heads, queries, head_dim]`, `k` and `v` `[n, heads, keys, head_dim]` → `[n, heads, queries, head_dim]`. Scores
/// are scaled by head_dim^−0.5, which is what scaling the query does.
///
/// # Errors
/// libtorch's.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, looks: Looks<'_>) -> Result<Tensor> {
    if q.device() == Device::Cpu && k.size()[2] <= SHORT {
        by_products(q, k, v, looks)
    } else {
        by_libtorch(q, k, v, looks)
    }
}

fn by_libtorch(q: &Tensor, k: &Tensor, v: &Tensor, looks: Looks<'_>) -> Result<Tensor> {
    let (mask, back) = match looks {
        Looks::Everywhere => (None, false),
        Looks::Back => (None, true),
        Looks::Where(mask) => (Some(mask), false),
    };
    Ok(Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, back, None::<f64>, false)?)
}

fn by_products(q: &Tensor, k: &Tensor, v: &Tensor, looks: Looks<'_>) -> Result<Tensor> {
    let (queries, keys, head_dim) = (q.size()[2], k.size()[2], q.size()[3]);
    let scores = q.f_mul_scalar((head_dim as f64).powf(-0.5))?.f_matmul(&k.f_transpose(-2, -1)?)?;
    let scores = match looks {
        Looks::Everywhere => scores,
        Looks::Back => {
            let later = Tensor::f_ones([queries, keys], (Kind::Bool, q.device()))?.f_triu(1)?;
            scores.f_masked_fill(&later, f64::NEG_INFINITY)?
        }
        Looks::Where(mask) => scores.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?,
    };
    Ok(scores.f_softmax(-1, None::<Kind>)?.f_matmul(v)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and gradients, both ways.
    fn differences(kind: Kind, queries: i64, keys: i64, looks: Looks<'_>) -> Vec<f64> {
        tch::manual_seed(4);
        let float = (Kind::Float, Device::Cpu);
        let leaves = [queries, keys, keys].map(|t| Tensor::randn([3, 2, t, 16], float));
        let run = |pass: fn(&Tensor, &Tensor, &Tensor, Looks<'_>) -> Result<Tensor>| {
            let [q, k, v] = leaves.each_ref().map(|leaf| leaf.copy().set_requires_grad(true));
            let [cast_q, cast_k, cast_v] = [&q, &k, &v].map(|leaf| leaf.to_kind(kind));
            let mixed = pass(&cast_q, &cast_k, &cast_v, looks).unwrap().to_kind(Kind::Float);
            (mixed.sin() * mixed.size()[2]).sum(Kind::Float).backward();
            [mixed.detach(), q.grad(), k.grad(), v.grad()]
        };
        let pairs = run(by_products).into_iter().zip(run(by_libtorch));
        pairs.map(|(own, theirs)| (own - theirs).abs().max().double_value(&[])).collect()
    }

    #[test]
    fn products_give_what_libtorch_gives() {
        let mask = Tensor::from_slice(&[true, true, false, true, false, true, false, true, true]);
        let mask = mask.view([3, 1, 1, 3]);
        for (queries, keys, looks) in
            [(5, 5, Looks::Everywhere), (5, 5, Looks::Back), (1, 3, Looks::Where(&mask))]
        {
            for difference in differences(Kind::Float, queries, keys, looks) {
                assert!(difference < 1e-5, "{difference}");
            }
            for difference in differences(Kind::BFloat16, queries, keys, looks) {
                assert!(difference < 0.1, "{difference}");
            }
        }
    }
}
