//! What the line editor does for whoever types: completes commands and paths, hints, waits for further lines.

use std::borrow::Cow;

use rustyline::{
    Context, Helper,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::Highlighter,
    hint::{Hinter, HistoryHinter},
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::line::COMMANDS;
use crate::settings::SETTINGS;

/// The line that ends several lines.
const END: &str = ".";

#[derive(Default)]
pub(super) struct Aid {
    /// Whether several lines are typed, up to a dot.
    pub(super) multi: bool,
    /// Whether prompts and hints have looks of their own.
    coloured: bool,
    paths: FilenameCompleter,
    past: HistoryHinter,
}

/// Whether nothing more is awaited behind what was typed.
pub(super) fn is_whole(typed: &str, multi: bool) -> bool {
    if multi { typed.lines().next_back() == Some(END) } else { !typed.ends_with('\\') }
}

/// What was typed, without the marks of further lines.
pub(super) fn joined(typed: &str, multi: bool) -> String {
    if multi {
        typed.strip_suffix(END).unwrap_or(typed).trim_end_matches('\n').to_owned()
    } else {
        typed.replace("\\\n", "\n")
    }
}

impl Aid {
    pub(super) fn new(coloured: bool) -> Self {
        Self { coloured, ..Self::default() }
    }
}

impl Helper for Aid {}

impl Completer for Aid {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..pos).unwrap_or(line);
        let Some((command, operand)) = typed.split_once(' ').filter(|_| typed.starts_with('/')) else {
            let names = COMMANDS.iter().map(|command| command.name);
            let names = if typed.starts_with('/') { pairs(names, typed) } else { Vec::new() };
            return Ok((0, names));
        };
        match command {
            "/image" | "/save" => self.paths.complete_path(line, pos),
            "/set" if !operand.contains(' ') => {
                Ok((pos - operand.len(), pairs(SETTINGS.iter().map(|setting| setting.name), operand)))
            }
            _ => Ok((pos, Vec::new())),
        }
    }
}

fn pairs<'a>(names: impl Iterator<Item = &'a str>, begin: &str) -> Vec<Pair> {
    let fitting = names.filter(|name| name.starts_with(begin));
    fitting.map(|name| Pair { display: name.to_owned(), replacement: format!("{name} ") }).collect()
}

impl Hinter for Aid {
    type Hint = Hint;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Hint> {
        if self.multi || pos < line.len() || line.is_empty() {
            return None;
        }
        if let Some(command) = COMMANDS.iter().find(|command| command.name == line.trim_end()) {
            return Some(Hint {
                text: format!("  {} — {}", command.operands, command.about), takes: false
            });
        }
        if line.starts_with('/') && !line.contains(' ') {
            let command = COMMANDS.iter().find(|command| command.name.starts_with(line))?;
            return Some(Hint { text: command.name.get(pos..)?.to_owned(), takes: true });
        }
        self.past.hint(line, pos, context).map(|text| Hint { text, takes: true })
    }
}

/// A hint; one that only explains cannot be taken.
pub(super) struct Hint {
    text: String,
    takes: bool,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.takes.then_some(&self.text)
    }
}

impl Highlighter for Aid {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.coloured { Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.coloured { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }
}

impl Validator for Aid {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let whole = is_whole(context.input(), self.multi);
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use rustyline::history::DefaultHistory;

    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let history = DefaultHistory::new();
        let (start, pairs) = Aid::default().complete(line, line.len(), &Context::new(&history)).unwrap();
        pairs.iter().map(|pair| format!("{}{}", &line[..start], pair.replacement)).collect()
    }

    #[test]
    fn completes_commands_options_and_paths() {
        assert_eq!(complete("/im"), ["/image "]);
        assert_eq!(complete("/re"), ["/reset ", "/retry "]);
        assert_eq!(complete("/set ret_s"), ["/set ret_scale_factor "]);
        assert!(complete("re").is_empty() && complete("/set seed ").is_empty());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a b.png"), "").unwrap();
        let typed = format!("/image x.png {}/a", folder.path().display());
        assert_eq!(complete(&typed), [format!("{typed}\\ b.png")]);
    }

    #[test]
    fn hints_explain_or_can_be_taken() {
        let history = DefaultHistory::new();
        let hint = |line: &str| Aid::default().hint(line, line.len(), &Context::new(&history));
        assert_eq!(hint("/und").map(|hint| (hint.text, hint.takes)), Some(("o".into(), true)));
        assert!(hint("/undo").is_some_and(|hint| !hint.takes && hint.text.contains("[N]")));
        assert!(hint("hello").is_none() && hint("/x").is_none());
    }

    #[test]
    fn further_lines_are_joined() {
        assert!(!is_whole("a\\", false) && is_whole("a\\\nb", false));
        assert_eq!(joined("a\\\nb", false), "a\nb");
        assert!(
            !is_whole("a\\", true)
                && !is_whole("a.", true)
                && is_whole("a\nb\n.", true)
                && is_whole(".", true)
        );
        assert_eq!(joined("a\nb\n.", true), "a\nb");
        assert_eq!(joined(".", true), "");
    }
}
