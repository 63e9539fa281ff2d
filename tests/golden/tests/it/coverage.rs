//! Nothing that the reference vectors hold goes unlooked at.

use anyhow::Result;
use fondue_golden::Golden;

/// Whether a test compares this tensor, or takes it for its input.
fn is_compared(name: &str) -> bool {
    let generated = |name: &str| {
        let Some((run, part)) = name.split_once('.') else { return name == "prompt_ids" };
        let parts = ["scale", "min_words", "ids", "logits", "queries"];
        ["plain", "scaled", "floor"].contains(&run) && parts.contains(&part)
    };
    match name.split_once('.') {
        Some(("generate", rest)) => generated(rest),
        Some(("pixels", rest)) => ["crop", "squash"].contains(&rest),
        Some(("prompt", rest)) => ["ids", "logits", "hidden", "query", "log_likelihood"].contains(&rest),
        Some(("search", rest)) => ["top10", "top10_cosine"].contains(&rest),
        Some(("train", rest)) => {
            let losses = ["captioning", "captioning_concat", "retrieval_lm", "contrastive", "total"];
            ["tokens", "caption_len", "similarity"].contains(&rest)
                || rest.strip_prefix("loss.").is_some_and(|loss| losses.contains(&loss))
        }
        _ => ["pooled", "prefix", "image_query_space"].contains(&name),
    }
}

#[test]
fn every_expected_tensor_is_compared() -> Result<()> {
    for golden in Golden::all()? {
        let mut left: Vec<_> = golden.names()?.into_iter().filter(|name| !is_compared(name)).collect();
        // Gradients are a trainer's to compare.
        left.retain(|name| !name.starts_with("train.grad."));
        assert!(left.is_empty(), "{}: nobody looks at {left:?}", golden.folder.display());
    }
    Ok(())
}
