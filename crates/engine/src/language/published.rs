//! An answer as the published code makes it: whole segments instead of a stream, and its rules of truncation.
//!
//! It runs through the end-of-sequence token and cuts the text only afterwards. What it cuts is known earlier: nothing
//! behind the newline that ends the text, or behind the last `[RET]` that is looked up, has any effect.
//!
//! Source: the reference's dialogue entry and its truncation of captions.

use fondue_domain::TokenId;
use fondue_model::Tokenizer;

/// The tokens since the last `[RET]`, and what ends the text.
pub(super) struct Published {
    segment: Vec<TokenId>,
    /// The token that ends the text, if one does.
    newline: Option<TokenId>,
    /// `[RET]`s that are looked up; further ones are letters.
    max_rets: usize,
    n_tokens: usize,
    n_rets: usize,
}

/// What a token means.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// Part of the text.
    Text,
    /// A `[RET]` to look up.
    Ret,
    /// The end of the text, itself no part of it.
    End,
}

impl Published {
    pub(super) fn new(newline: Option<TokenId>, max_rets: Option<usize>) -> Self {
        let max_rets = max_rets.unwrap_or(usize::MAX);
        Self { segment: Vec::new(), newline, max_rets, n_tokens: 0, n_rets: 0 }
    }

    /// Takes the next token.
    pub(super) fn take(&mut self, token: TokenId, ret: TokenId) -> Meaning {
        self.n_tokens += 1;
        if Some(token) == self.newline {
            if self.n_tokens > 1 {
                return Meaning::End;
            }
            // The published code takes the place of the first newline for true or false: at place 0 it ends nothing, and
            // no other newline is looked for.
            self.newline = None;
        }
        if token == ret && self.n_rets < self.max_rets {
            self.n_rets += 1;
            return Meaning::Ret;
        }
        self.segment.push(token);
        Meaning::Text
    }

    /// Whether all `[RET]`s that are looked up have come: then whatever follows is dropped.
    pub(super) fn is_complete(&self) -> bool {
        self.n_rets > 0 && self.n_rets >= self.max_rets
    }

    /// The segment's text before a `[RET]`; the next one begins.
    pub(super) fn before_ret(&mut self, tokenizer: &Tokenizer) -> String {
        truncated(&tokenizer.decode_published(&std::mem::take(&mut self.segment))).to_owned()
    }

    /// The text at the end: all of it if there was no `[RET]`, none behind the last.
    pub(super) fn at_end(&mut self, tokenizer: &Tokenizer) -> String {
        if self.n_rets > 0 { String::new() } else { self.before_ret(tokenizer) }
    }
}

/// Without newlines at both ends, up to the first newline, else up to the first full stop, else whole; what it is cut
/// after stays.
fn truncated(text: &str) -> &str {
    let text = text.trim_matches('\n');
    let end = text.find('\n').or_else(|| text.find('.'));
    end.map_or(text, |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RET: TokenId = TokenId(9);
    const NEWLINE: TokenId = TokenId(7);

    fn meanings(max_rets: Option<usize>, tokens: &[u32]) -> Vec<Meaning> {
        let mut published = Published::new(Some(NEWLINE), max_rets);
        tokens.iter().map(|&token| published.take(TokenId(token), RET)).collect()
    }

    #[test]
    fn texts_are_cut_after_a_newline_or_else_after_a_full_stop() {
        assert_eq!(truncated("\n\n One. Two.\n"), " One.");
        assert_eq!(truncated(" One. Two\nthree"), " One. Two\n");
        assert_eq!(truncated("no end"), "no end");
        assert_eq!(truncated("ż. ż"), "ż.");
        assert_eq!(truncated("\n"), "");
    }

    #[test]
    fn a_newline_ends_the_text_unless_it_is_its_first_token() {
        use Meaning::{End, Text};
        assert_eq!(meanings(None, &[1, 7]), [Text, End]);
        assert_eq!(meanings(None, &[7, 1, 7, 7]), [Text, Text, Text, Text]);
    }

    #[test]
    fn rets_beyond_those_looked_up_are_text() {
        use Meaning::{Ret, Text};
        assert_eq!(meanings(Some(1), &[1, 9, 1, 9]), [Text, Ret, Text, Text]);
        assert_eq!(meanings(Some(0), &[9]), [Text]);
        assert_eq!(meanings(None, &[9, 9]), [Ret, Ret]);
        let mut published = Published::new(None, Some(1));
        assert!(!published.is_complete());
        published.take(RET, RET);
        assert!(published.is_complete());
        assert!(!Published::new(None, Some(0)).is_complete(), "without any, the text runs to its end");
    }
}
