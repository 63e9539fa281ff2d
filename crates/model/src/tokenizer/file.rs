//! A tokenizer's files, read into the only form that OPT's has: byte-level BPE with added tokens, nothing before or behind.
//!
//! Not by the library's own reader: that one takes every part of every tokenizer, and among them are some that panic when
//! they are read, and some with which one text takes hours or all memory. What a file says of parts that are not used here
//! (truncation, padding, decoders) is passed over.

use std::path::Path;

use serde::Deserialize;
use tokenizers::{
    AddedToken, Tokenizer as Bpe,
    models::bpe::{BPE, Merges, Vocab},
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::{ModelError, files};

/// OPT's have up to 4 MB.
const MAX_BYTES: u64 = 16 << 20;
/// Ids are rows of tables. OPT has 50,272.
const MAX_ID: u32 = 1 << 20;

/// `tokenizer.json`.
pub(super) fn whole(path: &Path) -> Result<Bpe, ModelError> {
    let Whole { normalizer, pre_tokenizer, model, added_tokens } = files::read_json(path, MAX_BYTES)?;
    let content = |reason: String| ModelError::content(path, reason);
    if let Some(step) = normalizer {
        return Err(content(format!("has a normalizer, {:.40}; OPT's has none", step.kind)));
    }
    let step = pre_tokenizer.ok_or_else(|| content("has no pre_tokenizer; OPT's is ByteLevel".to_owned()))?;
    if step.kind != "ByteLevel" {
        return Err(content(format!("its pre_tokenizer is {:.40}; OPT's is ByteLevel", step.kind)));
    }
    let parts = [&model.continuing_subword_prefix, &model.end_of_word_suffix];
    if model.kind.is_some_and(|kind| kind != "BPE")
        || model.dropout.is_some_and(|dropout| dropout != 0.0)
        || parts.into_iter().flatten().any(|part| !part.is_empty())
    {
        return Err(content(
            "its model is not BPE without dropout, prefix and suffix, as OPT's is".to_owned(),
        ));
    }
    let merges = model.merges.into_iter().map(Merge::pair).collect::<Option<_>>();
    let merges = merges.ok_or_else(|| content("a merge is not of two tokens".to_owned()))?;
    let mut bpe = BPE::builder()
        .vocab_and_merges(checked(path, model.vocab)?, merges)
        .fuse_unk(model.fuse_unk)
        .byte_fallback(model.byte_fallback)
        .ignore_merges(model.ignore_merges);
    if let Some(unknown) = model.unk_token {
        bpe = bpe.unk_token(unknown);
    }
    let mut bpe = Bpe::new(bpe.build().map_err(|error| content(files::shown(&error.to_string())))?);
    bpe.with_pre_tokenizer(Some(ByteLevel::new(step.add_prefix_space, true, step.use_regex)));
    bpe.add_tokens(&added_tokens);
    Ok(bpe)
}

/// OPT as published: `vocab.json` and `merges.txt`, the pair of files that GPT-2 came with.
pub(super) fn pair(vocab: &Path, merges: &Path) -> Result<Bpe, ModelError> {
    let content = |reason: String| ModelError::content(merges, reason);
    let known = checked(vocab, files::read_json(vocab, MAX_BYTES)?)?;
    let text = String::from_utf8(files::read(merges, MAX_BYTES)?)
        .map_err(|error| content(format!("is no UTF-8 text: {}", error.utf8_error())))?;
    let mut all = Merges::new();
    for (n, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        let merge = Merge::Line(line.to_owned()).pair();
        all.push(merge.ok_or_else(|| content(format!("line {} is not of two tokens", n + 1)))?);
    }
    let model = BPE::builder().vocab_and_merges(known, all).build();
    let model = model.map_err(|error| content(files::shown(&error.to_string())))?;
    let mut bpe = Bpe::new(model);
    bpe.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    for special in ["<s>", "<pad>", "</s>", "<unk>"] {
        // Only those that the vocabulary has: adding another would move the ids of the two that follow.
        if bpe.token_to_id(special).is_some() {
            bpe.add_special_tokens(&[AddedToken::from(special, true)]);
        }
    }
    Ok(bpe)
}

/// The vocabulary, if its ids can be rows of a table.
fn checked(path: &Path, vocab: Vocab) -> Result<Vocab, ModelError> {
    match vocab.iter().find(|&(_, &id)| id >= MAX_ID) {
        None => Ok(vocab),
        Some((token, id)) => {
            let reason = format!("token `{}` has id {id}; no model has {MAX_ID} tokens", files::shown(token));
            Err(ModelError::content(path, reason))
        }
    }
}

/// What counts of `tokenizer.json`.
#[derive(Deserialize)]
struct Whole {
    normalizer: Option<Step>,
    pre_tokenizer: Option<Step>,
    model: Model,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    add_prefix_space: bool,
    #[serde(default = "yes")]
    use_regex: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Vocab,
    merges: Vec<Merge>,
    dropout: Option<f64>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

/// Two tokens that become one, in the two ways that they are written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Line(line) => {
                let (left, right) = line.split_once(' ').filter(|(_, right)| !right.contains(' '))?;
                Some((left.to_owned(), right.to_owned()))
            }
        }
    }
}
