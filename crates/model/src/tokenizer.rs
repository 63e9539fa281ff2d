//! Text ↔ token ids: OPT's byte-level BPE with FROMAGe's two added tokens.
//!
//! Source: Radford et al. 2019 for the byte alphabet; the reference adds `<|image|>`, then `[RET]`, which takes the
//! blanks on both sides with it.

mod file;
mod published;

use std::path::Path;

use fondue_domain::TokenId;
use tokenizers::{AddedToken, Tokenizer as Bpe};

use crate::{ModelError, files::shown};

/// The added token that makes pictures; ordinary, so that it is kept when special tokens are skipped.
pub const RET: &str = "[RET]";
/// The added token that stands for a picture. Prompt assembly never places it; a text that spells it holds its id, as
/// with the reference, and likewise the other special tokens.
pub const IMAGE: &str = "<|image|>";

/// A tokenizer with the added tokens.
pub struct Tokenizer {
    bpe: Bpe,
    ret: TokenId,
    /// For each id the bytes that it stands for; none for special tokens.
    bytes: Vec<Box<[u8]>>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a folder or, where there is none, `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// [`ModelError`] naming the file, if it cannot be read or is not byte-level BPE.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let whole = folder.join("tokenizer.json");
        let (bpe, path) = if whole.exists() {
            (file::whole(&whole)?, whole)
        } else {
            let (vocab, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
            for path in [&vocab, &merges] {
                std::fs::metadata(path).map_err(|error| {
                    let needed = "a tokenizer.json, or vocab.json and merges.txt, is needed";
                    ModelError::read(path, format!("{error} ({needed})"))
                })?;
            }
            (file::pair(&vocab, &merges)?, vocab)
        };
        Self::complete(bpe).map_err(|error| ModelError::content(&path, shown(&error.to_string())))
    }

    fn complete(mut bpe: Bpe) -> tokenizers::Result<Self> {
        bpe.add_special_tokens(&[AddedToken::from(IMAGE, true)]);
        bpe.add_tokens(&[AddedToken::from(RET, false).lstrip(true).rstrip(true)]);
        let ret = bpe.token_to_id(RET).ok_or("the added token [RET] got no id")?;
        let added = bpe.get_added_tokens_decoder();
        let mut bytes = vec![Box::default(); ret as usize + 1];
        for (token, id) in bpe.get_vocab(true) {
            let Some(entry) = bytes.get_mut(id as usize) else {
                return Err(format!("token `{token}` has id {id}, above that of [RET], {ret}").into());
            };
            *entry = match added.get(&id) {
                Some(token) if token.special => Box::default(),
                Some(token) => token.content.as_bytes().into(),
                None => token_bytes(&token),
            };
        }
        Ok(Self { bpe, ret: TokenId(ret), bytes })
    }

    /// The id of `[RET]`.
    pub fn ret(&self) -> TokenId {
        self.ret
    }

    /// The token that is a newline and nothing else, if the vocabulary has one.
    pub fn newline(&self) -> Option<TokenId> {
        match self.encode("\n").ok()?.as_slice() {
            [newline] => Some(*newline),
            _ => None,
        }
    }

    /// The ids of a text, without BOS.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] if the library refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        let encoding =
            self.bpe.encode_fast(text, false).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }

    /// The bytes that a token stands for: a part of UTF-8 text; empty for special tokens and unknown ids.
    pub fn bytes(&self, token: TokenId) -> &[u8] {
        self.bytes.get(token.0 as usize).map_or(&[], |bytes| bytes)
    }
}

/// A token's spelling in the byte alphabet → its bytes. A character outside the alphabet stands for itself.
fn token_bytes(token: &str) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(token.len());
    for char in token.chars() {
        match byte_of(char) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.into_boxed_slice()
}

/// GPT-2 spells printable Latin-1 bytes as themselves and the 68 others, in order, as U+0100 and on.
fn byte_of(char: char) -> Option<u8> {
    let code = u32::from(char);
    if let Ok(byte) = u8::try_from(code) {
        return is_printable(byte).then_some(byte);
    }
    (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth(code.checked_sub(0x100)? as usize)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Tokenizer {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
        Tokenizer::load(&folder).unwrap()
    }

    fn decode(tokenizer: &Tokenizer, ids: &[TokenId]) -> String {
        String::from_utf8(ids.iter().flat_map(|&id| tokenizer.bytes(id)).copied().collect()).unwrap()
    }

    #[test]
    fn text_comes_back_whatever_it_is() {
        let tokenizer = small();
        for text in ["Q: Show me a red apple.\nA:", " two  spaces\t", "żółć 日本語 🫕", "\u{0}\u{7f}\u{a0}ÿ"]
        {
            assert_eq!(decode(&tokenizer, &tokenizer.encode(text).unwrap()), text);
        }
    }

    #[test]
    fn ret_takes_the_blanks_on_both_sides_with_it() {
        let tokenizer = small();
        let ids = tokenizer.encode("a drawing \n[RET]\n  Q:").unwrap();
        let bare =
            [tokenizer.encode("a drawing").unwrap(), vec![tokenizer.ret()], tokenizer.encode("Q:").unwrap()];
        assert_eq!(ids, bare.concat());
        assert_eq!(tokenizer.bytes(tokenizer.ret()), b"[RET]");
        assert_eq!(tokenizer.bytes(TokenId(2)), b"", "special tokens are no text");
        assert_eq!(tokenizer.bytes(TokenId(u32::MAX)), b"");
    }

    #[test]
    fn a_folder_without_a_tokenizer_says_what_is_needed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let error = Tokenizer::load(&folder).err().unwrap().to_string();
        assert!(error.contains("vocab.json") && error.contains("tokenizer.json"), "{error}");
    }
}
