//! What differs between the right behaviour and the published code's, each in both modes.

use std::time::{Duration, Instant};

use fondue_domain::{Compat, TokenId};
use fondue_engine::{Emission, EngineError, FinishReason, Generation, LanguageEngine};
use fondue_model::{LanguageModel, Placement, PromptPart, weights::unwatched};

use crate::language::{Answer, LIMITS, ask, collect, engine, reason};

async fn run(engine: &LanguageEngine, text: &str, change: impl FnOnce(&mut Generation)) -> Answer {
    let mut generation = ask(engine, text);
    change(&mut generation);
    collect(engine.generate(generation).unwrap()).await
}

#[tokio::test]
async fn a_newline_as_the_first_token_ends_nothing_in_the_published_code() {
    let engine = engine(LIMITS);
    // Without the beginning of an answer the model writes that first, and it begins with a newline.
    let asked = "Q: What is your name?";
    let right = run(&engine, asked, |_| {}).await;
    assert_eq!((right.text.as_str(), reason(&right)), ("", FinishReason::Stop));
    let published = run(&engine, asked, |g| (g.compat, g.max_new_tokens) = (Compat::Reference, 24)).await;
    assert_eq!(reason(&published), FinishReason::Length, "no later newline ends it either");
    // Cut after the first newline inside, once those at the ends are gone.
    assert_eq!(published.text, "A: My name is Fondue.\n");
    // Where another token comes first, a newline ends the text in both.
    let asked = "Q: What is your name?\nA:";
    for compat in [Compat::Off, Compat::Reference] {
        let answer = run(&engine, asked, |g| g.compat = compat).await;
        assert_eq!((answer.text.as_str(), reason(&answer)), (" My name is Fondue.", FinishReason::Stop));
    }
}

#[tokio::test]
async fn the_published_code_cuts_after_a_sentence_and_drops_what_follows_the_last_picture() {
    let engine = engine(LIMITS);
    let asked = "Q: What is your name?\nA:";
    // Two sentences and more, since newlines do not end it here.
    let on = |g: &mut Generation| (g.stop_at_newline, g.max_new_tokens) = (false, 24);
    let right = run(&engine, asked, on).await;
    assert!(right.text.starts_with(" My name is Fondue.\n") && right.text.len() > 24, "{:?}", right.text);
    let published = run(&engine, asked, |g| (on(g), g.compat = Compat::Reference).1).await;
    assert_eq!(published.text, " My name is Fondue.\n");

    let asked = "Q: Can you find a rocket?\nA:";
    let picture = |g: &mut Generation| {
        (g.sampling.min_word_tokens, g.sampling.ret_bias, g.max_new_tokens) = (4, 100.0, 9);
        (g.sampling.max_rets, g.stop_at_newline) = (Some(1), false);
    };
    let right = run(&engine, asked, picture).await;
    assert!(right.text.starts_with(" Yes, here is") && right.text.len() > 13, "{:?}", right.text);
    let published = run(&engine, asked, |g| (picture(g), g.compat = Compat::Reference).1).await;
    assert_eq!((published.text.as_str(), reason(&published)), (" Yes, here is", FinishReason::Stop));
    let at = |answer: &Answer| answer.queries.iter().map(|&(n, offset, _)| (n, offset)).collect::<Vec<_>>();
    assert_eq!((at(&right), at(&published)), (vec![(0, 13)], vec![(0, 13)]));
    assert_eq!(right.queries[0].2, published.queries[0].2);
}

/// All of an answer in its order, `[RET]` with its number and its place in the text, and why it ended.
async fn script(
    engine: &LanguageEngine,
    text: &str,
    change: impl FnOnce(&mut Generation),
) -> (Vec<String>, FinishReason) {
    let mut generation = ask(engine, text);
    (generation.compat, generation.sampling.ret_bias) = (Compat::Reference, 6.0);
    change(&mut generation);
    let (mut emissions, mut said) = (engine.generate(generation).unwrap(), Vec::new());
    loop {
        match emissions.recv().await.unwrap() {
            Emission::Started { .. } => {}
            Emission::Text(text) => said.push(text),
            Emission::Query { ret_index, text_offset, .. } => {
                said.push(format!("[{ret_index} @ {text_offset}]"))
            }
            Emission::Done { reason, .. } => return (said, reason),
            Emission::Failed(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn each_segment_of_the_published_code_is_whole_and_stands_before_its_ret() {
    let engine = engine(LIMITS);
    let asked = "Q: Can you find a rocket?\nA:";
    let rocket = " Yes, here is a rocket.";
    // Behind the `[RET]` of a caption the model goes on: that is dropped.
    let plain = |g: &mut Generation| g.sampling.ret_bias = 0.0;
    let right = script(&engine, "a rocket", |g| (plain(g), g.compat = Compat::Off).1).await.0;
    assert!(right[0] == "[0 @ 0]" && right.len() > 4, "{right:?}");
    let one = script(&engine, "a rocket", plain).await;
    assert_eq!(one, (vec!["[0 @ 0]".into()], FinishReason::Stop));
    // A further one is looked up; so strong a bias ends the caption a token early.
    let two = script(&engine, asked, |g| (g.sampling.ret_bias, g.stop_at_newline) = (10.0, false)).await;
    assert_eq!(two.0[..3], [" Yes, here is a rocket", "[0 @ 22]", "[1 @ 22]"].map(String::from));
    // As the last token it is looked up too.
    let last = script(&engine, asked, |g| g.max_new_tokens = 8).await;
    assert_eq!(last, (vec![rocket.into(), "[0 @ 23]".into()], FinishReason::Length));
    // A segment is cut by itself; of those that follow one another at once, all but the first are empty.
    let cut = script(&engine, "Q: What is your name?\nA:", |g| {
        (g.sampling.ret_bias, g.sampling.min_word_tokens, g.stop_at_newline) = (100.0, 12, false);
        g.sampling.max_rets = Some(3);
    });
    let segments = [" My name is Fondue.\n", "[0 @ 20]", "[1 @ 20]", "[2 @ 20]"].map(String::from);
    assert_eq!(cut.await, (segments.to_vec(), FinishReason::Stop));
}

#[tokio::test]
async fn without_pictures_a_ret_is_forbidden_and_in_the_published_code_a_word() {
    let engine = engine(LIMITS);
    let none = |g: &mut Generation| {
        (g.sampling.ret_bias, g.sampling.max_rets, g.max_new_tokens) = (100.0, Some(0), 3);
    };
    let right = run(&engine, "Q: Hi\nA:", none).await;
    assert!(!right.text.contains("[RET]") && !right.text.is_empty(), "{:?}", right.text);
    let published = run(&engine, "Q: Hi\nA:", |g| (none(g), g.compat = Compat::Reference).1).await;
    assert_eq!(published.text, "[RET] [RET] [RET]");
    assert!(right.queries.is_empty() && published.queries.is_empty());
}

#[tokio::test]
async fn the_end_of_sequence_ends_a_text_but_not_in_the_published_code() {
    let engine = engine(LIMITS);
    // At such a temperature every token is as likely; some seed draws the end of sequence early.
    let hot = |seed| {
        move |g: &mut Generation| {
            (g.sampling.temperature, g.sampling.seed) = (100.0, seed);
            (g.stop_at_newline, g.max_new_tokens, g.sampling.max_rets) = (false, 400, Some(0));
        }
    };
    for seed in 0..50 {
        let right = run(&engine, "A", hot(seed)).await;
        if reason(&right) == FinishReason::Stop {
            let published = run(&engine, "A", |g| (hot(seed)(g), g.compat = Compat::Reference).1).await;
            assert_eq!(reason(&published), FinishReason::Length);
            return;
        }
    }
    panic!("no seed drew the end of sequence: nothing was tried");
}

#[tokio::test]
async fn queries_are_read_at_ret_and_by_the_published_code_as_much_earlier_as_pictures_are_long() {
    let engine = engine(LIMITS);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
    let (opt, fromage, ret) = (folder.join("opt"), folder.join("fromage"), engine.tokenizer().ret());
    let model = LanguageModel::load(&opt, &fromage, ret, Placement::CPU_F32, &unwatched).unwrap();

    let deadline = Instant::now() + Duration::from_secs(300);
    let features: Vec<f32> = (0..engine.facts().feature_dim).map(|n| (n as f32).sin()).collect();
    let image = || PromptPart::Image(features.clone());
    let text = |text: &str| PromptPart::Text(engine.tokenizer().encode(text).unwrap());
    let parts = vec![image(), text("watercolor drawing [RET]"), image(), text("and [RET]")];
    let prompt = engine.prompt(parts).unwrap();
    let k = engine.facts().prefix_len;
    let tokens = prompt.tokens(k);

    // Every position's state, mapped to retrieval space.
    let vectors = model.embed(&prompt).unwrap();
    let states = model.run(vectors).unwrap();
    let all: Vec<Vec<f32>> = model
        .mapping()
        .query(&states)
        .unwrap()
        .into_iter()
        .map(|query| query.unwrap().into_values())
        .collect();
    let near = |query: &[f32], at: usize| query.iter().zip(&all[at]).all(|(a, b)| (a - b).abs() < 1e-5);

    let right = engine.query(prompt.clone(), Compat::Off, "", deadline).await.unwrap();
    assert!(near(right.values(), tokens.len() - 1), "the last [RET]");
    let published = engine.query(prompt, Compat::Reference, "", deadline).await.unwrap();
    let first = tokens.iter().position(|token| *token == Some(ret)).unwrap();
    assert!(near(published.values(), first - k), "the first [RET], one picture's length early");
    assert!(!near(published.values(), first), "the two places differ");
    assert!(matches!(tokens[first - k], Some(TokenId(id)) if TokenId(id) != ret));

    // One that is missing is added, or missed.
    let bare = engine.prompt(vec![text("watercolor drawing")]).unwrap();
    assert!(engine.query(bare.clone(), Compat::Off, "", deadline).await.is_ok());
    let missed = engine.query(bare, Compat::Reference, "", deadline).await;
    assert!(matches!(missed, Err(EngineError::NoRet)), "{missed:?}");
}
