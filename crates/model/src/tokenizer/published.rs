//! Token ids → text as the published code has it: added tokens set off by blanks, blanks before punctuation removed.
//!
//! Source: the slow tokenizer of Transformers 4.21 with `skip_special_tokens`; its cleaning rules, in its order. It cannot
//! be undone: a blank that the model wrote before a full stop is gone. Streams of text are byte-exact instead.
//!
//! The published loader makes `</s>` the padding too, so that `<pad>` is no special token any more, as `<s>` and `<unk>`
//! never were: these three are read out.

use std::borrow::Cow;

use fondue_domain::TokenId;

use super::{IMAGE, RET, Tokenizer};

/// The tokens that are left out.
const SKIPPED: [&str; 2] = ["</s>", IMAGE];

/// What is replaced by what, one rule after the other.
const CLEANED: [(&str, &str); 10] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

impl Tokenizer {
    /// The text of some tokens as the published code decodes them: special tokens left out, one blank on both sides of
    /// `[RET]`, blanks before punctuation and contractions removed.
    pub fn decode_published(&self, tokens: &[TokenId]) -> String {
        let mut texts = Vec::new();
        for (n, run) in tokens.split(|token| *token == self.ret()).enumerate() {
            if n > 0 {
                texts.push(RET.to_owned());
            }
            let bytes: Vec<u8> = run.iter().flat_map(|token| self.spelt(*token).into_owned()).collect();
            // A run that is there, but of special tokens alone, is no text either.
            if !bytes.is_empty() {
                texts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        CLEANED.iter().fold(texts.join(" "), |text, (from, to)| text.replace(from, to))
    }

    fn spelt(&self, token: TokenId) -> Cow<'_, [u8]> {
        let bytes = self.bytes(token);
        if !bytes.is_empty() {
            return bytes.into();
        }
        let special = self.bpe.id_to_token(token.0).filter(|special| !SKIPPED.contains(&special.as_str()));
        special.unwrap_or_default().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn small() -> Tokenizer {
        Tokenizer::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt")).unwrap()
    }

    #[test]
    fn blanks_before_punctuation_and_contractions_go() {
        let tokenizer = small();
        let cases = [
            ("a cat .", "a cat."),
            ("what ? no ! yes , so", "what? no! yes, so"),
            ("do n't , I 'm , it 's , we 've , they 're", "don't, I'm, it's, we've, they're"),
            ("rock ' n ' roll", "rock'n'roll"),
            // In the order of the rules: what one leaves, a later one sees.
            ("a  .", "a ."),
            ("x ' s", "x's"),
            (" leading stays", " leading stays"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokenizer.decode_published(&tokenizer.encode(text).unwrap()), expected, "{text:?}");
        }
    }

    #[test]
    fn ret_is_set_off_and_special_tokens_vanish() {
        let tokenizer = small();
        let (ret, end) = (tokenizer.ret(), TokenId(2));
        let mut ids = tokenizer.encode("a drawing").unwrap();
        ids.extend([end, ret, ret]);
        ids.extend(tokenizer.encode(" here").unwrap());
        assert_eq!(tokenizer.decode_published(&ids), "a drawing [RET] [RET]  here");
        assert_eq!(tokenizer.decode_published(&[end, ret, end]), "[RET]");
        assert_eq!(tokenizer.decode_published(&[]), "");
        assert_eq!(
            tokenizer.decode_published(&[end, TokenId(1), end]),
            "<pad>",
            "which is not special there"
        );
        // A special token within a text does not part it.
        let word = tokenizer.encode("é").unwrap();
        let parted: Vec<TokenId> = word.iter().flat_map(|&id| [id, end]).collect();
        assert_eq!(tokenizer.decode_published(&parted), "é");
    }
}
