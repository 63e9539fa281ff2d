//! `fondue demo`: the services, a scripted dialogue, the end.

mod script;

use std::{
    fs,
    io::stdout,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use fondue_proto::dialogue::Part;

use crate::{
    conversation::Conversation,
    gateway,
    picture::{self, Found, ShowArgs},
    printer::Printer,
    services::{Cluster, ServiceArgs, Signals},
};
use script::{Piece, Script, Turn};

const EXAMPLES: &str = "\
Examples:
  fondue drawings .fondue/drawings
  fondue index build --pictures .fondue/drawings --model assets/model --index .fondue/index
  fondue demo --model assets/model --index .fondue/index --drawings .fondue/drawings
  fondue demo --script my-dialogue.json          your own turns, in the form of assets/demo.json

Any free ports are used. Found pictures are saved into DATA/found. The exit code is 0 if
every turn was completed and at least one picture was found.";

/// Options of `fondue demo`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of drawings that the script names [default: DATA/drawings].
    #[arg(long, value_name = "DIR")]
    drawings: Option<PathBuf>,
    /// Dialogue to hold [default: the one that is built in].
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    services: ServiceArgs,
}

/// Starts the services, holds the dialogue, stops them.
pub(crate) async fn run(args: Args) -> Result<()> {
    let script = match &args.script {
        None => Script::built_in()?,
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            Script::parse(&text).with_context(|| format!("reading {}", path.display()))?
        }
    };
    let drawings = args.drawings.clone().unwrap_or_else(|| args.services.data.join("drawings"));
    let turns = script.turns.iter().map(|turn| parts(turn, &drawings)).collect::<Result<Vec<_>>>()?;
    let mut signals = Signals::new()?;
    let mut cluster = Cluster::new(args.services.verbose, false);
    let outcome = tokio::select! {
        outcome = hold(&args, &script, turns, &mut cluster) => outcome,
        name = signals.next() => Err(anyhow::anyhow!("stopped by {name}")),
    };
    cluster.stop().await;
    outcome
}

async fn hold(args: &Args, script: &Script, turns: Vec<Vec<Part>>, cluster: &mut Cluster) -> Result<()> {
    let start = Instant::now();
    println!("Starting the services …");
    cluster.start(&args.services, true).await?;
    println!(
        "The services are ready ({:.1} s): gateway {}",
        start.elapsed().as_secs_f32(),
        cluster.gateway()?
    );
    let client = gateway::client(&cluster.gateway()?, None)?;
    let dialogue =
        talk(args, script, turns, Conversation::new(client, script.defaults.clone(), String::new()));
    let watch = async {
        loop {
            eprintln!("{}", cluster.change().await); // the turn that needed it fails and says so
        }
    };
    tokio::select! {
        outcome = dialogue => outcome,
        () = watch => Ok(()),
    }
}

/// Holds all turns; every one must be completed.
async fn talk(args: &Args, script: &Script, turns: Vec<Vec<Part>>, mut with: Conversation) -> Result<()> {
    let folder = args.services.data.join("found");
    let mut printer = Printer::new(stdout(), Some(Found::new(&folder)), args.show.screen());
    println!("\n{}", script.title);
    let n_turns = turns.len();
    for (number, (turn, parts)) in (1..).zip(script.turns.iter().zip(turns)) {
        println!("\n── Turn {number} of {n_turns}: {}\nYou: {}\nFondue:", turn.note, turn.told());
        printer.begin();
        let failed = || format!("turn {number}");
        with.say(parts, turn.options.clone()).await.with_context(failed)?;
        let done = loop {
            let event = with.next().await.with_context(failed)?;
            if let Some(done) = printer.event(event).with_context(failed)? {
                break done;
            }
        };
        println!("({})", printer.summary(&done));
    }
    let n_images = printer.n_images();
    ensure!(
        n_images > 0,
        "the dialogue brought no picture; is the index made of this model and these drawings?"
    );
    println!("\n{n_turns} turns, {n_images} pictures found; they lie in {}", folder.display());
    Ok(())
}

/// What is said in a turn, its pictures read.
fn parts(turn: &Turn, drawings: &Path) -> Result<Vec<Part>> {
    let read = |piece: &Piece| match piece {
        Piece::Text(text) => Ok(picture::text(text)),
        Piece::Picture(id) => picture::read(&drawings.join(format!("{id}.png")), None)
            .context("the demo needs the drawings; make them with `fondue drawings DIR`"),
    };
    turn.say.iter().map(read).collect()
}
