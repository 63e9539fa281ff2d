//! What is kept of a prompt: reused by the next turn, by nobody else, and without any effect on what is said.

use fondue_engine::{Emission, Generation, LanguageEngine, LanguageLimits};
use fondue_model::{BLOCK, PromptPart};

use crate::{
    language::{LIMITS, ask, collect, engine},
    load::until_empty,
};

const OFF: LanguageLimits = LanguageLimits { prefix_cache: false, ..LIMITS };

/// What was said, and how many of the prompt's positions were there already.
async fn run(engine: &LanguageEngine, generation: Generation) -> (String, usize, usize) {
    let mut emissions = engine.generate(generation).unwrap();
    let Some(Emission::Started { prompt_tokens, cached_tokens, .. }) = emissions.recv().await else {
        panic!("an answer begins with Started")
    };
    let answer = collect(emissions).await;
    let Emission::Done { usage, .. } = answer.last else { panic!("{:?}", answer.last) };
    assert_eq!((usage.prompt_tokens, usage.cached_tokens), (prompt_tokens, cached_tokens));
    (answer.text, prompt_tokens, cached_tokens)
}

fn with(engine: &LanguageEngine, parts: Vec<PromptPart>) -> Generation {
    let mut generation = ask(engine, "");
    generation.prompt = engine.prompt(parts).unwrap();
    generation
}

#[tokio::test]
async fn a_turn_reuses_all_full_blocks_of_those_before_it_pictures_and_answers_too() {
    let (on, off) = (engine(LIMITS), engine(OFF));
    let features: Vec<f32> = (0..on.facts().feature_dim).map(|n| (n as f32).cos()).collect();
    let mut text = String::new();
    let (mut run_before, mut said_before) = (0, String::new());
    for question in ["Can you find a rocket?", "Show me a red apple.", "A dog?", "Can you find a rocket?"] {
        text.push_str(&format!("{said_before}Q: {question}\nA:"));
        let parts = || {
            vec![PromptPart::Image(features.clone()), PromptPart::Text(on.tokenizer().encode(&text).unwrap())]
        };
        // In words alone, so that what was said is what its text is.
        let wordy = |engine: &LanguageEngine| {
            let mut generation = with(engine, parts());
            generation.sampling.max_rets = Some(0);
            generation
        };
        let (said, positions, cached) = run(&on, wordy(&on)).await;
        assert_eq!(cached, run_before / BLOCK * BLOCK, "{question}");
        assert_eq!((said.clone(), positions, 0), run(&off, wordy(&off)).await, "{question}");
        // The newline that ended the answer was never input.
        run_before = positions + on.tokenizer().encode(&said).unwrap().len();
        said_before = format!("{said}\n");
    }
    assert!(run_before > 3 * BLOCK, "{run_before}");
    assert_eq!(until_empty(&off).await.kept, 0);
}

#[tokio::test]
async fn tenants_and_other_pictures_share_nothing() {
    let engine = engine(LIMITS);
    let text = engine.tokenizer().encode(&"Q: Show me a red apple.\nA: Here it is\n".repeat(4)).unwrap();
    let picture = |value: f32| PromptPart::Image(vec![value; engine.facts().feature_dim]);
    let cached = async |key: &str, value: f32| {
        let mut generation = with(&engine, vec![picture(value), PromptPart::Text(text.clone())]);
        (generation.cache_key, generation.max_new_tokens) = (key.to_owned(), 1);
        run(&engine, generation).await.2
    };
    assert_eq!(cached("a", 0.5).await, 0);
    let whole = cached("a", 0.5).await;
    assert!(whole >= 2 * BLOCK, "{whole}");
    for (key, value) in [("b", 0.5), ("", 0.5), ("a", 0.25)] {
        assert_eq!(cached(key, value).await, 0, "{key:?} {value}");
        assert_eq!(cached(key, value).await, whole);
    }
    engine.forget_prefixes().await.unwrap();
    assert_eq!(cached("a", 0.5).await, 0, "forgotten");
}

#[tokio::test]
async fn the_last_position_is_always_run() {
    let engine = engine(LIMITS);
    for (positions, expected) in
        [(BLOCK, 0), (BLOCK + 1, BLOCK), (2 * BLOCK, BLOCK), (2 * BLOCK + 1, 2 * BLOCK)]
    {
        let text = vec![fondue_domain::TokenId(9 + positions as u32); positions - 1];
        let mut generation = with(&engine, vec![PromptPart::Text(text)]);
        generation.max_new_tokens = 3;
        let (said, got, cached) = run(&engine, generation.clone()).await;
        assert_eq!((got, cached), (positions, 0));
        assert_eq!(run(&engine, generation).await, (said, positions, expected));
    }
}
