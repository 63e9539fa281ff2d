//! `fondue train towers tokenizer`: a byte-level BPE vocabulary from a corpus' texts, in OPT's form.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use tokenizers::{
    AddedToken, TokenizerBuilder,
    decoders::DecoderWrapper,
    models::bpe::{BPE, BpeTrainerBuilder},
    normalizers::NormalizerWrapper,
    pre_tokenizers::byte_level::ByteLevel,
    processors::PostProcessorWrapper,
};

use super::language::documents;

/// A vocabulary.
#[derive(Debug, clap::Args)]
pub struct TokenizerArgs {
    /// The corpus.
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    /// Where `opt/tokenizer.json` goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Entries, the four special tokens among them; `<|image|>` and `[RET]` come on top.
    #[arg(long, default_value_t = 3998)]
    entries: usize,
}

/// OPT's special tokens, with ids 0 to 3.
const SPECIAL: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// Learns the vocabulary.
///
/// # Errors
/// If the corpus cannot be read or the disk refuses.
pub fn run(args: &TokenizerArgs) -> Result<()> {
    let documents = documents::read(&args.corpus.join("text/train.jsonl"))?;
    let texts = documents.iter().flat_map(|document| document.texts().map(str::to_owned).collect::<Vec<_>>());
    let special: Vec<AddedToken> = SPECIAL.iter().map(|&token| AddedToken::from(token, true)).collect();
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(true)
        .vocab_size(args.entries)
        .min_frequency(2)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let wrong = |error: tokenizers::Error| anyhow!(error);
    let mut tokenizer =
        TokenizerBuilder::<BPE, NormalizerWrapper, ByteLevel, PostProcessorWrapper, DecoderWrapper>::new()
            .with_model(BPE::default())
            .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
            .build()
            .map_err(wrong)?;
    tokenizer.train(&mut trainer, texts).map_err(wrong)?;
    let folder = args.out.join("opt");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join("tokenizer.json");
    tokenizer.save(&path, false).map_err(wrong).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("{} entries are in {}", tokenizer.get_vocab_size(true), path.display());
    Ok(())
}
