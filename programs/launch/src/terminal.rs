//! What comes from the network, made safe for a terminal: an index or a server must not command it by escape
//! sequences. Pure.

/// Text without control characters but newlines and tabs.
pub(crate) fn visible(text: &str) -> String {
    let safe = |c: char| if c.is_control() && !"\n\t".contains(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

/// A name or an address without any control character: it stays in its line.
pub(crate) fn visible_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// JSON with all control characters escaped. serde_json leaves those from U+007F on as they are, and some of them
/// command terminals. Only strings hold any, so each may be written as an escape.
pub(crate) fn visible_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\u{1b}[2J\u{9b}2J\u{7f}\r\n\tb\u{e9}";

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(visible(EVIL), "a\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}\n\tb\u{e9}");
        assert_eq!(visible_line(EVIL), "a\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{e9}");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let json = visible_json(&serde_json::to_string(EVIL).unwrap());
        assert!(!json.contains(char::is_control), "{json:?}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), EVIL);
    }
}
