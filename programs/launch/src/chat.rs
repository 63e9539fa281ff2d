//! `fondue chat`: a conversation over `Converse`, line by line.

mod editor;
mod line;

use std::{
    io::{Stdout, stdout},
    mem::take,
    path::PathBuf,
};

use anyhow::{Context, Result};
use fondue_proto::dialogue::{Part, TurnOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    conversation::Conversation,
    failure::Failure,
    gateway::{self, GatewayArgs},
    generation::Generation,
    picture::{self, Fit, Found, ShowArgs},
    printer::Printer,
};
use editor::{Editor, Input};
use line::Line;

const EXAMPLES: &str = "\
Examples:
  fondue chat
  fondue chat --ret-bias 4 --max-images 1 --save found
  fondue chat --gateway http://127.0.0.1:7400 --show none

In the chat:
  /image PATH   attach a picture to what you say next; several may be attached
  /send         say nothing but the pictures that are attached
  /undo         forget the last turn
  /reset        begin anew
  /quit         leave, as do Ctrl-D and Ctrl-C twice
Ctrl-C while the model answers stops that answer.";

/// Options of `fondue chat`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder that found pictures are saved into.
    #[arg(long, value_name = "DIR", default_value = ".fondue/found")]
    save: PathBuf,
    /// Print after each turn what it took.
    #[arg(long)]
    timings: bool,
    /// How pictures are brought to the model's square [default: crop; as the reference: squash].
    #[arg(long, value_name = "HOW")]
    fit: Option<Fit>,
    /// Index generation to find pictures in [default: the active one].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    generation: String,
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
    attached: Vec<Part>,
    interrupts: Signal,
    fit: Option<Fit>,
    timings: bool,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Line,
    Leave,
}

/// Talks until the person leaves.
pub(crate) async fn run(args: Args) -> Result<()> {
    let client = gateway::client(&args.gateway.gateway)?;
    let mut chat = Chat {
        conversation: Conversation::new(client, args.options.options(), args.generation),
        printer: Printer::new(stdout(), Some(Found::new(&args.save)), args.show.screen()),
        attached: Vec::new(),
        interrupts: signal(SignalKind::interrupt()).context("listening for Ctrl-C")?,
        fit: args.fit,
        timings: args.timings,
    };
    println!("Say something; /help tells more, /quit leaves. Pictures go to {}.", args.save.display());
    let mut editor = Editor::start()?;
    let mut warned = false;
    loop {
        let prompt = match chat.attached.len() {
            0 => "You: ".to_owned(),
            n => format!("You (+{n} picture{}): ", if n == 1 { "" } else { "s" }),
        };
        let input = tokio::select! {
            input = editor.read(prompt) => input?,
            _ = chat.interrupts.recv() => Input::Interrupted,
        };
        match input {
            Input::End => return Ok(()),
            Input::Interrupted if warned => return Ok(()),
            Input::Interrupted => {
                println!("Ctrl-C once more, or Ctrl-D, leaves.");
                warned = true;
            }
            Input::Line(line) => {
                warned = false;
                if chat.obey(Line::parse(&line)).await? == Next::Leave {
                    return Ok(());
                }
            }
        }
    }
}

impl Chat {
    async fn obey(&mut self, line: Line) -> Result<Next> {
        match line {
            Line::Nothing => {}
            Line::Quit => return Ok(Next::Leave),
            Line::Help => println!("{}", line::HELP),
            Line::Unknown(word) => println!("There is no {word}. {}", line::HELP),
            Line::Image(path) => match picture::read(&path, self.fit) {
                Ok(part) => self.attached.push(part),
                Err(error) => println!("{error:#}"),
            },
            Line::Undo if self.conversation.undo() => {
                println!("The last turn is forgotten; {} remain.", self.conversation.n_turns());
            }
            Line::Undo => println!("There is no turn to forget."),
            Line::Reset => {
                self.conversation.reset();
                self.attached.clear();
                println!("Everything is forgotten.");
            }
            Line::Say(text) => return self.turn(text).await,
        }
        Ok(Next::Line)
    }

    /// Holds one turn. What goes wrong with it is told; the chat goes on.
    async fn turn(&mut self, text: String) -> Result<Next> {
        let mut parts = take(&mut self.attached);
        if !text.is_empty() {
            parts.push(picture::text(text));
        }
        if parts.is_empty() {
            println!("No picture is attached; /image PATH attaches one.");
            return Ok(Next::Line);
        }
        self.printer.begin();
        match self.answer(parts).await {
            Ok(next) => Ok(next),
            Err(error) if error.is::<Failure>() => {
                self.printer.close_line()?;
                println!("{error:#}\nThe turn left no trace; say it again or something else.");
                Ok(Next::Line)
            }
            Err(error) => Err(error),
        }
    }

    async fn answer(&mut self, parts: Vec<Part>) -> Result<Next> {
        let mut cancelled = false;
        tokio::select! {
            said = self.conversation.say(parts, TurnOptions::default()) => said?,
            _ = self.interrupts.recv() => {
                println!("Not sent.");
                return Ok(Next::Line);
            }
        }
        loop {
            tokio::select! {
                event = self.conversation.next() => {
                    if let Some(done) = self.printer.event(event?)? {
                        if self.timings || cancelled {
                            println!("({})", self.printer.summary(&done));
                        }
                        return Ok(Next::Line);
                    }
                }
                _ = self.interrupts.recv() => {
                    if cancelled {
                        self.printer.close_line()?;
                        return Ok(Next::Leave);
                    }
                    cancelled = true;
                    self.conversation.cancel();
                }
            }
        }
    }
}
