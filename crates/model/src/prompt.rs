//! Prompt assembly: which token or picture stands at which position.
//!
//! Source: the reference's generation entry: BOS before the first *text*, not before the sequence.

use fondue_domain::TokenId;

use crate::ModelError;

/// A piece of a prompt, as the caller gives it.
#[derive(Clone, Debug)]
pub enum PromptPart {
    /// Token ids of a text, without BOS.
    Text(Vec<TokenId>),
    /// Features of a picture, `feature_dim` f32.
    Image(Vec<f32>),
}

/// One step of a prompt: a token takes one position, a picture takes `prefix_len`.
#[derive(Clone, Debug)]
pub enum Slot {
    /// A token.
    Token(TokenId),
    /// Features of a picture.
    Image(Vec<f32>),
}

/// A prompt in the model's order, BOS in its place.
#[derive(Clone, Debug)]
pub struct Prompt {
    slots: Vec<Slot>,
}

impl Prompt {
    /// Lays out parts; the first text gets BOS before it, be it empty or not.
    ///
    /// # Errors
    /// [`ModelError::NoText`] if there is no text.
    pub fn assemble(parts: Vec<PromptPart>, bos: TokenId) -> Result<Self, ModelError> {
        let mut slots = Vec::new();
        let mut has_text = false;
        for part in parts {
            match part {
                PromptPart::Image(features) => slots.push(Slot::Image(features)),
                PromptPart::Text(ids) => {
                    if !has_text {
                        slots.push(Slot::Token(bos));
                        has_text = true;
                    }
                    slots.extend(ids.into_iter().map(Slot::Token));
                }
            }
        }
        if has_text { Ok(Self { slots }) } else { Err(ModelError::NoText) }
    }

    /// Its steps in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Adds a token at the end.
    pub fn push(&mut self, token: TokenId) {
        self.slots.push(Slot::Token(token));
    }

    /// Drops what stands behind the last of these tokens; `false` if there is none, and the prompt is as it was.
    pub fn cut_after_last(&mut self, token: TokenId) -> bool {
        let is_it = |slot: &Slot| matches!(slot, Slot::Token(id) if *id == token);
        let Some(at) = self.slots.iter().rposition(is_it) else { return false };
        self.slots.truncate(at + 1);
        true
    }

    /// Positions that it takes when a picture takes `prefix_len`.
    pub fn positions(&self, prefix_len: usize) -> usize {
        self.slots.iter().map(|slot| if matches!(slot, Slot::Token(_)) { 1 } else { prefix_len }).sum()
    }

    /// The token at each position; `None` where a picture lies.
    pub fn tokens(&self, prefix_len: usize) -> Vec<Option<TokenId>> {
        let mut tokens = Vec::with_capacity(self.positions(prefix_len));
        for slot in &self.slots {
            match slot {
                Slot::Token(token) => tokens.push(Some(*token)),
                Slot::Image(_) => tokens.extend(std::iter::repeat_n(None, prefix_len)),
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bos_precedes_the_first_text_only() {
        let text = |ids: &[u32]| PromptPart::Text(ids.iter().map(|&id| TokenId(id)).collect());
        let parts =
            vec![PromptPart::Image(vec![0.0]), text(&[7, 8]), PromptPart::Image(vec![0.0]), text(&[9])];
        let prompt = Prompt::assemble(parts, TokenId(2)).unwrap();
        let ids: Vec<Option<u32>> = prompt.tokens(2).into_iter().map(|id| id.map(|id| id.0)).collect();
        assert_eq!(ids, [None, None, Some(2), Some(7), Some(8), None, None, Some(9)]);
        assert_eq!(prompt.positions(2), 8);
    }

    #[test]
    fn a_prompt_is_cut_after_the_last_of_a_token() {
        let ids = [5, 9, 6, 9, 7].map(TokenId).to_vec();
        let mut prompt =
            Prompt::assemble(vec![PromptPart::Text(ids), PromptPart::Image(vec![0.0])], TokenId(2)).unwrap();
        assert!(!prompt.cut_after_last(TokenId(8)));
        assert_eq!(prompt.positions(1), 7);
        assert!(prompt.cut_after_last(TokenId(9)));
        let ids: Vec<_> = prompt.tokens(1).into_iter().flatten().map(|id| id.0).collect();
        assert_eq!(ids, [2, 5, 9, 6, 9]);
    }

    #[test]
    fn an_empty_text_is_a_lone_bos_and_pictures_alone_are_refused() {
        let lone = Prompt::assemble(vec![PromptPart::Text(vec![])], TokenId(2)).unwrap();
        assert_eq!(lone.tokens(1), [Some(TokenId(2))]);
        let pictures = Prompt::assemble(vec![PromptPart::Image(vec![1.0])], TokenId(2));
        assert!(matches!(pictures, Err(ModelError::NoText)));
    }
}
