//! What the gateway itself costs: `cargo xtask bench gateway`, or `cargo bench -p fondue-gateway --bench cost`.
//!
//! The gateway runs as a process of its own with one worker thread; this process is its clients and the fakes of the services,
//! which answer at once. So what is measured is the gateway and the wire, never a model. Every figure has beside it what the
//! same client gets from the fake directly, in the same run, in turns.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark ends where it cannot go on

#[path = "cost/client.rs"]
mod client;
#[path = "cost/fakes.rs"]
mod fakes;
#[path = "cost/process.rs"]
mod process;
#[path = "cost/report.rs"]
mod report;
#[path = "cost/scenes.rs"]
mod scenes;

use clap::Parser;

use crate::{
    fakes::Fakes,
    process::{Gateway, Kept},
    report::Report,
};

/// What the gateway itself costs, beside calling the language service directly.
#[derive(Debug, Parser)]
struct Args {
    /// Turns of each kind in a round of the throughput and the TTFT.
    #[arg(long, default_value_t = 1000)]
    turns: usize,
    /// Rounds; the figures are medians over them.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Idle conversations.
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    /// Bytes of the big picture.
    #[arg(long, default_value_t = 20 << 20)]
    picture_bytes: usize,
    /// Readers that do not read.
    #[arg(long, default_value_t = 16)]
    slow: usize,
    /// Small numbers: does it all work?
    #[arg(long)]
    quick: bool,
    /// Write the tables to this file, too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<std::path::PathBuf>,
    /// What cargo says to benches.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let mut args = Args::parse();
    if args.quick {
        (args.turns, args.rounds, args.idle, args.slow) = (20, 3, 50, 4);
    }
    // The clients' own runtime; the fakes have one each.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let report = runtime.block_on(measure(&args));
    print!("{report}");
    if let Some(path) = &args.markdown {
        std::fs::write(path, report.to_string()).expect("the file can be written");
    }
    if report.missed() {
        std::process::exit(1);
    }
}

async fn measure(args: &Args) -> Report {
    let fakes = Fakes::serve();
    let mut report = Report::default();
    {
        let gateway = Gateway::start(&fakes, Kept::ByGlibc);
        scenes::throughput(&gateway, &fakes, args.turns, args.rounds, &mut report).await;
        scenes::first_text(&gateway, &fakes, args.turns, args.rounds, &mut report).await;
        scenes::slow_readers(&gateway, args.turns, args.rounds, args.slow, &mut report).await;
    }
    // Processes of their own, so that what others left in the heap does not hide what these take.
    scenes::idle(&Gateway::start(&fakes, Kept::ByGlibc), args.idle, &mut report).await;
    for kept in [Kept::Nothing, Kept::ByGlibc] {
        scenes::picture(&Gateway::start(&fakes, kept), args.picture_bytes, kept, &mut report).await;
    }
    report
}
