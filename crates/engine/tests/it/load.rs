//! Many dialogues in too little memory: every finished answer is the one that it is alone, and nothing is left over.

use std::time::{Duration, Instant};

use fondue_domain::Compat;
use fondue_engine::{
    Emission, EngineError, FinishReason, Generation, KvBudget, KvLoad, LanguageEngine, LanguageLimits,
};
use fondue_model::PromptPart;

use crate::{
    crowd::{Fate, Said, Turn, answer, long, turn},
    language::{LIMITS, ask, collect, engine, reason},
};

/// Nobody beside, no memory of others: what each answer is compared to.
const ALONE: LanguageLimits = LanguageLimits { slots: 1, prefix_cache: false, ..LIMITS };

async fn alone(engine: &LanguageEngine, mut turns: Vec<Turn>) -> Vec<Said> {
    let mut said = Vec::new();
    for turn in &mut turns {
        turn.fate = Fate::Finished;
        said.push(answer(engine, turn.clone()).await.unwrap());
    }
    said
}

pub(crate) async fn until_empty(engine: &LanguageEngine) -> KvLoad {
    for _ in 0..500 {
        if engine.kv().used == 0 && engine.load() == (0, 0) {
            return engine.kv();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("blocks are lost: {:?}", engine.kv());
}

#[tokio::test]
async fn answers_in_a_crowd_are_those_alone_and_no_block_is_lost() {
    let single = engine(ALONE);
    // The first three alone want more than there is, and begin together.
    let mut turns: Vec<Turn> = (0..64).map(|number| turn(&single, number)).collect();
    (0..3).for_each(|number| turns[number] = long(&single, number as u64));
    let expected = alone(&single, turns.clone()).await;
    // Hardly more than one sequence of all positions.
    let kv = KvBudget::Bytes(34 * single.facts().kv_block_bytes);
    let crowd = engine(LanguageLimits { slots: 12, queue: 64, kv, ..LIMITS });
    assert_eq!(crowd.kv().blocks, 34);
    let tasks = turns.iter().cloned().map(|turn| {
        let crowd = crowd.clone();
        tokio::spawn(async move { answer(&crowd, turn).await })
    });
    let tasks: Vec<_> = tasks.collect(); // all at once
    assert!(expected[..3].iter().all(|said| said.tokens == 300));
    let mut finished = 0;
    for ((number, task), expected) in tasks.into_iter().enumerate().zip(&expected) {
        let Some(said) = task.await.unwrap() else {
            assert_ne!(turns[number].fate, Fate::Finished);
            continue;
        };
        assert!(said.is(expected), "{number}: {said:?} {expected:?}");
        finished += 1;
    }
    assert!(finished >= 40, "{finished} of 64 finished");
    let left = until_empty(&crowd).await;
    assert!(left.evicted > 0 && left.pre_empted > 0, "nothing was tried: {left:?}");
    crowd.forget_prefixes().await.unwrap();
    // Questions go through the same thread: what it tells is newer then.
    crowd.project(Vec::new(), Instant::now() + Duration::from_secs(60)).await.ok();
    assert_eq!(until_kept(&crowd, 0).await.used, 0);
}

async fn until_kept(engine: &LanguageEngine, kept: usize) -> KvLoad {
    for _ in 0..500 {
        if engine.kv().kept == kept {
            return engine.kv();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", engine.kv());
}

/// An answer of nothing but `[RET]`, as long as is asked for.
fn endless(engine: &LanguageEngine, text: &str, max_new_tokens: usize) -> Generation {
    let mut generation = ask(engine, text);
    (generation.sampling.ret_bias, generation.max_new_tokens) = (1000.0, max_new_tokens);
    generation
}

#[tokio::test]
async fn the_smallest_budget_serves_a_whole_context_and_one_byte_less_is_refused() {
    let whole = engine(LIMITS);
    let (block, positions) = (whole.facts().kv_block_bytes, whole.facts().max_positions);
    let needed = positions.div_ceil(fondue_model::BLOCK) * block;
    let limits = |bytes| LanguageLimits { kv: KvBudget::Bytes(bytes), ..LIMITS };
    let refused = crate::language::try_engine(limits(needed - 1)).err().unwrap();
    assert!(
        matches!(refused, EngineError::KvBudget { budget, needed: n, .. } if (budget, n) == (needed - 1, needed)),
        "{refused}"
    );
    let smallest = engine(limits(needed));
    // Two that each want all of it: the later one makes room, goes on, and both come to their end.
    let both = [0, 1].map(|_| smallest.generate(endless(&smallest, "Q: Hi\nA:", 2000)).unwrap());
    for emissions in both {
        let answer = collect(emissions).await;
        assert_eq!(reason(&answer), FinishReason::ContextFull);
        assert_eq!(answer.queries.len(), positions - endless(&whole, "Q: Hi\nA:", 1).prompt.positions(1));
    }
    assert!(smallest.kv().pre_empted > 0);
    until_empty(&smallest).await;
    // The largest prompt and the largest question fit, too.
    let text = vec![fondue_domain::TokenId(5); positions - 2];
    let prompt = smallest.prompt(vec![PromptPart::Text(text)]).unwrap();
    let mut longest = ask(&smallest, "");
    (longest.prompt, longest.max_new_tokens) = (prompt.clone(), 5);
    let last = collect(smallest.generate(longest).unwrap()).await.last;
    assert!(matches!(last, Emission::Done { .. }), "{last:?}");
    let deadline = Instant::now() + Duration::from_secs(300);
    let one = vec![fondue_domain::TokenId(5)];
    assert!(smallest.score(prompt.clone(), true, vec![one.clone()], "", deadline).await.is_ok());
    let two = vec![one.repeat(2)];
    let long = smallest.score(prompt, true, two, "", deadline).await;
    assert!(matches!(long, Err(EngineError::PromptTooLong { .. })), "{long:?}");
}

#[tokio::test]
async fn questions_beside_a_crowd_are_answered_as_alone() {
    let single = engine(ALONE);
    let deadline = Instant::now() + Duration::from_secs(300);
    let encode = |text: &str| single.tokenizer().encode(text).unwrap();
    let history = "Q: Show me a red apple.\nA: Here is a red apple\n".repeat(6);
    let prompt = single.prompt(vec![PromptPart::Text(encode(&history))]).unwrap();
    let candidates =
        vec![encode(" Yes"), encode(&"Q: Show me a red apple.\n".repeat(4)), encode(" No, not here")];
    let score = async |engine: &LanguageEngine, with_prompt| {
        engine.score(prompt.clone(), with_prompt, candidates.clone(), "", deadline).await.unwrap()
    };
    let query = async |engine: &LanguageEngine| {
        engine.query(prompt.clone(), Compat::Off, "", deadline).await.unwrap().into_values()
    };
    let expected = (score(&single, false).await, score(&single, true).await, query(&single).await);
    assert_eq!(expected.0.candidates, expected.1.candidates);

    let crowd = engine(LanguageLimits { prefill_rows: 24, ..LIMITS });
    let company = [(); 3].map(|()| crowd.generate(endless(&crowd, "Q: Hi\nA:", 400)).unwrap());
    // The second time the prompt's beginning is known.
    for _ in 0..2 {
        let got = tokio::join!(score(&crowd, false), score(&crowd, true), query(&crowd));
        assert_eq!((&got.0, &got.1), (&expected.0, &expected.1), "to the last bit");
        assert!(got.2.iter().zip(&expected.2).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    drop(company);
    until_empty(&crowd).await;
}
