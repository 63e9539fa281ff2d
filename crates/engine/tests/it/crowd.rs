//! Dialogues of mixed length, with pictures, greedy and drawn, of several tenants, some of which leave or run out of
//! time; and what each of them answers. Shared by the load test and the soak.

use std::time::{Duration, Instant};

use fondue_domain::Compat;
use fondue_engine::{Emission, EngineError, FinishReason, Generation, LanguageEngine};
use fondue_model::{PromptPart, Sampling};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Time that nobody runs out of.
const LONG: Duration = Duration::from_secs(900);

/// What is said in these dialogues.
const TURNS: [&str; 6] = [
    "Q: Can you find a rocket?\nA: Yes, here is a rocket.\n",
    "Q: Show me a red apple.\nA: Here is a red apple\n",
    "Q: What is this?\nA: A watercolor drawing of a dog.\n",
    "Q: Hi\nA: Hello\n",
    "Q: Which colour is the sky, and which one is the sea below it?\nA: Blue, both of them.\n",
    "Q: A dog?\nA: Yes\n",
];

/// What becomes of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// It is read to its end.
    Finished,
    /// Its reader leaves after so many emissions.
    Left(usize),
    /// Its time runs out after so many milliseconds, or it finishes before.
    Hurried(u64),
}

/// A turn to come.
#[derive(Clone)]
pub(crate) struct Turn {
    /// What is asked.
    pub(crate) generation: Generation,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    queries: Vec<(u32, u32, Vec<f32>)>,
    reason: FinishReason,
    pub(crate) tokens: usize,
}

impl Said {
    /// Whether the two are the same, the queries but for the last bits: these go through libtorch, whose sums depend on
    /// how many there are.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let same =
            |a: &(u32, u32, Vec<f32>), b: &(u32, u32, Vec<f32>)| (a.0, a.1) == (b.0, b.1) && near(&a.2, &b.2);
        (&self.text, self.reason, self.tokens) == (&other.text, other.reason, other.tokens)
            && self.queries.len() == other.queries.len()
            && self.queries.iter().zip(&other.queries).all(|(a, b)| same(a, b))
    }
}

/// The `number`-th turn of a crowd.
pub(crate) fn turn(engine: &LanguageEngine, number: u64) -> Turn {
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let mut parts = Vec::new();
    if rng.random_bool(0.3) {
        let picture = rng.random_range(1..4) as f32;
        parts.push(PromptPart::Image(
            (0..engine.facts().feature_dim).map(|n| (n as f32 * picture).sin()).collect(),
        ));
    }
    // Most are short, a few are nearly as long as the model can read.
    let n_turns = if rng.random_bool(0.1) { rng.random_range(14..18) } else { rng.random_range(0..6) };
    // Histories begin in few ways, as those of one dialogue's turns do.
    let first = rng.random_range(0..2);
    let mut text: String = (0..n_turns).map(|n| TURNS[(first + n) % TURNS.len()]).collect();
    text.push_str(["Q: Can you find a rocket?\nA:", "Q: Show me a red apple.\nA:"].choose(&mut rng).unwrap());
    parts.push(PromptPart::Text(engine.tokenizer().encode(&text).unwrap()));
    // The hot ones draw from the whole vocabulary: hardly anything ends them early.
    let temperature = *[0.0, 0.0, 0.9, 4.0].choose(&mut rng).unwrap();
    let longest = if temperature > 1.0 { 200 } else { 60 };
    let compat = if rng.random_bool(0.1) { Compat::Reference } else { Compat::Off };
    let fate = match rng.random_range(0..10) {
        0 => Fate::Left(rng.random_range(0..12)),
        1 => Fate::Hurried(rng.random_range(0..400)),
        _ => Fate::Finished,
    };
    let generation = Generation {
        prompt: engine.prompt(parts).unwrap(),
        sampling: Sampling {
            temperature,
            top_p: if temperature > 0.0 { 0.99 } else { 1.0 },
            seed: number,
            ret_bias: *[0.0, 4.0].choose(&mut rng).unwrap(),
            max_rets: Some(4),
            ..Sampling::GREEDY
        },
        max_new_tokens: rng.random_range(1..longest),
        stop: Vec::new(),
        stop_at_newline: rng.random_bool(0.2),
        compat,
        cache_key: ["", "a", "b"].choose(&mut rng).unwrap().to_string(),
        deadline: Instant::now() + LONG,
    };
    Turn { generation, fate }
}

/// A turn whose answer, drawn from the whole vocabulary, takes 300 tokens.
pub(crate) fn long(engine: &LanguageEngine, seed: u64) -> Turn {
    let mut turn = turn(engine, seed);
    let text = engine.tokenizer().encode("Q: Hi\nA:").unwrap();
    let generation = &mut turn.generation;
    generation.prompt = engine.prompt(vec![PromptPart::Text(text)]).unwrap();
    (generation.compat, generation.stop_at_newline, generation.max_new_tokens) = (Compat::Off, false, 300);
    (generation.sampling.temperature, generation.sampling.top_p) = (100.0, 0.99);
    Turn { fate: Fate::Finished, ..turn }
}

/// Reads an answer to its end; `None` if it was cut off as it was to be.
///
/// # Panics
/// If it ends in any other way.
pub(crate) async fn answer(engine: &LanguageEngine, turn: Turn) -> Option<Said> {
    let Turn { mut generation, fate } = turn;
    let patience = match fate {
        Fate::Hurried(millis) => Duration::from_millis(millis),
        _ => LONG,
    };
    generation.deadline = Instant::now() + patience;
    let mut emissions = engine.generate(generation).unwrap();
    let mut said = Said { text: String::new(), queries: Vec::new(), reason: FinishReason::Length, tokens: 0 };
    let (mut seen, mut begun) = (0, 0);
    loop {
        if fate == Fate::Left(seen) {
            return None;
        }
        seen += 1;
        match emissions.recv().await.expect("a stream ends with its closing event") {
            Emission::Started { .. } => begun += 1,
            Emission::Text(text) => said.text += &text,
            Emission::Query { embedding, ret_index, text_offset } => {
                said.queries.push((ret_index, text_offset, embedding.into_values()));
            }
            Emission::Done { reason, usage } => {
                assert_eq!(begun, 1, "who was pre-empted does not start again");
                (said.reason, said.tokens) = (reason, usage.generated_tokens);
                return Some(said);
            }
            Emission::Failed(EngineError::Deadline { .. }) if matches!(fate, Fate::Hurried(_)) => {
                return None;
            }
            Emission::Failed(error) => panic!("{error}"),
        }
    }
}
