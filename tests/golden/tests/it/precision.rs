//! What weights of fewer bits cost: directions of states and queries, log-likelihood, against the reference in f32.

use anyhow::Result;
use fondue_domain::TokenId;
use fondue_golden::Golden;
use fondue_model::{Dtype, Placement, layers::values};

use crate::prompt::rebuild;

/// The cosine that all states keep at least, and how much ln p of a token may change on average, in nats.
const LEAST: [(Dtype, f32, f32); 3] =
    [(Dtype::F16, 0.999_99, 0.005), (Dtype::Bf16, 0.999, 0.03), (Dtype::Int8, 0.998, 0.05)];

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn fewer_bits_keep_directions_and_likelihoods() -> Result<()> {
    for golden in Golden::all()? {
        for (dtype, least, most) in LEAST {
            let model = golden.language(Placement { dtype, ..Placement::CPU_F32 })?;
            let ids = golden.integers("prompt.ids")?;
            let hidden = model.run(model.embed(&rebuild(&golden, &model, &ids)?)?)?;
            let (got, expected) = (values(&hidden)?, golden.floats("prompt.hidden")?);
            let width = got.len() / ids.len();
            let rows = got.chunks(width).zip(expected.chunks(width));
            let worst = rows.map(|(got, expected)| cosine(got, expected)).fold(1.0, f32::min);
            let at = format!("{} in {dtype}", golden.folder.display());
            assert!(worst >= least, "{at}: a state's cosine is {worst}");

            let query = model.mapping().query(&hidden.narrow(0, ids.len() as i64 - 1, 1))?;
            let query = cosine(query[0].as_ref().unwrap().values(), &golden.floats("prompt.query")?);
            assert!(query >= least, "{at}: the query's cosine is {query}");

            let told: Vec<i64> = (1..ids.len() as i64).filter(|&t| ids[t as usize] >= 0).collect();
            let next: Vec<TokenId> = told.iter().map(|&t| TokenId(ids[t as usize] as u32)).collect();
            let before: Vec<i64> = told.iter().map(|t| t - 1).collect();
            let states = hidden.index_select(0, &tch::Tensor::from_slice(&before));
            let likelihood = model.log_probs(&states, &next)?.iter().sum::<f32>() / next.len() as f32;
            let change = (likelihood - golden.floats("prompt.log_likelihood")?[0]).abs();
            assert!(change <= most, "{at}: ln p of a token changes by {change}");
            println!("{at}: cosine of states ≥ {worst}, of the query {query}, ln p ± {change}");
        }
    }
    Ok(())
}
