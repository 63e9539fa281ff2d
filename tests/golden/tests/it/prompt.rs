//! One forward pass over an interleaved prompt: assembly, states, logits, query, likelihood.

use anyhow::Result;
use fondue_domain::TokenId;
use fondue_golden::Golden;
use fondue_model::{BlockId, Chunk, LanguageModel, Prompt, PromptPart, layers::values};

/// The reference's prompt, taken apart again: runs of −1 are pictures, the BOS before the first text is dropped.
pub(crate) fn rebuild(golden: &Golden, model: &LanguageModel, ids: &[i64]) -> Result<Prompt> {
    let k = model.mapping().prefix_len();
    let pooled = golden.floats("pooled")?;
    let mut pictures = pooled.chunks(model.mapping().feature_dim()).map(<[f32]>::to_vec);
    let mut parts = Vec::new();
    let mut at = 0;
    while at < ids.len() {
        if ids[at] < 0 {
            parts.push(PromptPart::Image(pictures.next().unwrap()));
            at += k;
        } else {
            let end = ids[at..].iter().position(|&id| id < 0).map_or(ids.len(), |n| at + n);
            let first = !parts.iter().any(|part| matches!(part, PromptPart::Text(_)));
            let text = &ids[at + usize::from(first)..end];
            parts.push(PromptPart::Text(text.iter().map(|&id| TokenId(id as u32)).collect()));
            at = end;
        }
    }
    Ok(Prompt::assemble(parts, golden.token("bos")?)?)
}

#[test]
fn forward_pass_agrees() -> Result<()> {
    for golden in Golden::all()? {
        for model in golden.languages()? {
            let ids = golden.integers("prompt.ids")?;
            let prompt = rebuild(&golden, &model, &ids)?;
            let tokens = prompt.tokens(model.mapping().prefix_len());
            let laid_out: Vec<i64> = tokens.iter().map(|token| token.map_or(-1, TokenId::as_i64)).collect();
            assert_eq!(laid_out, ids);

            let hidden = model.run(model.embed(&prompt)?)?;
            golden.near("prompt.hidden", &values(&hidden)?)?;
            golden.near("prompt.logits", &model.logits(&hidden)?.concat())?;
            let query = model.mapping().query(&hidden.narrow(0, ids.len() as i64 - 1, 1))?;
            golden.near("prompt.query", query[0].as_ref().unwrap().values())?;

            // The mean over text tokens, each told by the state before it.
            let at: Vec<i64> = (1..ids.len() as i64).filter(|&t| ids[t as usize] >= 0).collect();
            let next: Vec<TokenId> = at.iter().map(|&t| TokenId(ids[t as usize] as u32)).collect();
            let before: Vec<i64> = at.iter().map(|t| t - 1).collect();
            let log_probs =
                model.log_probs(&hidden.index_select(0, &tch::Tensor::from_slice(&before)), &next)?;
            golden.near("prompt.log_likelihood", &[log_probs.iter().sum::<f32>() / next.len() as f32])?;
        }
    }
    Ok(())
}

#[test]
fn the_cache_and_the_company_change_nothing() -> Result<()> {
    for golden in Golden::all()? {
        for model in golden.languages()? {
            let prompt = rebuild(&golden, &model, &golden.integers("prompt.ids")?)?;
            let other = rebuild(&golden, &model, &golden.integers("generate.prompt_ids")?)?;
            let (vectors, company) = (model.embed(&prompt)?, model.embed(&other)?);
            // Blocks of two sequences, one in reverse.
            let all: Vec<BlockId> = (0..64).map(BlockId).collect();
            let (blocks, rest) = all.split_at(32);
            let other_blocks: Vec<BlockId> = rest.iter().rev().copied().collect();
            let mut pool = model.new_pool(all.len())?;
            let mut hidden = Vec::new();
            // In steps of 1, 2, 3 … rows, each in one batch with rows of another sequence.
            let (mut start, mut step, mut other_start) = (0, 1, 0);
            let total = vectors.size()[0];
            while start < total {
                let n = step.min(total - start);
                let mut chunks =
                    vec![Chunk { vectors: vectors.narrow(0, start, n), start: start as usize, blocks }];
                if other_start < company.size()[0] {
                    chunks.insert(
                        0,
                        Chunk {
                            vectors: company.narrow(0, other_start, 1),
                            start: other_start as usize,
                            blocks: &other_blocks,
                        },
                    );
                }
                let offset = chunks.len() as i64 - 1;
                let rows = model.forward(&mut pool, &chunks)?;
                hidden.extend(values(&rows.narrow(0, offset, n))?);
                (start, step, other_start) = (start + n, step + 1, other_start + 1);
            }
            golden.near("prompt.hidden", &hidden)?;
        }
    }
    Ok(())
}
