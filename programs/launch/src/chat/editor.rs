//! Reads lines on a thread of its own, for reading a terminal blocks: with a line editor from a terminal, plainly from
//! anything else.

use std::{
    fs,
    io::{BufRead, IsTerminal, stdin, stdout},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::mpsc as blocking,
    thread,
};

use anyhow::{Context, Result};
use rustyline::{Behavior, Config, config::Configurer, error::ReadlineError, history::DefaultHistory};
use tokio::sync::mpsc;

use super::aid::{Aid, is_whole, joined};

const LONGEST_HISTORY: usize = 2000;

/// What the person did.
#[derive(Debug)]
pub(super) enum Input {
    /// Typed a line, or several.
    Line(String),
    /// Pressed Ctrl-C.
    Interrupted,
    /// Pressed Ctrl-D, or the input has ended.
    End,
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) prompt: String,
    /// Stands in the line already, to be changed.
    pub(super) initial: String,
    /// Whether several lines are read, up to a dot.
    pub(super) multi: bool,
}

/// Reads what is asked for.
type Reader = Box<dyn FnMut(&Ask) -> rustyline::Result<String> + Send>;

/// The reading thread. It reads only when asked, so that prompts and answers do not mix; it ends when dropped.
#[derive(Debug)]
pub(super) struct Editor {
    asks: blocking::Sender<Ask>,
    inputs: mpsc::Receiver<rustyline::Result<String>>,
    asked: bool,
}

impl Editor {
    /// `past`: the file of what was typed before. `coloured`: whether prompts and hints have looks of their own.
    pub(super) fn start(past: Option<PathBuf>, coloured: bool) -> Result<Self> {
        let (asks, asked) = blocking::channel::<Ask>();
        let (give, inputs) = mpsc::channel(1);
        let mut read: Reader = if stdin().is_terminal() {
            let mut desk = Desk::new(past, coloured)?;
            Box::new(move |ask| desk.read(ask))
        } else {
            Box::new(plain)
        };
        let work = move || {
            while let Ok(ask) = asked.recv() {
                if give.blocking_send(read(&ask)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("editor".into()).spawn(work).context("starting the thread that reads")?;
        Ok(Self { asks, inputs, asked: false })
    }

    /// Shows the prompt, waits for a line. Safe to drop and call again: a prompt that stands is not repeated.
    pub(super) async fn read(&mut self, ask: Ask) -> Result<Input> {
        const ENDED: &str = "the thread that reads has ended";
        if !self.asked {
            self.asks.send(ask).ok().context(ENDED)?;
            self.asked = true;
        }
        let line = self.inputs.recv().await.context(ENDED)?;
        self.asked = false;
        match line {
            Ok(line) => Ok(Input::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupted),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(error).context("reading what is typed"),
        }
    }
}

/// Reads a line of a pipe or a file; no prompt, for nobody types.
fn plain(ask: &Ask) -> rustyline::Result<String> {
    let (mut input, mut typed) = (stdin().lock(), String::new());
    loop {
        let ended = input.read_line(&mut typed)? == 0;
        if ended && typed.is_empty() {
            return Err(ReadlineError::Eof);
        }
        let line = typed.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let line = line.unwrap_or(&typed);
        if ended || is_whole(line, ask.multi) {
            return Ok(joined(line, ask.multi));
        }
    }
}

/// A terminal's line editor.
struct Desk {
    editor: rustyline::Editor<Aid, DefaultHistory>,
    past: Option<PathBuf>,
}

impl Desk {
    fn new(past: Option<PathBuf>, coloured: bool) -> Result<Self> {
        // What is typed is seen on the terminal even where the answers go into a file.
        let behavior = if stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
        let config = Config::builder().behavior(behavior).history_ignore_space(true).build();
        let mut editor = rustyline::Editor::with_config(config).context("preparing the terminal")?;
        editor.set_max_history_size(LONGEST_HISTORY).context("preparing the terminal")?;
        editor.set_helper(Some(Aid::new(coloured)));
        if let Some(past) = &past {
            let _ = editor.load_history(past); // the first time there is none
        }
        Ok(Self { editor, past })
    }

    fn read(&mut self, ask: &Ask) -> rustyline::Result<String> {
        if let Some(aid) = self.editor.helper_mut() {
            aid.multi = ask.multi;
        }
        let typed = self.editor.readline_with_initial(&ask.prompt, (&ask.initial, ""))?;
        let line = joined(&typed, ask.multi);
        if self.editor.add_history_entry(line.as_str())? {
            self.keep();
        }
        Ok(line)
    }

    /// Adds to the file what was typed, for the owner's eyes alone. A disk that refuses must not end the talk.
    fn keep(&mut self) {
        if let Some(past) = &self.past
            && self.editor.append_history(past).is_ok()
        {
            let _ = fs::set_permissions(past, fs::Permissions::from_mode(0o600));
        }
    }
}
