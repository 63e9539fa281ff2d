//! Reads lines on a thread of its own, for reading a terminal blocks.

use std::{sync::mpsc as blocking, thread};

use anyhow::{Context, Result};
use rustyline::{DefaultEditor, error::ReadlineError};
use tokio::sync::mpsc;

/// What the person did.
#[derive(Debug)]
pub(super) enum Input {
    /// Typed a line.
    Line(String),
    /// Pressed Ctrl-C.
    Interrupted,
    /// Pressed Ctrl-D, or the input has ended.
    End,
}

/// The reading thread. It reads only when asked, so that prompts and answers do not mix; it ends when dropped.
#[derive(Debug)]
pub(super) struct Editor {
    prompts: blocking::Sender<String>,
    inputs: mpsc::Receiver<rustyline::Result<String>>,
    asked: bool,
}

impl Editor {
    pub(super) fn start() -> Result<Self> {
        let mut editor = DefaultEditor::new().context("preparing the terminal")?;
        let (prompts, asked) = blocking::channel::<String>();
        let (give, inputs) = mpsc::channel(1);
        let read = move || {
            while let Ok(prompt) = asked.recv() {
                let line = editor.readline(&prompt);
                if let Ok(line) = &line {
                    let _ = editor.add_history_entry(line.as_str()); // only for the arrow keys
                }
                if give.blocking_send(line).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("editor".into()).spawn(read).context("starting the thread that reads")?;
        Ok(Self { prompts, inputs, asked: false })
    }

    /// Shows `prompt`, waits for a line. Safe to drop and call again: a prompt that stands is not repeated.
    pub(super) async fn read(&mut self, prompt: String) -> Result<Input> {
        const ENDED: &str = "the thread that reads has ended";
        if !self.asked {
            self.prompts.send(prompt).ok().context(ENDED)?;
            self.asked = true;
        }
        let line = self.inputs.recv().await.context(ENDED)?;
        self.asked = false;
        match line {
            Ok(line) => Ok(Input::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupted),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(error).context("reading the terminal"),
        }
    }
}
