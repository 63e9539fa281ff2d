//! What a typed line asks for. Pure.

/// A command, for help, completion and hints.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) operands: &'static str,
    pub(super) about: &'static str,
}

const fn command(name: &'static str, operands: &'static str, about: &'static str) -> Command {
    Command { name, operands, about }
}

/// All of them.
pub(super) const COMMANDS: [Command; 18] = [
    command(
        "/image",
        "PATH|URL…",
        "attach pictures to what you say next; without one, tell what is attached",
    ),
    command("/drop", "", "attach nothing"),
    command("/send", "", "say nothing but the pictures that are attached"),
    command("/undo", "[N]", "take back the last turn, or the last N"),
    command("/reset", "", "begin anew"),
    command(
        "/branch",
        "[TURN]",
        "go on from behind an earlier turn, 0 for the beginning; without one, list all",
    ),
    command("/retry", "", "say the last turn again"),
    command("/edit", "[TURN]", "change what you said in the last turn, or an earlier one, and say it there"),
    command(
        "/set",
        "[OPTION [VALUE]]",
        "set how answers are made, VALUE `default` to take it back; without one, tell",
    ),
    command(
        "/filter",
        "[CONDITION…|clear]",
        "find only such pictures, for example year>=2000; without one, tell",
    ),
    command("/history", "", "tell what was said and answered"),
    command("/save", "[--force] FILE", "write the conversation to a .md or .jsonl file, pictures beside it"),
    command("/open", "[N]", "open found picture N, or the last one, in the system's viewer"),
    command("/multi", "", "type several lines; a line of a single dot ends them"),
    command("/timings", "", "tell after each turn what it took, or no more"),
    command("/help", "", "tell all this"),
    command("/quit", "", "leave"),
    command("/exit", "", "leave"),
];

/// What help says besides the commands.
const KEYS: &str = "\
A line that ends in \\ goes on in the next. // begins a text with a slash. Tab completes commands and paths, the
right arrow takes a hint, Ctrl-R searches what was typed. Ctrl-C stops an answer, or clears the line; twice, or
Ctrl-D, leaves.";

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Said to the model, with what is attached; empty to send that alone.
    Say(String),
    /// Pictures to attach, as typed; empty to tell what is.
    Image(String),
    Drop,
    Undo(usize),
    Reset,
    Branch(Option<usize>),
    Retry,
    Edit(Option<usize>),
    Set(Option<(String, Option<String>)>),
    /// Conditions, as typed.
    Filter(String),
    History,
    Save {
        file: String,
        force: bool,
    },
    Open(Option<usize>),
    Multi,
    Timings,
    Help,
    Quit,
    /// A command that does not exist, or is not used so; with what would be right.
    Wrong {
        typed: String,
        right: Option<String>,
    },
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
        Self::command(word, rest.trim()).unwrap_or_else(|| {
            let known = COMMANDS.iter().find(|known| known.name.strip_prefix('/') == Some(word));
            let right = known.map(|known| format!("{} {}", known.name, known.operands).trim().to_owned());
            Self::Wrong { typed: line.to_owned(), right }
        })
    }

    fn command(word: &str, rest: &str) -> Option<Self> {
        let number = || if rest.is_empty() { Some(None) } else { rest.parse().ok().map(Some) };
        let alone = |line| rest.is_empty().then_some(line);
        match word {
            "image" => Some(Self::Image(rest.to_owned())),
            "drop" => alone(Self::Drop),
            "send" => alone(Self::Say(String::new())),
            "undo" => number().map(|n| n.unwrap_or(1)).filter(|&n| n > 0).map(Self::Undo),
            "reset" => alone(Self::Reset),
            "branch" => number().map(Self::Branch),
            "retry" => alone(Self::Retry),
            "edit" => number().map(Self::Edit),
            "set" => Some(Self::Set((!rest.is_empty()).then(|| {
                let (name, value) = rest.split_once([' ', '=']).unwrap_or((rest, ""));
                let value = value.trim();
                (name.to_owned(), (!value.is_empty()).then(|| value.to_owned()))
            }))),
            "filter" => Some(Self::Filter(rest.to_owned())),
            "history" => alone(Self::History),
            "save" => {
                let file = rest.strip_prefix("--force").filter(|rest| rest.starts_with(' '));
                let (force, file) = (file.is_some(), unquoted(file.unwrap_or(rest).trim()));
                (!file.is_empty()).then_some(Self::Save { file, force })
            }
            "open" => number().map(Self::Open),
            "multi" => alone(Self::Multi),
            "timings" => alone(Self::Timings),
            "help" => Some(Self::Help),
            "quit" | "exit" => alone(Self::Quit),
            _ => None,
        }
    }
}

/// All commands and keys.
pub(super) fn help() -> String {
    let row = |command: &Command| {
        format!("  {:<28}{}\n", format!("{} {}", command.name, command.operands), command.about)
    };
    let rows: String = COMMANDS.iter().map(row).collect();
    format!("{rows}{KEYS}")
}

/// A path without the quotes or backslashes that terminals put into the name of a file dropped on them.
pub(super) fn unquoted(path: &str) -> String {
    match shell_words::split(path) {
        Ok(words) => match <[String; 1]>::try_from(words) {
            Ok([word]) => word,
            Err(_) => path.to_owned(), // blanks that nobody quoted
        },
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_lines() {
        let wrong = |typed: &str, right: Option<&str>| Line::Wrong {
            typed: typed.into(),
            right: right.map(str::to_owned),
        };
        let cases = [
            ("  Show me a cat. ", Line::Say("Show me a cat.".into())),
            ("//etc is a folder", Line::Say("/etc is a folder".into())),
            ("/image a b.png", Line::Image("a b.png".into())),
            ("/send", Line::Say(String::new())),
            ("/undo", Line::Undo(1)),
            ("/undo 3", Line::Undo(3)),
            ("/undo 0", wrong("/undo 0", Some("/undo [N]"))),
            ("/branch", Line::Branch(None)),
            ("/branch 0", Line::Branch(Some(0))),
            ("/branch x", wrong("/branch x", Some("/branch [TURN]"))),
            ("/edit 2", Line::Edit(Some(2))),
            ("/set", Line::Set(None)),
            ("/set seed", Line::Set(Some(("seed".into(), None)))),
            ("/set seed 7", Line::Set(Some(("seed".into(), Some("7".into()))))),
            ("/set seed=7", Line::Set(Some(("seed".into(), Some("7".into()))))),
            ("/filter year>=2000", Line::Filter("year>=2000".into())),
            ("/save 'a b.md'", Line::Save { file: "a b.md".into(), force: false }),
            ("/save --force a.md", Line::Save { file: "a.md".into(), force: true }),
            ("/save", wrong("/save", Some("/save [--force] FILE"))),
            ("/quit", Line::Quit),
            (" \t", Line::Nothing),
            ("/dance now", wrong("/dance now", None)),
            ("/reset all", wrong("/reset all", Some("/reset"))),
        ];
        for (line, expected) in cases {
            assert_eq!(Line::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn every_command_of_the_table_is_one() {
        for command in COMMANDS {
            let line = Line::parse(command.name);
            assert!(!matches!(line, Line::Wrong { right: None, .. }), "{}: {line:?}", command.name);
            assert!(help().contains(command.name));
        }
    }

    #[test]
    fn quotes_of_dropped_files_go() {
        assert_eq!(unquoted("'a b.png'"), "a b.png");
        assert_eq!(unquoted("a\\ b.png"), "a b.png");
        assert_eq!(unquoted("a b.png"), "a b.png");
        assert_eq!(unquoted("it's.png"), "it's.png");
    }
}
