//! The language engine.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use fondue_domain::{Classify, Compat, Fault, TokenId};
use fondue_engine::{
    Emission, EngineError, FinishReason, Generation, KvBudget, LanguageEngine, LanguageLimits,
};
use fondue_model::{
    LanguageModel, Placement, PromptPart, Sampling, Tokenizer, placement::set_threads, weights::unwatched,
};
use tokio::sync::mpsc::Receiver;

pub(crate) const LIMITS: LanguageLimits = LanguageLimits {
    slots: 4,
    queue: 8,
    prefill_rows: 64,
    prefill_stretch: 2.0,
    kv: KvBudget::UpTo(64 << 20),
    prefix_cache: true,
};

pub(crate) fn engine(limits: LanguageLimits) -> LanguageEngine {
    try_engine(limits).unwrap()
}

pub(crate) fn try_engine(limits: LanguageLimits) -> Result<LanguageEngine, EngineError> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
    let tokenizer = Tokenizer::load(&folder.join("opt")).unwrap();
    let ret = tokenizer.ret();
    // Several tests run at once, each in its own process; more threads than cores only wait for each other.
    set_threads(1);
    let load = move || {
        LanguageModel::load(&folder.join("opt"), &folder.join("fromage"), ret, Placement::CPU_F32, &unwatched)
    };
    LanguageEngine::spawn(load, tokenizer, limits)
}

pub(crate) fn ask(engine: &LanguageEngine, text: &str) -> Generation {
    let ids = engine.tokenizer().encode(text).unwrap();
    Generation {
        prompt: engine.prompt(vec![PromptPart::Text(ids)]).unwrap(),
        sampling: Sampling::GREEDY,
        max_new_tokens: 40,
        stop: vec![],
        stop_at_newline: true,
        compat: Compat::Off,
        cache_key: String::new(),
        deadline: Instant::now() + Duration::from_secs(300),
    }
}

pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) queries: Vec<(u32, u32, Vec<f32>)>,
    pub(crate) last: Emission,
}

pub(crate) async fn collect(mut emissions: Receiver<Emission>) -> Answer {
    let (mut text, mut queries, mut last) = (String::new(), Vec::new(), None);
    while let Some(emission) = emissions.recv().await {
        match &emission {
            Emission::Text(more) => text += more,
            Emission::Query { embedding, ret_index, text_offset } => {
                queries.push((*ret_index, *text_offset, embedding.values().to_vec()));
            }
            _ => {}
        }
        last = Some(emission);
    }
    Answer { text, queries, last: last.unwrap() }
}

pub(crate) fn reason(answer: &Answer) -> FinishReason {
    match &answer.last {
        Emission::Done { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

async fn until_idle(engine: &LanguageEngine) {
    for _ in 0..500 {
        if engine.load() == (0, 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still busy: {:?}", engine.load());
}

#[tokio::test]
async fn company_changes_no_answer() {
    let engine = engine(LIMITS);
    let texts =
        ["Q: Can you find a rocket?\nA:", "Q: Show me a red apple.\nA:", "Q: Hi\nA:", "A", "Q: A dog?\nA:"];
    let mut alone = Vec::new();
    for text in texts {
        alone.push(collect(engine.generate(ask(&engine, text)).unwrap()).await.text);
    }
    assert_eq!(alone[0], " Yes, here is a rocket.", "the shipped model's answer");
    let together: Vec<_> = texts.iter().map(|text| engine.generate(ask(&engine, text)).unwrap()).collect();
    for (emissions, alone) in together.into_iter().zip(alone) {
        assert_eq!(collect(emissions).await.text, alone);
    }
}

#[tokio::test]
async fn a_long_prompt_in_pieces_gives_the_same_answer() {
    let text = format!(
        "{}Q: Can you find a rocket?\nA:",
        "Q: Show me a red apple.\nA: Here is a red apple\n".repeat(8)
    );
    let mut answers = Vec::new();
    for prefill_rows in [3, 512] {
        let engine = engine(LanguageLimits { prefill_rows, ..LIMITS });
        answers.push(collect(engine.generate(ask(&engine, &text)).unwrap()).await.text);
    }
    assert!(!answers[0].is_empty());
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn ret_gives_queries_with_their_place_in_the_text() {
    let engine = engine(LIMITS);
    let mut generation = ask(&engine, "Q: Show me a red apple.\nA:");
    generation.sampling.ret_bias = 100.0;
    generation.sampling.min_word_tokens = 2;
    generation.sampling.max_rets = Some(3);
    generation.max_new_tokens = 5;
    let answer = collect(engine.generate(generation.clone()).unwrap()).await;
    let at: Vec<(u32, u32)> = answer.queries.iter().map(|&(index, offset, _)| (index, offset)).collect();
    let length = answer.text.chars().count() as u32;
    assert_eq!(at, [(0, length), (1, length), (2, length)], "{:?}", answer.text);
    assert_eq!(reason(&answer), FinishReason::Length, "the query of a [RET] at the limit is still there");
    let norm: f32 = answer.queries[0].2.iter().map(|x| x * x).sum();
    assert!((norm - 1.0).abs() < 1e-5);

    // The same state, asked for as a question: prompt, the words, [RET].
    let tokens = engine.tokenizer().encode(&format!("Q: Show me a red apple.\nA:{}", answer.text)).unwrap();
    let prompt = engine.prompt(vec![PromptPart::Text(tokens)]).unwrap();
    let query = engine.query(prompt, Compat::Off, "", generation.deadline).await.unwrap();
    let difference =
        query.values().iter().zip(&answer.queries[0].2).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-4, "{difference}");
}

#[tokio::test]
async fn texts_end_where_they_should() {
    let engine = engine(LIMITS);
    let base = ask(&engine, "Q: Can you find a rocket?\nA:");
    let run = async |change: &dyn Fn(&mut Generation)| {
        let mut generation = base.clone();
        change(&mut generation);
        collect(engine.generate(generation).unwrap()).await
    };
    let newline = run(&|_| {}).await;
    assert_eq!((newline.text.as_str(), reason(&newline)), (" Yes, here is a rocket.", FinishReason::Stop));
    let stopped = run(&|g| g.stop = vec!["is a".to_owned()]).await;
    assert_eq!((stopped.text.as_str(), reason(&stopped)), (" Yes, here ", FinishReason::StopString));
    let short = run(&|g| g.max_new_tokens = 2).await;
    assert_eq!((short.text.as_str(), reason(&short)), (" Yes,", FinishReason::Length));
    let on = run(&|g| (g.stop_at_newline, g.max_new_tokens) = (false, 20)).await;
    assert!(on.text.starts_with(" Yes, here is a rocket.\n"), "{}", on.text);
    let full = run(&|g| (g.sampling.ret_bias, g.max_new_tokens) = (1000.0, 2000)).await;
    // Every position behind the prompt holds a [RET], the last one too, and each gave its query.
    let prompt = base.prompt.positions(engine.facts().prefix_len);
    assert_eq!(full.queries.len(), engine.facts().max_positions - prompt);
    assert_eq!(reason(&full), FinishReason::ContextFull);
}

#[tokio::test]
async fn dropping_the_stream_frees_the_slot() {
    let engine = engine(LanguageLimits { slots: 1, queue: 1, ..LIMITS });
    let mut long = ask(&engine, "Q: Hi\nA:");
    (long.sampling.ret_bias, long.max_new_tokens) = (1000.0, 480); // nothing but [RET], so that nothing ends it
    let mut first = engine.generate(long.clone()).unwrap();
    assert!(matches!(first.recv().await, Some(Emission::Started { .. })));
    let second = engine.generate(long.clone()).unwrap();
    let refused = engine.generate(long.clone()).err().unwrap();
    assert!(matches!(refused, EngineError::Busy { limit: 2 }), "{refused}");
    assert!(matches!(refused.fault(), Fault::Busy { .. }));
    drop((first, second));
    until_idle(&engine).await;
    assert_eq!(
        reason(&collect(engine.generate(ask(&engine, "Q: Can you find a rocket?\nA:")).unwrap()).await),
        FinishReason::Stop
    );
}

#[tokio::test]
async fn a_deadline_cuts_off_and_says_so() {
    let engine = engine(LIMITS);
    let mut generation = ask(&engine, "Q: Hi\nA:");
    (generation.sampling.ret_bias, generation.max_new_tokens) = (1000.0, 480); // nothing ends it
    generation.deadline = Instant::now() + Duration::from_millis(10);
    let answer = collect(engine.generate(generation).unwrap()).await;
    assert!(matches!(answer.last, Emission::Failed(EngineError::Deadline { .. })), "{:?}", answer.last);
}

#[tokio::test]
async fn dropping_the_engine_tells_who_waits() {
    let engine = engine(LIMITS);
    let mut generation = ask(&engine, "Q: Hi\nA:");
    (generation.sampling.ret_bias, generation.max_new_tokens) = (1000.0, 480); // nothing ends it
    let emissions = engine.generate(generation).unwrap();
    drop(engine);
    assert!(matches!(collect(emissions).await.last, Emission::Failed(EngineError::Stopped)));
}

#[tokio::test]
async fn scores_are_those_of_the_tokens_one_by_one() {
    let engine = engine(LIMITS);
    let deadline = Instant::now() + Duration::from_secs(300);
    let encode = |text: &str| engine.tokenizer().encode(text).unwrap();
    let prompt = |text: &str| engine.prompt(vec![PromptPart::Text(encode(text))]).unwrap();
    let candidates = vec![encode(" Yes, here is a rocket."), encode(" xylophone"), encode(" Yes")];
    let scores = engine
        .score(prompt("Q: Can you find a rocket?\nA:"), false, candidates.clone(), "", deadline)
        .await
        .unwrap();
    assert_eq!(scores.prompt, None);
    let scores = scores.candidates;
    assert!(scores[0].log_likelihood > scores[1].log_likelihood, "{scores:?}");
    // p(a b) = p(a) p(b | a)
    let mut sum = 0.0;
    let mut before = encode("Q: Can you find a rocket?\nA:");
    for token in &candidates[0] {
        let prompt = engine.prompt(vec![PromptPart::Text(before.clone())]).unwrap();
        sum += engine.score(prompt, false, vec![vec![*token]], "", deadline).await.unwrap().candidates[0]
            .log_likelihood;
        before.push(*token);
    }
    assert!((sum - scores[0].log_likelihood).abs() < 1e-3, "{sum} {scores:?}");
    assert_eq!(scores[0].tokens, candidates[0].len());
}

#[tokio::test]
async fn prompts_that_do_not_fit_are_refused() {
    let engine = engine(LIMITS);
    let max = engine.facts().max_positions;
    let text = |n: usize| vec![PromptPart::Text(vec![TokenId(5); n])];
    // BOS takes one, the answer needs one.
    assert!(engine.prompt(text(max - 2)).is_ok());
    let error = engine.prompt(text(max - 1)).err().unwrap();
    assert!(matches!(error, EngineError::PromptTooLong { got, .. } if got == max), "{error}");
    let wrong = engine.prompt(vec![PromptPart::Image(vec![0.0; 3])]).err().unwrap();
    assert_eq!(wrong.fault(), Fault::Invalid);
    // An id outside the vocabulary is an error of this request alone.
    let mut generation = ask(&engine, "A");
    generation.prompt = engine.prompt(vec![PromptPart::Text(vec![TokenId(1 << 30)])]).unwrap();
    assert!(matches!(
        collect(engine.generate(generation).unwrap()).await.last,
        Emission::Failed(EngineError::Model(_))
    ));
    assert!(collect(engine.generate(ask(&engine, "Q: Hi\nA:")).unwrap()).await.text.len() > 1);
}

#[tokio::test]
async fn a_prompt_that_leads_to_no_number_harms_nobody_else() {
    let engine = engine(LIMITS);
    let mut good = ask(&engine, "Q: Can you find a rocket?\nA:");
    good.sampling.ret_bias = 1000.0;
    good.max_new_tokens = 20;
    let alone = collect(engine.generate(good.clone()).unwrap()).await.queries.len();
    let mut bad = good.clone();
    let features = vec![f32::MAX; engine.facts().feature_dim];
    let text = engine.tokenizer().encode("A").unwrap();
    bad.prompt = engine.prompt(vec![PromptPart::Image(features), PromptPart::Text(text)]).unwrap();
    let (first, bad, second) = (engine.generate(good.clone()), engine.generate(bad), engine.generate(good));
    let failed = collect(bad.unwrap()).await.last;
    assert!(matches!(&failed, Emission::Failed(error) if error.fault() == Fault::Invalid), "{failed:?}");
    for good in [first, second] {
        assert_eq!(collect(good.unwrap()).await.queries.len(), alone);
    }
}
