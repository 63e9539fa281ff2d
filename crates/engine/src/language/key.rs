//! Names of prefixes: what a block of keys and values holds, and all that stands before it, in one hash.
//!
//! Two blocks have the same name only if every position up to their end is the same token or the same row of the same
//! picture, for the same caller's cache key: so the name alone decides whether a block may be used again. It is a
//! SHA-256, since a collision would show one dialogue's content to another.

use fondue_domain::TokenId;
use fondue_model::{BLOCK, Prompt, prompt::Slot};
use sha2::{Digest, Sha256};

/// The name of a full block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key([u8; 32]);

/// The names of a sequence's full blocks, in order; grows with the sequence.
#[derive(Clone)]
pub(super) struct Chain {
    keys: Vec<Key>,
    /// Has read the name before and the positions since.
    open: Sha256,
    len: usize,
}

impl Chain {
    /// An empty sequence of a caller; callers with other keys share nothing with it.
    pub(super) fn new(cache_key: &str) -> Self {
        let mut open = Sha256::new();
        open.update(b"caller");
        open.update(cache_key.as_bytes());
        // The caller's name is closed by itself, so that no end of it can pass for a position.
        let open = Sha256::new_with_prefix(open.finalize());
        Self { keys: Vec::new(), open, len: 0 }
    }

    /// The first `positions` positions of a prompt in which a picture takes `prefix_len` of them.
    pub(super) fn of(cache_key: &str, prompt: &Prompt, prefix_len: usize, positions: usize) -> Self {
        let mut chain = Self::new(cache_key);
        for slot in prompt.slots() {
            match slot {
                Slot::Token(token) if chain.len < positions => chain.push(*token),
                Slot::Token(_) => {}
                Slot::Image(features) => {
                    let picture = digest(features);
                    let rows = prefix_len.min(positions - chain.len.min(positions));
                    (0..rows).for_each(|row| chain.push_picture(&picture, row));
                }
            }
        }
        chain
    }

    /// Adds a token.
    pub(super) fn push(&mut self, token: TokenId) {
        self.open.update([0]);
        self.open.update(token.0.to_le_bytes());
        self.grown();
    }

    fn push_picture(&mut self, picture: &[u8; 32], row: usize) {
        self.open.update([1]);
        self.open.update(picture);
        self.open.update((row as u64).to_le_bytes());
        self.grown();
    }

    fn grown(&mut self) {
        self.len += 1;
        if self.len.is_multiple_of(BLOCK) {
            let key = std::mem::take(&mut self.open).finalize();
            self.open = Sha256::new_with_prefix(key);
            self.keys.push(Key(key.into()));
        }
    }

    /// The names of the full blocks.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Positions.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// A picture's name: its features to the last bit.
fn digest(features: &[f32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    features.iter().for_each(|value| hasher.update(value.to_bits().to_le_bytes()));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use fondue_model::PromptPart;

    use super::*;

    fn keys(cache_key: &str, parts: Vec<PromptPart>, prefix_len: usize) -> Vec<Key> {
        let prompt = Prompt::assemble(parts, TokenId(2)).unwrap();
        Chain::of(cache_key, &prompt, prefix_len, prompt.positions(prefix_len)).keys
    }

    fn text(n: u32) -> PromptPart {
        PromptPart::Text((0..n).map(TokenId).collect())
    }

    #[test]
    fn only_full_blocks_have_names_and_the_beginning_decides() {
        let size = BLOCK as u32;
        // BOS takes one.
        assert_eq!(keys("", vec![text(size - 2)], 1).len(), 0);
        let one = keys("", vec![text(size - 1)], 1);
        let three = keys("", vec![text(3 * size)], 1);
        assert_eq!((one.len(), three.len()), (1, 3));
        assert_eq!(one[0], three[0]);
        // Another first token changes all names, another one in the third block only the last.
        let mut other: Vec<TokenId> = (0..3 * size).map(TokenId).collect();
        other[2 * BLOCK + 3] = TokenId(0);
        let last = keys("", vec![PromptPart::Text(other.clone())], 1);
        assert_eq!(last[..2], three[..2]);
        assert_ne!(last[2], three[2]);
        other[0] = TokenId(9);
        let first = keys("", vec![PromptPart::Text(other)], 1);
        assert!(first.iter().zip(&last).all(|(a, b)| a != b));
    }

    #[test]
    fn callers_with_other_keys_share_nothing() {
        let of = |cache_key| keys(cache_key, vec![text(40)], 1);
        assert_eq!(of("a"), of("a"));
        assert!(of("a").iter().zip(of("b")).all(|(a, b)| *a != b));
        assert!(of("").iter().zip(of("a")).all(|(a, b)| *a != b));
    }

    #[test]
    fn pictures_are_told_apart_by_every_bit_and_row() {
        let with = |value: f32| keys("", vec![PromptPart::Image(vec![0.0, value]), text(40)], 4);
        assert_eq!(with(1.0), with(1.0));
        assert_ne!(with(1.0)[0], with(1.0f32.next_up())[0]);
        assert_ne!(with(0.0)[0], with(-0.0)[0]);
        let mut swapped = Chain::new("");
        let mut straight = Chain::new("");
        let picture = digest(&[1.0]);
        (0..BLOCK).for_each(|row| straight.push_picture(&picture, row));
        (0..BLOCK).rev().for_each(|row| swapped.push_picture(&picture, row));
        assert_ne!(swapped.keys(), straight.keys());
    }

    #[test]
    fn a_chain_grows_as_if_it_had_been_there_at_once() {
        let prompt = Prompt::assemble(vec![PromptPart::Image(vec![0.5]), text(60)], TokenId(2)).unwrap();
        let whole = Chain::of("k", &prompt, 8, usize::MAX);
        assert_eq!(whole.len(), 69);
        // Cut within the picture, within a block, at its end.
        for cut in [5, 20, 32, 69] {
            let mut chain = Chain::of("k", &prompt, 8, cut);
            assert_eq!(chain.len(), cut);
            assert_eq!(chain.keys(), &whole.keys()[..cut / BLOCK]);
            // Position p ≥ 9 is token p - 9.
            (cut.max(9)..69).filter(|_| cut > 8).for_each(|at| chain.push(TokenId(at as u32 - 9)));
            assert!(cut <= 8 || chain.keys() == whole.keys());
        }
    }
}
