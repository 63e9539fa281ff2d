//! `fondue chat`: a conversation over `Converse`, line by line.

mod aid;
mod commands;
mod editor;
mod line;
mod past;
mod turn;

use std::{
    io::{IsTerminal, Stdout, stdin, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use fondue_proto::dialogue::{Part, TurnOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    conversation::Conversation,
    exit,
    filter::{self, Filter},
    gateway::{self, GatewayArgs},
    generation::Generation,
    picture::{Fit, Found, ShowArgs},
    printer::Printer,
    transcript,
};
use editor::{Ask, Editor, Input};
use line::Line;

const EXAMPLES: &str = "\
Examples:
  fondue chat
  fondue chat --ret-bias 4 --max-images 1 --save found
  fondue chat --gateway http://127.0.0.1:7400 --pictures none
  fondue chat --filter 'group=fruit|berry' --filter 'year>=2000'
  fondue chat --history talk.jsonl                go on from what /save wrote
  printf 'Hello.\\nAnd a cat?\\n' | fondue chat      each line is a turn; faults go to stderr";

/// What else `--help` tells.
fn after_help() -> String {
    format!(
        "{EXAMPLES}\n\nIn the chat:\n{}\n\n{}\n\nThe exit code is 0 where somebody types. From a pipe it is that of the worst fault.\n{}",
        line::help(),
        filter::GRAMMAR,
        exit::TABLE
    )
}

/// Options of `fondue chat`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub(crate) struct Args {
    /// Folder that found pictures are saved into.
    #[arg(long, value_name = "DIR", default_value = ".fondue/found")]
    save: PathBuf,
    /// Go on from a conversation that `/save FILE.jsonl` wrote.
    #[arg(long, value_name = "FILE.jsonl")]
    history: Option<PathBuf>,
    /// Print after each turn what it took.
    #[arg(long)]
    timings: bool,
    /// How pictures are brought to the model's square [default: crop; as the reference: squash].
    #[arg(long, value_name = "HOW")]
    fit: Option<Fit>,
    /// Find only pictures for which this holds, for example `year>=2000`; may be given several times.
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<Filter>,
    /// Index generation to find pictures in [default: the active one].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    generation: String,
    #[command(flatten)]
    past: past::PastArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    options: Generation,
}

/// What is going on.
struct Chat {
    conversation: Conversation,
    printer: Printer<Stdout>,
    /// Pictures for the next turn, and what they are called.
    attached: Vec<(Part, String)>,
    options: TurnOptions,
    interrupts: Signal,
    fit: Option<Fit>,
    timings: bool,
    /// Whether somebody types, rather than a pipe.
    typed: bool,
    /// Exit code of the worst fault so far.
    worst: u8,
    /// What was said last without an answer.
    unanswered: Option<Vec<Part>>,
    /// The turn that is said anew with the next line.
    editing: Option<usize>,
    next: Ask,
    home: Option<PathBuf>,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Line,
    Leave,
}

/// Talks until the person leaves; gives the exit code.
pub(crate) async fn run(args: Args) -> Result<u8> {
    let client = gateway::client(&args.gateway.gateway, args.gateway.api_key.clone())?;
    let mut options = args.options.options();
    options.conditions = args.filter.into_iter().map(|filter| filter.0).collect();
    // Options go with each turn, so that /set can take one back; the conversation itself has none.
    let mut conversation = Conversation::new(client, TurnOptions::default(), args.generation);
    if let Some(path) = &args.history {
        conversation.resume(transcript::load(path).map_err(exit::wrong)?);
    }
    let typed = stdin().is_terminal();
    let mut chat = Chat {
        conversation,
        printer: Printer::new(stdout(), Some(Found::new(&args.save)), args.show.screen()).numbered(),
        attached: Vec::new(),
        options,
        interrupts: signal(SignalKind::interrupt()).context("listening for Ctrl-C")?,
        fit: args.fit,
        timings: args.timings,
        typed,
        worst: 0,
        unanswered: None,
        editing: None,
        next: Ask::default(),
        home: args.past.home(),
    };
    if typed {
        let n_turns = chat.conversation.n_turns();
        let goes_on =
            if n_turns > 0 { format!(" This goes on from {n_turns} turns.") } else { String::new() };
        let folder = args.save.display();
        chat.tell(&format!(
            "Say something; /help tells more, /quit leaves. Pictures go to {folder}.{goes_on}"
        ))?;
    }
    let past = if typed { args.past.file() } else { None };
    let editor = Editor::start(past, !args.show.is_plain())?;
    chat.talk(editor).await?;
    Ok(if typed { 0 } else { chat.worst })
}

impl Chat {
    async fn talk(&mut self, mut editor: Editor) -> Result<()> {
        let mut warned = false;
        let mut ask = self.ask();
        loop {
            // A signal leaves the prompt standing, and what was asked for with it.
            let (input, stands) = tokio::select! {
                input = editor.read(ask.clone()) => (input?, false),
                _ = self.interrupts.recv() => (Input::Interrupted, true),
            };
            match input {
                Input::End => return Ok(()),
                Input::Interrupted if warned => return Ok(()),
                Input::Interrupted => {
                    warned = true;
                    if self.editing.take().is_some() {
                        self.attached.clear();
                    }
                    self.tell("Ctrl-C once more, or Ctrl-D, leaves.")?;
                }
                Input::Line(line) => {
                    warned = false;
                    let line = if ask.multi { Line::Say(line) } else { Line::parse(&line) };
                    if self.obey(line).await? == Next::Leave {
                        return Ok(());
                    }
                }
            }
            if !stands {
                ask = self.ask();
            }
        }
    }

    /// What to ask for next.
    fn ask(&mut self) -> Ask {
        let mut ask = std::mem::take(&mut self.next);
        let again = self.editing.map(|turn| format!("instead of turn {turn}"));
        let more = match self.attached.len() {
            0 => None,
            n => Some(format!("+{n} picture{}", if n == 1 { "" } else { "s" })),
        };
        let notes: Vec<_> = again.into_iter().chain(more).collect();
        ask.prompt =
            if notes.is_empty() { "You: ".to_owned() } else { format!("You ({}): ", notes.join(", ")) };
        ask
    }

    fn tell(&mut self, text: &str) -> Result<()> {
        Ok(self.printer.line(text)?)
    }

    /// Tells what went wrong, and remembers how bad it was.
    fn fault(&mut self, text: &str, code: u8) -> Result<()> {
        self.worst = self.worst.max(code);
        if self.typed {
            return self.tell(text);
        }
        eprintln!("{text}");
        Ok(())
    }
}
