//! What a typed line asks for.

use std::path::PathBuf;

/// The commands, in short.
pub(super) const HELP: &str = "/image PATH attaches a picture, /send sends pictures alone, /undo forgets the last turn, /reset all of them, \
     /quit leaves; anything else is said.";

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Said to the model, with what is attached; empty to send that alone.
    Say(String),
    /// A picture to attach.
    Image(PathBuf),
    /// Forget the last turn.
    Undo,
    /// Forget all turns.
    Reset,
    /// Tell the commands.
    Help,
    /// Leave.
    Quit,
    /// A command that does not exist.
    Unknown(String),
    /// A blank line.
    Nothing,
}

impl Line {
    /// Understands a line. A slash begins a command; two begin a text that starts with one.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Nothing } else { Self::Say(line.to_owned()) };
        };
        if command.starts_with('/') {
            return Self::Say(command.to_owned());
        }
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (word, unquoted(rest.trim())) {
            ("image", path) if !path.is_empty() => Self::Image(path.into()),
            ("send", _) => Self::Say(String::new()),
            ("undo", _) => Self::Undo,
            ("reset", _) => Self::Reset,
            ("help", _) => Self::Help,
            ("quit" | "exit", _) => Self::Quit,
            _ => Self::Unknown(line.to_owned()),
        }
    }
}

/// A path without the quotes that terminals put around a file dropped on them.
fn unquoted(path: &str) -> &str {
    let inner = |quote| path.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_lines() {
        assert_eq!(Line::parse("  Show me a cat. "), Line::Say("Show me a cat.".into()));
        assert_eq!(Line::parse("//etc is a folder"), Line::Say("/etc is a folder".into()));
        assert_eq!(Line::parse("/image a b.png"), Line::Image("a b.png".into()));
        assert_eq!(Line::parse("/image 'a b.png'"), Line::Image("a b.png".into()));
        assert_eq!(Line::parse("/send"), Line::Say(String::new()));
        assert_eq!(Line::parse("/quit"), Line::Quit);
        assert_eq!(Line::parse(" \t"), Line::Nothing);
        assert_eq!(Line::parse("/image"), Line::Unknown("/image".into()));
        assert_eq!(Line::parse("/dance now"), Line::Unknown("/dance now".into()));
    }
}
