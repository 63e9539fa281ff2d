//! Bytes of tokens → text, as they come, never half a UTF-8 character.

/// Holds back the beginning of a character until its end has come.
#[derive(Default)]
pub struct Detokenizer {
    pending: Vec<u8>,
}

impl Detokenizer {
    /// Adds bytes; returns the text that is now whole. Bytes that can never become a character give U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    // No length: the input ends within a character, which may still be completed.
                    let Some(bad) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[bad..];
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// Ends the text: a character that was never completed gives U+FFFD.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_text() {
        let text = "a żółć 🫕 日本\n";
        for size in 1..6 {
            let mut detokenizer = Detokenizer::default();
            let whole: String = text.as_bytes().chunks(size).map(|bytes| detokenizer.push(bytes)).collect();
            assert_eq!(whole + &detokenizer.finish(), text);
        }
    }

    #[test]
    fn broken_bytes_are_replaced_and_the_rest_is_kept() {
        let mut detokenizer = Detokenizer::default();
        assert_eq!(detokenizer.push(b"a\xffb\xf0\x9f"), "a\u{fffd}b");
        assert_eq!(detokenizer.push(b"c"), "\u{fffd}c");
        assert_eq!(detokenizer.push(b"\xe2\x82"), "");
        assert_eq!(detokenizer.finish(), "\u{fffd}");
        assert_eq!(detokenizer.finish(), "");
    }
}
