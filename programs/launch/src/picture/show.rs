//! Pictures in the terminal: kitty's or iTerm2's protocol where it is spoken, coloured half blocks elsewhere.

use std::io::{IsTerminal, stdout};

use clap::ValueEnum;

const COLUMNS: u32 = 24;
/// A picture from the network may claim to be larger than the memory.
const MAX_SIDE: u32 = 8192;

/// Whether and how pictures are shown; the terminal says what it is by these variables.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ShowArgs {
    /// How found pictures are shown in the terminal [default: what it can].
    #[arg(long, value_name = "HOW")]
    show: Option<Screen>,
    #[arg(long, hide = true, env = "TERM", default_value = "dumb")]
    term: String,
    #[arg(long, hide = true, env = "TERM_PROGRAM")]
    term_program: Option<String>,
    #[arg(long, hide = true, env = "KITTY_WINDOW_ID")]
    kitty_window_id: Option<String>,
}

/// A way to show a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Screen {
    /// kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    /// Coloured half blocks, which nearly every terminal can.
    Blocks,
    /// Not at all: only the file's name is printed.
    #[default]
    None,
}

impl ShowArgs {
    /// The way to take: what was asked for, else what the terminal is known to speak.
    pub(crate) fn screen(&self) -> Screen {
        self.show.unwrap_or_else(|| if stdout().is_terminal() { self.of_terminal() } else { Screen::None })
    }

    fn of_terminal(&self) -> Screen {
        let program = self.term_program.as_deref().unwrap_or_default();
        let kitty = self.kitty_window_id.is_some() || self.term == "xterm-kitty" || program == "ghostty";
        match (self.term.as_str(), program) {
            ("dumb", _) => Screen::None,
            _ if kitty => Screen::Kitty,
            (_, "iTerm.app" | "WezTerm" | "mintty") => Screen::Iterm,
            _ => Screen::Blocks,
        }
    }
}

impl Screen {
    /// Shows a picture file's bytes on stdout. One that cannot be decoded is left out: its file is named anyway.
    pub(crate) fn show(self, data: &[u8]) {
        if self == Self::None {
            return;
        }
        let Some(picture) = decode(data) else { return };
        let config = viuer::Config {
            absolute_offset: false,
            x: 2,
            width: Some(COLUMNS),
            use_kitty: self == Self::Kitty,
            use_iterm: self == Self::Iterm,
            ..viuer::Config::default()
        };
        let _ = viuer::print(&picture, &config); // a terminal that fails to show it shows the rest
    }
}

fn decode(data: &[u8]) -> Option<image::DynamicImage> {
    let mut reader = image::ImageReader::new(std::io::Cursor::new(data)).with_guessed_format().ok()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    reader.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(term: &str, program: Option<&str>, window: Option<&str>) -> Screen {
        let (term_program, kitty_window_id) = (program.map(str::to_owned), window.map(str::to_owned));
        ShowArgs { show: None, term: term.into(), term_program, kitty_window_id }.of_terminal()
    }

    #[test]
    fn knows_terminals_by_their_variables() {
        assert_eq!(of("xterm-kitty", None, None), Screen::Kitty);
        assert_eq!(of("xterm-256color", None, Some("1")), Screen::Kitty);
        assert_eq!(of("xterm-256color", Some("iTerm.app"), None), Screen::Iterm);
        assert_eq!(of("xterm-256color", Some("vscode"), None), Screen::Blocks);
        assert_eq!(of("dumb", None, Some("1")), Screen::None);
    }

    #[test]
    fn what_was_asked_for_wins() {
        let args = ShowArgs { show: Some(Screen::Blocks), ..ShowArgs::default() };
        assert_eq!(args.screen(), Screen::Blocks);
    }

    #[test]
    fn broken_pictures_are_passed_over() {
        assert!(decode(b"no picture").is_none());
        Screen::Blocks.show(b"no picture");
    }
}
