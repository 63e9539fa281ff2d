//! The likelihood of a prompt itself.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fondue_model::{LanguageModel, Placement, Prompt, PromptPart, weights::unwatched};

use crate::language::{LIMITS, engine};

#[tokio::test]
async fn a_prompt_is_weighed_as_a_continuation_of_its_beginning() {
    let engine = engine(LIMITS);
    let deadline = Instant::now() + Duration::from_secs(300);
    let encode = |text: &str| engine.tokenizer().encode(text).unwrap();
    let text = |text: &str| PromptPart::Text(encode(text));
    let question = "Q: Can you find a rocket?\nA:";
    let lone = engine.prompt(vec![text("")]).unwrap();
    let whole = engine.prompt(vec![text(question)]).unwrap();
    let told = engine.score(lone.clone(), true, vec![encode(question)], "", deadline).await.unwrap();
    let weighed = engine.score(whole, true, Vec::new(), "", deadline).await.unwrap();
    assert_eq!(weighed.candidates, []);
    let (told, nothing, weighed) = (told.candidates[0], told.prompt.unwrap(), weighed.prompt.unwrap());
    assert_eq!((nothing.tokens, nothing.log_likelihood), (0, 0.0), "before BOS there is nothing");
    assert_eq!(weighed.tokens, told.tokens);
    assert!((weighed.log_likelihood - told.log_likelihood).abs() < 1e-3, "{weighed:?} {told:?}");

    // Behind a picture BOS counts too, and the picture itself does not.
    let features = vec![0.5; engine.facts().feature_dim];
    let after = engine.prompt(vec![PromptPart::Image(features), text(question)]).unwrap();
    let after = engine.score(after, true, Vec::new(), "", deadline).await.unwrap().prompt.unwrap();
    assert_eq!(after.tokens, weighed.tokens + 1);
    assert!(after.log_likelihood.is_finite() && after.log_likelihood < 0.0);
}

#[tokio::test]
async fn a_long_prompt_is_weighed_in_pieces_to_the_same_sum() {
    let engine = engine(LIMITS);
    let deadline = Instant::now() + Duration::from_secs(300);
    let long =
        engine.tokenizer().encode(&"Q: Show me a red apple.\nA: Here is a red apple\n".repeat(8)).unwrap();
    assert!(long.len() > 128);
    let lone = engine.prompt(vec![PromptPart::Text(Vec::new())]).unwrap();
    let told = engine.score(lone, false, vec![long.clone()], "", deadline).await.unwrap().candidates[0];
    let prompt = engine.prompt(vec![PromptPart::Text(long)]).unwrap();
    let weighed = engine.score(prompt, true, Vec::new(), "", deadline).await.unwrap().prompt.unwrap();
    assert_eq!(weighed.tokens, told.tokens);
    assert!((weighed.log_likelihood / told.log_likelihood - 1.0).abs() < 1e-4, "{weighed:?} {told:?}");
}

#[tokio::test]
async fn unshifted_a_token_is_weighed_by_the_state_at_itself() {
    let engine = engine(LIMITS);
    let deadline = Instant::now() + Duration::from_secs(300);
    let encode = |text: &str| engine.tokenizer().encode(text).unwrap();
    let features = vec![0.5; engine.facts().feature_dim];
    let parts =
        || vec![PromptPart::Image(features.clone()), PromptPart::Text(encode("Q: What is this?\nA:"))];
    let bos = engine.facts().bos;
    let candidates = vec![[vec![bos], encode(" a red apple")].concat(), vec![bos], Vec::new()];
    let prompt = engine.prompt(parts()).unwrap();
    let scores = engine.score_unshifted(prompt, candidates.clone(), "", deadline).await.unwrap();
    // The same by one pass over all of it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
    let (opt, fromage, ret) = (folder.join("opt"), folder.join("fromage"), engine.tokenizer().ret());
    let model = LanguageModel::load(&opt, &fromage, ret, Placement::CPU_F32, &unwatched).unwrap();
    for (candidate, score) in candidates.into_iter().zip(scores) {
        let mut whole = Prompt::assemble(parts(), bos).unwrap();
        candidate.iter().for_each(|token| whole.push(*token));
        let hidden = model.run(model.embed(&whole).unwrap()).unwrap();
        let (n, all) = (candidate.len() as i64, hidden.size()[0]);
        let wanted = match n {
            0 => f32::NEG_INFINITY,
            _ => model.log_probs(&hidden.narrow(0, all - n, n), &candidate).unwrap().iter().sum(),
        };
        assert_eq!(score.tokens, candidate.len());
        let near = score.log_likelihood == wanted || (score.log_likelihood - wanted).abs() < 1e-3;
        assert!(near, "{score:?} {wanted}");
    }
}
