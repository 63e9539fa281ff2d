//! Server-sent events of a chat completion.

use serde_json::Value;

/// Bytes of a line at most: a server that never ends one is not followed.
const MAX_LINE: usize = 4 << 20;

/// Puts lines together from pieces.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// The `data` of the lines that are whole now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut data = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.0.len() + piece.len() > MAX_LINE {
                self.0.clear();
            }
            self.0.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned();
                if let Some(text) = line.trim_end().strip_prefix("data:") {
                    data.push(text.trim_start().to_owned());
                }
            }
        }
        data
    }
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Text,
    Picture,
    /// The retrieval service could not be asked.
    Lack,
    Done,
    /// gRPC's code.
    Failed(i32),
    Other,
}

/// Reads an event's data.
pub(super) fn heard(data: &str) -> Heard {
    if data == "[DONE]" {
        return Heard::Done;
    }
    let Ok(event) = serde_json::from_str::<Value>(data) else { return Heard::Other };
    if let Some(error) = event.get("error") {
        return Heard::Failed(code(error["code"].as_str().unwrap_or_default()));
    }
    if !event["fondue"]["image"].is_null() {
        return Heard::Picture;
    }
    if event["fondue"]["unavailable"]["reason"] == "UNAVAILABLE" {
        return Heard::Lack;
    }
    match event["choices"][0]["delta"]["content"].as_str() {
        Some(text) if !text.is_empty() => Heard::Text,
        _ => Heard::Other,
    }
}

/// gRPC's code for an error's, as the gateway maps them.
fn code(name: &str) -> i32 {
    match name {
        "rate_limit_exceeded" | "too_large" => 8,
        "unavailable" => 14,
        "deadline_exceeded" => 4,
        "cancelled" => 1,
        "not_found" => 5,
        "unsupported" => 12,
        "internal_error" => 13,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(b"da").is_empty());
        assert_eq!(lines.push(b"ta: {\"a\":1}\n\n: alive\ndata:[DO"), ["{\"a\":1}"]);
        assert_eq!(lines.push(b"NE]\r\n"), ["[DONE]"]);
    }

    #[test]
    fn events_are_what_the_gateway_says() {
        for (data, is) in [
            (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, Heard::Other),
            (r#"{"choices":[{"delta":{"content":"A"}}]}"#, Heard::Text),
            (r#"{"choices":[{"delta":{"content":"![](x)"}}],"fondue":{"image":{"id":"1"}}}"#, Heard::Picture),
            (r#"{"choices":[{"delta":{}}],"fondue":{"unavailable":{"reason":"UNAVAILABLE"}}}"#, Heard::Lack),
            (r#"{"error":{"code":"deadline_exceeded"}}"#, Heard::Failed(4)),
            ("[DONE]", Heard::Done),
            ("{", Heard::Other),
        ] {
            assert_eq!(heard(data), is, "{data}");
        }
    }
}
