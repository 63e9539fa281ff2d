//! The published log-likelihood, from what the engine tells of a prompt and a continuation.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fondue_domain::TokenId;
use fondue_engine::{KvBudget, LanguageEngine, LanguageLimits};
use fondue_golden::Golden;
use fondue_model::Tokenizer;

use crate::prompt::rebuild;

#[tokio::test]
async fn the_mean_over_prompt_and_continuation_is_the_published_figure() -> Result<()> {
    let opt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
    let deadline = Instant::now() + Duration::from_secs(300);
    for golden in Golden::all()? {
        let ids = golden.integers("prompt.ids")?;
        let text = ids.iter().rev().take_while(|&&id| id >= 0).count();
        assert!(text > 1, "a text at the end that can be parted");
        let model = golden.languages()?.remove(0);
        // Whole, and with a part of the last text as a continuation.
        let lengths = [ids.len(), ids.len() - text / 2];
        let prompts = lengths.map(|length| rebuild(&golden, &model, &ids[..length]));
        // The vectors are of bare numbers: no text goes through this tokenizer.
        let limits = LanguageLimits {
            slots: 1,
            queue: 1,
            prefill_rows: 64,
            prefill_stretch: 2.0,
            kv: KvBudget::UpTo(64 << 20),
            prefix_cache: true,
        };
        let engine = LanguageEngine::spawn(move || Ok(model), Tokenizer::load(&opt)?, limits)?;
        for (prompt, length) in prompts.into_iter().zip(lengths) {
            let rest: Vec<_> = ids[length..].iter().map(|&id| TokenId(id as u32)).collect();
            let candidates = if rest.is_empty() { Vec::new() } else { vec![rest] };
            let scored = engine.score(prompt?, true, candidates, "", deadline).await?;
            let prompt = scored.prompt.context("the prompt's own likelihood")?;
            let all: Vec<_> = scored.candidates.into_iter().chain([prompt]).collect();
            let sum: f32 = all.iter().map(|part| part.log_likelihood).sum();
            let tokens: usize = all.iter().map(|part| part.tokens).sum();
            golden.near("prompt.log_likelihood", &[sum / tokens as f32])?;
        }
    }
    Ok(())
}
