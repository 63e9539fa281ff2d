//! The same dialogue in f16 and bf16: the tokens of f32, and nearly its queries.

use std::path::PathBuf;

use fondue_engine::LanguageEngine;
use fondue_model::{
    LanguageModel, Placement, Tokenizer,
    placement::{Dtype, set_threads},
    weights::unwatched,
};

use crate::language::{Answer, LIMITS, ask, collect};

async fn answers(dtype: Dtype) -> Vec<Answer> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
    let tokenizer = Tokenizer::load(&folder.join("opt")).unwrap();
    let ret = tokenizer.ret();
    set_threads(1);
    let placement = Placement { dtype, ..Placement::CPU_F32 };
    let load =
        move || LanguageModel::load(&folder.join("opt"), &folder.join("fromage"), ret, placement, &unwatched);
    let engine = LanguageEngine::spawn(load, tokenizer, LIMITS).unwrap();
    let mut answers = Vec::new();
    for text in ["Q: Can you find a rocket?\nA:", "Q: Show me a red apple.\nA:"] {
        let mut generation = ask(&engine, text);
        (generation.sampling.ret_bias, generation.sampling.min_word_tokens) = (100.0, 5);
        generation.sampling.max_rets = Some(1);
        answers.push(collect(engine.generate(generation).unwrap()).await);
    }
    answers
}

#[tokio::test]
async fn half_precisions_say_the_same_and_look_for_nearly_the_same() {
    let exact = answers(Dtype::F32).await;
    assert!(exact.iter().all(|answer| answer.queries.len() == 1 && answer.text.len() > 10));
    // Eleven and eight bits of mantissa; errors add up over a few layers.
    for (dtype, least) in [(Dtype::F16, 0.9999), (Dtype::Bf16, 0.995)] {
        for (half, exact) in answers(dtype).await.iter().zip(&exact) {
            assert_eq!(half.text, exact.text, "{dtype}");
            let cosine: f32 = half.queries[0].2.iter().zip(&exact.queries[0].2).map(|(a, b)| a * b).sum();
            assert!(cosine >= least, "{dtype}: {cosine}");
        }
    }
}
