//! A tokenizer of OPT's size and prompts of an exact number of tokens.
//!
//! OPT's own vocabulary is not the project's to ship; the small model's, filled up with tokens that no text has, is as
//! large, and so is the head that goes with it.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Tokens before `<|image|>` and `[RET]`, as OPT has them.
const FILLED: usize = 50_265;
/// Words that prompts and answers are made of.
const WORDS: usize = 1000;

/// A word that is one token, with the blank before it.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) id: u32,
}

/// Reads a small `tokenizer.json`, returns it filled up, with the words.
pub(crate) fn filled(path: &Path) -> Result<(Value, Vec<Word>)> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut file: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let vocabulary = file["model"]["vocab"].as_object_mut();
    let vocabulary = vocabulary.with_context(|| format!("{} has no model.vocab", path.display()))?;
    let is_word = |text: &str| text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut words: Vec<Word> = vocabulary
        .iter()
        .filter_map(|(token, id)| {
            let word = token.strip_prefix('Ġ').filter(|word| is_word(word))?;
            Some(Word { text: format!(" {word}"), id: id.as_u64()? as u32 })
        })
        .collect();
    words.sort_by_key(|word| word.id);
    words.truncate(WORDS);
    ensure!(words.len() >= 100, "{} has only {} words", path.display(), words.len());
    for id in vocabulary.len()..FILLED {
        vocabulary.insert(format!("<filler-{id}>"), json!(id));
    }
    Ok((file, words))
}

/// A prompt's words: with BOS before them `tokens` tokens. Another seed gives another one.
pub(crate) fn prompt(words: &[Word], tokens: usize, seed: u64) -> Vec<&Word> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (1..tokens).map(|_| &words[rng.random_range(0..words.len())]).collect()
}

/// A prompt's text.
pub(crate) fn text(prompt: &[&Word]) -> String {
    prompt.iter().map(|word| word.text.as_str()).collect()
}
