//! `fondue say`: one turn over `Reply`, for people and for scripts.

mod parts;

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Result, anyhow};
use fondue_proto::dialogue::{self, Event, ReplyRequest, event::Kind};
use tonic::Streaming;

use crate::{
    exit,
    failure::Failure,
    filter::{self, Filter},
    gateway::{self, GatewayArgs},
    generation::Generation,
    picture::{Fit, Found, ShowArgs},
    printer::{Printer, told_cut},
    terminal::visible_json,
    transcript::{self, Turn},
};
use parts::Parts;

const EXAMPLES: &str = "\
Examples:
  fondue say 'Show me a red apple.'
  fondue say --image cat.png --text 'Another like this?' --save found
  fondue say --text 'Between' --image a.png --text 'and' --image b.png --text 'what is better?'
  fondue say --text 'Can you find a rocket?' --ret-bias 4 --max-images 1
  fondue say 'A pear.' --filter group=fruit --filter 'year>=2000'
  fondue say --json 'Hello' | jq -r '.text.text // empty'
  echo 'What is this?' | fondue say --image https://example.org/a.png -
  curl -s https://example.org/a.png | fondue say --image - --text 'And this?'
  fondue say 'Hello' --transcript talk.jsonl
  fondue say 'And then?' --history talk.jsonl --transcript talk.jsonl --force

Texts and pictures reach the model in the order in which they stand on the command line; without
any, the text is read from stdin. With --json each event is one line in protobuf's JSON form
(dialogue.v1.Event), and nothing else is printed on stdout. Faults go to stderr.";

/// What else `--help` tells.
fn after_help() -> String {
    format!("{EXAMPLES}\n\n{}\n\n{}", exit::TABLE, filter::GRAMMAR)
}

/// Options of `fondue say`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help())]
pub(crate) struct Args {
    #[command(flatten)]
    parts: Parts,
    /// Print each event as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Save found pictures into this folder.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Print on stderr what the turn took.
    #[arg(long)]
    timings: bool,
    /// How the pictures are brought to the model's square [default: crop; as the reference: squash].
    #[arg(long, value_name = "HOW")]
    fit: Option<Fit>,
    /// Find only pictures for which this holds, for example `year>=2000`; may be given several times.
    #[arg(long, value_name = "CONDITION")]
    filter: Vec<Filter>,
    /// Index generation to find pictures in [default: the active one].
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    generation: String,
    /// Go on from a conversation that the chat's `/save FILE.jsonl` or --transcript wrote.
    #[arg(long, value_name = "FILE.jsonl")]
    history: Option<PathBuf>,
    /// Write the conversation, this turn included, to a .jsonl or .md file, its pictures beside it.
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    /// Let --transcript replace a file that is there.
    #[arg(long, requires = "transcript")]
    force: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    options: Generation,
}

/// Asks, prints the answer as it comes.
pub(crate) async fn run(args: Args) -> Result<()> {
    let parts = args.parts.read(args.fit).map_err(exit::wrong)?;
    if parts.is_empty() {
        let error = anyhow!("nothing is said; give --text or --image (see `fondue say --help`)");
        return Err(exit::wrong(error));
    }
    let mut turns = match &args.history {
        None => Vec::new(),
        Some(path) => transcript::load(path).map_err(exit::wrong)?,
    };
    let mut options = args.options.options();
    options.conditions = args.filter.iter().map(|filter| filter.0.clone()).collect();
    let request = ReplyRequest {
        turn: Some(dialogue::Turn { parts: parts.clone(), options: Some(options) }),
        history: turns.iter().map(Turn::exchange).collect(),
        generation: args.generation.clone(),
    };
    let mut client =
        gateway::client(&args.gateway.gateway, args.gateway.api_key.clone()).map_err(exit::wrong)?;
    let mut events = client.reply(request).await.map_err(Failure::from)?.into_inner();
    let mut turn = Turn::new(parts);
    if args.json {
        lines(&mut events, &mut turn, args.save.as_deref().map(Found::new).as_ref(), stdout()).await?;
    } else {
        print(&mut events, &mut turn, &args).await?;
    }
    turns.push(turn);
    match &args.transcript {
        None => Ok(()),
        Some(path) => transcript::save(&turns.iter().collect::<Vec<_>>(), path, args.force),
    }
}

/// Prints the answer for people until the turn's end.
async fn print(events: &mut Streaming<Event>, turn: &mut Turn, args: &Args) -> Result<()> {
    let mut printer = Printer::new(stdout(), args.save.as_deref().map(Found::new), args.show.screen());
    loop {
        let event = match next(events, turn).await {
            Ok(event) => event,
            Err(failure) => {
                printer.close_line()?; // the message begins on a line of its own
                return Err(failure.into());
            }
        };
        if let Some(cut) = cut(&event) {
            eprintln!("{cut}");
        }
        if let Some(done) = printer.event(event)? {
            if args.timings {
                eprintln!("({})", printer.summary(&done));
            }
            return Ok(());
        }
    }
}

/// Prints each event as a line of JSON until the turn's end.
async fn lines(
    events: &mut Streaming<Event>,
    turn: &mut Turn,
    found: Option<&Found>,
    mut out: impl Write,
) -> Result<()> {
    loop {
        let event = next(events, turn).await?;
        writeln!(out, "{}", visible_json(&serde_json::to_string(&event)?))?;
        out.flush()?;
        match event.kind {
            Some(Kind::Image(image)) => {
                if let Some(found) = found {
                    eprintln!("saved {}", found.save(&image)?);
                }
            }
            Some(Kind::Done(_)) => return Ok(()),
            Some(Kind::Failed(failed)) => return Err(Failure::Turn(failed).into()),
            _ => {}
        }
    }
}

/// The next event; the stream's end is a failure, for the turn's end comes first.
async fn next(events: &mut Streaming<Event>, turn: &mut Turn) -> Result<Event, Failure> {
    let event = events.message().await?.ok_or(Failure::Broken)?;
    turn.note(&event);
    Ok(event)
}

/// What is told of a history that did not fit.
fn cut(event: &Event) -> Option<String> {
    match &event.kind {
        Some(Kind::Started(started)) => started.history_cut.as_ref().map(told_cut),
        _ => None,
    }
}
