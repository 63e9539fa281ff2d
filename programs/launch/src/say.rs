//! `fondue say`: one turn over `Reply`.

mod parts;

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Result, bail};
use fondue_proto::dialogue::{Event, ReplyRequest, Turn, event::Kind};
use tonic::Streaming;

use crate::{
    failure::Failure,
    gateway::{self, GatewayArgs},
    generation::Generation,
    picture::{Fit, Found, ShowArgs},
    printer::Printer,
    terminal::visible_json,
};
use parts::Parts;

const EXAMPLES: &str = "\
Examples:
  fondue say 'Show me a red apple.'
  fondue say --image cat.png --text 'Another like this?' --save found
  fondue say --text 'Between' --image a.png --text 'and' --image b.png --text 'what is better?'
  fondue say --text 'Can you find a rocket?' --ret-bias 4 --max-images 1
  fondue say --json 'Hello' | jq -r '.text.text // empty'

Texts and pictures reach the model in the order in which they stand on the command line.
The exit code is 0 only if the turn was completed. With --json each event is one line in
protobuf's JSON form (dialogue.v1.Event), and nothing else is printed on stdout.";

/// Options of `fondue say`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
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

/// Asks, prints the answer as it comes.
pub(crate) async fn run(args: Args) -> Result<()> {
    let parts = args.parts.read(args.fit)?;
    if parts.is_empty() {
        bail!("nothing is said; give --text or --image (see `fondue say --help`)");
    }
    let turn = Turn { parts, options: Some(args.options.options()) };
    let request = ReplyRequest { turn: Some(turn), history: Vec::new(), generation: args.generation };
    let found = args.save.as_deref().map(Found::new);
    let mut client = gateway::client(&args.gateway.gateway)?;
    let mut printer = Printer::new(stdout(), found.clone(), args.show.screen());
    let mut events = client.reply(request).await.map_err(Failure::from)?.into_inner();
    if args.json {
        return lines(&mut events, found.as_ref(), stdout()).await;
    }
    loop {
        let event = match next(&mut events).await {
            Ok(event) => event,
            Err(failure) => {
                printer.close_line()?; // the message begins on a line of its own
                return Err(failure.into());
            }
        };
        if let Some(done) = printer.event(event)? {
            if args.timings {
                eprintln!("({})", printer.summary(&done));
            }
            return Ok(());
        }
    }
}

/// Prints each event as a line of JSON until the turn's end.
async fn lines(events: &mut Streaming<Event>, found: Option<&Found>, mut out: impl Write) -> Result<()> {
    loop {
        let event = next(events).await?;
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
async fn next(events: &mut Streaming<Event>) -> Result<Event, Failure> {
    events.message().await?.ok_or(Failure::Broken)
}
