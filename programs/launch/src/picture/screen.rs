//! How pictures are shown in this terminal: what was asked for, else what the terminal is known or says to speak.

use std::{
    io::{self, IsTerminal, Write, stdin, stdout},
    time::Duration,
};

use clap::ValueEnum;

use super::{
    ask,
    draw::{self, Canvas},
};

/// A picture from the network may claim to be larger than the memory.
const MAX_SIDE: u32 = 8192;
/// Terminals answer at once; a line may be slow. Those that never answer cost this much, once.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);

/// Whether and how pictures are shown; the terminal says what it is by these variables.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Pictures in the terminal")]
pub(crate) struct ShowArgs {
    /// How pictures are shown in the terminal.
    ///
    /// `auto` takes what the terminal is known to speak by its name, or sixel if it says so when asked, or half blocks
    /// unless NO_COLOR is set; nothing if stdout is no terminal or TERM is dumb.
    #[arg(long, alias = "show", value_name = "HOW", default_value = "auto")]
    pictures: Way,
    /// Width of a picture in columns; the terminal's own is the limit.
    #[arg(long, value_name = "COLUMNS", default_value_t = 32, value_parser = clap::value_parser!(u16).range(4..=400))]
    picture_width: u16,
    #[arg(long, hide = true, env = "TERM", default_value = "dumb")]
    term: String,
    #[arg(long, hide = true, env = "TERM_PROGRAM")]
    term_program: Option<String>,
    #[arg(long, hide = true, env = "LC_TERMINAL")]
    lc_terminal: Option<String>,
    #[arg(long, hide = true, env = "KITTY_WINDOW_ID")]
    kitty_window_id: Option<String>,
    #[arg(long, hide = true, env = "TMUX")]
    tmux: Option<String>,
    #[arg(long, hide = true, env = "COLORTERM")]
    colorterm: Option<String>,
    #[arg(long, hide = true, env = "NO_COLOR")]
    no_color: Option<String>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// What the terminal can.
    #[default]
    Auto,
    /// kitty's graphics protocol (kitty, Ghostty, Konsole).
    Kitty,
    /// iTerm2's inline images (iTerm2, WezTerm, mintty).
    Iterm,
    /// Sixel (xterm -ti vt340, foot, mlterm, Windows Terminal).
    Sixel,
    /// Coloured half blocks, which nearly every terminal can.
    Blocks,
    /// Not at all: only the file's name is printed.
    None,
}

/// Shows pictures, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Screen {
    protocol: Option<draw::Protocol>,
    columns: u16,
    truecolor: bool,
}

impl ShowArgs {
    /// The way to take. Asks the terminal, if both ends are one and nothing else tells.
    pub(crate) fn screen(&self) -> Screen {
        let protocol = match self.pictures {
            Way::Auto if stdout().is_terminal() => {
                self.of_terminal(|| stdin().is_terminal() && ask::speaks_sixel(ANSWER_WITHIN))
            }
            Way::Auto | Way::None => None,
            Way::Kitty => Some(draw::Protocol::Kitty),
            Way::Iterm => Some(draw::Protocol::Iterm),
            Way::Sixel => Some(draw::Protocol::Sixel),
            Way::Blocks => Some(draw::Protocol::Blocks),
        };
        let truecolor = matches!(self.colorterm.as_deref(), Some("truecolor" | "24bit"));
        Screen { protocol, columns: self.picture_width, truecolor }
    }

    /// Whether colours are unwanted or the terminal has none.
    pub(crate) fn is_plain(&self) -> bool {
        self.no_color.as_deref().is_some_and(|value| !value.is_empty()) || self.term == "dumb"
    }

    fn of_terminal(&self, speaks_sixel: impl FnOnce() -> bool) -> Option<draw::Protocol> {
        if self.term == "dumb" {
            return None;
        }
        let program = self.term_program.as_deref().unwrap_or_default();
        // A multiplexer keeps its outer terminal's variables, but passes no pictures on that it does not know itself.
        let inner = self.tmux.is_some() || ["screen", "tmux"].iter().any(|name| self.term.starts_with(name));
        if !inner {
            let kitty =
                self.kitty_window_id.is_some() || ["xterm-kitty", "xterm-ghostty"].contains(&&*self.term);
            if kitty || program == "ghostty" {
                return Some(draw::Protocol::Kitty);
            }
            let iterm = self.lc_terminal.as_deref() == Some("iTerm2");
            if iterm || matches!(program, "iTerm.app" | "WezTerm" | "mintty") {
                return Some(draw::Protocol::Iterm);
            }
        }
        if speaks_sixel() {
            return Some(draw::Protocol::Sixel);
        }
        (!self.is_plain()).then_some(draw::Protocol::Blocks)
    }
}

impl Screen {
    /// Shows a picture file's bytes. One that cannot be decoded is left out: its file is named anyway.
    pub(crate) fn show(self, out: &mut impl Write, data: &[u8]) -> io::Result<()> {
        let Some(protocol) = self.protocol else { return Ok(()) };
        let Some(picture) = decode(data) else { return Ok(()) };
        let canvas = Canvas::of_terminal(self.columns, self.truecolor);
        if let Some(bytes) = draw::draw(&picture, protocol, canvas) {
            out.write_all(&bytes)?;
            out.flush()?;
        }
        Ok(())
    }
}

fn decode(data: &[u8]) -> Option<image::DynamicImage> {
    let mut reader = image::ImageReader::new(io::Cursor::new(data)).with_guessed_format().ok()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    reader.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(term: &str, program: Option<&str>) -> ShowArgs {
        ShowArgs { term: term.into(), term_program: program.map(str::to_owned), ..ShowArgs::default() }
    }

    #[test]
    fn knows_terminals_by_their_variables() {
        let of = |args: &ShowArgs| args.of_terminal(|| false);
        assert_eq!(of(&args("xterm-kitty", None)), Some(draw::Protocol::Kitty));
        assert_eq!(of(&args("xterm-256color", Some("iTerm.app"))), Some(draw::Protocol::Iterm));
        assert_eq!(of(&args("xterm-256color", Some("vscode"))), Some(draw::Protocol::Blocks));
        let window = || Some("1".to_owned());
        assert_eq!(
            of(&ShowArgs { kitty_window_id: window(), ..args("xterm-256color", None) }),
            Some(draw::Protocol::Kitty)
        );
        assert_eq!(of(&ShowArgs { kitty_window_id: window(), ..args("dumb", None) }), None);
        assert_eq!(
            of(&ShowArgs {
                kitty_window_id: window(),
                tmux: Some("x".into()),
                ..args("tmux-256color", None)
            }),
            Some(draw::Protocol::Blocks)
        );
    }

    #[test]
    fn what_the_terminal_says_comes_before_blocks_and_no_color_forbids_those() {
        assert_eq!(args("xterm", None).of_terminal(|| true), Some(draw::Protocol::Sixel));
        let plain = ShowArgs { no_color: Some("1".into()), ..args("xterm", None) };
        assert_eq!(plain.of_terminal(|| false), None);
        let empty = ShowArgs { no_color: Some(String::new()), ..args("xterm", None) };
        assert_eq!(empty.of_terminal(|| false), Some(draw::Protocol::Blocks));
    }

    #[test]
    fn what_was_asked_for_wins_and_broken_pictures_are_passed_over() {
        let screen = ShowArgs { pictures: Way::Blocks, ..ShowArgs::default() }.screen();
        assert_eq!(screen.protocol, Some(draw::Protocol::Blocks));
        let mut out = Vec::new();
        screen.show(&mut out, b"no picture").unwrap();
        assert!(out.is_empty());
    }
}
