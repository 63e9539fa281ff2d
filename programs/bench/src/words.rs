//! A tokenizer of OPT's size and prompts of an exact number of tokens.
//!
//! OPT's own vocabulary is not the project's to ship; the small model's, filled up with tokens that no text has, is as
//! large, and so is the head that goes with it.

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The small model's tokenizer.
const TOKENIZER: &str = include_str!("../../../assets/model/opt/tokenizer.json");
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

/// The small model's `tokenizer.json`, filled up, with the words.
///
/// # Errors
/// If it is no such file.
pub(crate) fn filled() -> Result<(Value, Vec<Word>)> {
    let mut file: Value = serde_json::from_str(TOKENIZER).context("the small model's tokenizer")?;
    let vocabulary = file["model"]["vocab"].as_object_mut();
    let vocabulary = vocabulary.context("the small model's tokenizer has no model.vocab")?;
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
    ensure!(words.len() >= 100, "the small model's tokenizer has only {} words", words.len());
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

/// The tokens of an answer; what is no word has none.
pub(crate) fn ids(words: &[Word], text: &str) -> Vec<Option<u32>> {
    let find = |part: &str| words.iter().find(|word| word.text.trim_start() == part).map(|word| word.id);
    text.split_whitespace().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokenizer_is_as_large_as_opts() {
        let (file, words) = filled().unwrap();
        let vocabulary = file["model"]["vocab"].as_object().unwrap();
        let mut ids: Vec<u64> = vocabulary.values().map(|id| id.as_u64().unwrap()).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..FILLED as u64));
        assert!(words.iter().all(|word| word.text.starts_with(' ')));
    }

    #[test]
    fn prompts_have_their_length_and_their_seed() {
        let (_, words) = filled().unwrap();
        let one = prompt(&words, 32, 1);
        assert_eq!((one.len(), prompt(&words, 1, 1).len()), (31, 0));
        assert_eq!(text(&one), text(&prompt(&words, 32, 1)));
        assert_ne!(text(&one), text(&prompt(&words, 32, 2)));
        let known: Vec<_> = one.iter().map(|word| Some(word.id)).collect();
        assert_eq!(ids(&words, &text(&one)), known);
        assert_eq!(ids(&words, " <filler-49999>"), [None]);
    }
}
