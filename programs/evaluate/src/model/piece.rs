//! What prompts are made of.

use std::sync::Arc;

use fondue_domain::TokenId;
use fondue_model::{ModelError, PromptPart, Tokenizer};
use serde::{Serialize, Serializer};

use super::kept::Key;

/// A picture that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Of its bytes and of how it was made square.
    pub(crate) key: Key,
    /// What the tower made of it.
    pub(crate) features: Arc<[f32]>,
}

impl Serialize for Sight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.key))
    }
}

/// A piece of a prompt.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Piece {
    /// Tokenised by itself.
    Text(String),
    /// A text with BOS before it, wherever it stands, as the published code's VIST has each caption.
    Begun(String),
    /// A picture.
    Picture(Sight),
}

impl Piece {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Pieces as the engine takes them, which puts BOS before the first text itself.
pub(super) fn parts(
    pieces: &[Piece],
    tokenizer: &Tokenizer,
    bos: TokenId,
) -> Result<Vec<PromptPart>, ModelError> {
    let mut began = false;
    let mut text = |text: &str, begun: bool| {
        let mut tokens = tokenizer.encode(text)?;
        if begun && std::mem::replace(&mut began, true) {
            tokens.insert(0, bos);
        }
        began = true;
        Ok(PromptPart::Text(tokens))
    };
    let part = |piece: &Piece| match piece {
        Piece::Text(words) => text(words, false),
        Piece::Begun(words) => text(words, true),
        Piece::Picture(sight) => Ok(PromptPart::Image(sight.features.to_vec())),
    };
    pieces.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fondue_model::Prompt;

    use super::*;

    #[test]
    fn bos_precedes_the_first_text_and_each_that_begins() {
        let opt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
        let (tokenizer, bos) = (Tokenizer::load(&opt).unwrap(), TokenId(2));
        let picture = || Piece::Picture(Sight { key: [0; 32], features: [0.5].into() });
        let places = |pieces: &[Piece]| {
            let prompt = Prompt::assemble(parts(pieces, &tokenizer, bos).unwrap(), bos).unwrap();
            let tokens = prompt.tokens(1).into_iter();
            tokens
                .map(|token| token.map_or('i', |token| if token == bos { '<' } else { '.' }))
                .collect::<String>()
        };
        let (text, begun) = (|| Piece::text("a"), || Piece::Begun("a".to_owned()));
        assert_eq!(places(&[picture(), text(), picture(), text()]), "i<.i.");
        assert_eq!(places(&[picture(), begun(), picture(), begun(), begun()]), "i<.i<.<.");
        assert_eq!(places(&[text(), begun(), text()]), "<.<..");
    }
}
