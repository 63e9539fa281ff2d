//! `fondue train ground` beside the reference's loop: the same model, pictures, initial weights and order of rows. From one run
//! come how fast a step is and whether the losses are those of an independent implementation.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command as Async;

use crate::{
    cli::at_least_one,
    limit::share,
    machine,
    peers::Python,
    process::{self, Process},
    report::{Bar, Wanted},
    statistics::median,
};

/// What is trained, and how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TrainArgs {
    /// Model folder with opt/ and clip/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    model: PathBuf,
    /// Pictures with captions, made for this.
    #[arg(long, value_name = "N", default_value = "720", value_parser = at_least_one)]
    rows: usize,
    /// Rows of a batch; an even number.
    #[arg(long, value_name = "N", default_value = "90", value_parser = at_least_one)]
    batch: usize,
    /// Steps of both.
    #[arg(long, value_name = "N", default_value = "200", value_parser = at_least_one)]
    steps: usize,
    /// What pictures, captions, weights and order follow from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Threads of each [default: one per core].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Folder for the peer [default: fondue/bench in the user's cache].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
}

/// A step as the peer tells it.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Step {
    loss: f64,
    seconds: f64,
}

/// How far apart losses may be, as a part of theirs.
const NEAR: f64 = 0.01;
/// How many times as fast as theirs a step is to be.
const FASTER: f64 = 2.0;

/// Trains both, one after the other, and prints how they compare.
pub(crate) async fn measure(args: &TrainArgs, cache: &Path) -> Result<()> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let python = Python::for_training(cache)?;
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path();
    let numbers = [args.rows, args.batch, args.steps, args.seed as usize].map(|n| n.to_string());
    let made = python.training().arg("prepare").arg(&args.model).arg(folder).args(numbers).status();
    ensure!(made.context("starting Python")?.success(), "the pictures could not be made");

    eprintln!("the reference's loop, {} steps …", args.steps);
    let (theirs, their_peak) = peer(args, &python, folder, threads).await?;
    eprintln!("fondue train ground, {} steps …", args.steps);
    let ours = ours(args, folder, threads)?;
    print!("{}", compared(args, threads, &ours, &theirs, their_peak)?);
    Ok(())
}

async fn peer(args: &TrainArgs, python: &Python, folder: &Path, threads: usize) -> Result<(Vec<Step>, f64)> {
    let mut command = Async::from(python.training());
    command.arg("run").arg(&args.model).arg(folder).arg(threads.to_string());
    let mut process = Process::start("reference", &mut command, &folder.join("reference.log"))?;
    let mut steps = Vec::with_capacity(args.steps);
    for _ in 0..args.steps {
        steps.push(serde_json::from_str(&process.line("step ").await?)?);
    }
    let ready: serde_json::Value = serde_json::from_str(&process.line("ready ").await?)?;
    Ok((steps, ready["peak"].as_f64().context("the peer's memory")?))
}

/// Losses and seconds of our steps.
fn ours(args: &TrainArgs, folder: &Path, threads: usize) -> Result<Vec<Step>> {
    let (out, timings) = (folder.join("run"), folder.join("timings.json"));
    let mut command = Command::new(process::beside("fondue-train")?);
    command.arg("ground").arg(&args.model).arg("--train").arg(folder.join("train.tsv"));
    command.arg("--out").arg(&out).arg("--init").arg(folder.join("init"));
    command.arg("--data-order").arg(folder.join("order.jsonl")).arg("--timings").arg(&timings);
    command.args(["--batch", &args.batch.to_string(), "--iterations", &args.steps.to_string()]);
    command.args(["--threads", &threads.to_string()]);
    ensure!(command.status().context("starting fondue-train")?.success(), "fondue train ground failed");
    let seconds: Vec<f64> = serde_json::from_str(&fs::read_to_string(&timings)?)?;
    let text = fs::read_to_string(out.join("metrics.jsonl"))?;
    let losses = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line)?;
        line["train/loss"].as_f64().context("a step without a loss")
    });
    let losses = losses.collect::<Result<Vec<_>>>()?;
    ensure!(losses.len() == args.steps && seconds.len() == args.steps, "not all steps were told");
    Ok(losses.into_iter().zip(seconds).map(|(loss, seconds)| Step { loss, seconds }).collect())
}

fn compared(args: &TrainArgs, threads: usize, ours: &[Step], theirs: &[Step], peak: f64) -> Result<String> {
    let seconds = |steps: &[Step]| median(&steps.iter().map(|step| step.seconds).collect::<Vec<_>>());
    let apart = |(ours, theirs): (&Step, &Step)| (ours.loss - theirs.loss).abs() / theirs.loss.abs();
    let farthest = ours.iter().zip(theirs).map(apart).fold(0.0, f64::max);
    let (our_step, their_step) = (seconds(ours), seconds(theirs));
    let ratio = share(their_step, our_step);
    let speed = format!("{ratio:.2}× ({:.0} against {:.0} ms)", 1e3 * our_step, 1e3 * their_step);
    let curve = format!("{:.3} % at the farthest of {} steps", 100.0 * farthest, ours.len());
    let bar = |what: &str, figure, value, bar| Bar { what: what.to_owned(), figure, value, bar: Some(bar) };
    let bars = [
        bar("a step, to the reference's loop", speed, ratio, Wanted::AtLeast(FASTER)),
        bar("losses apart from the reference's", curve, farthest, Wanted::AtMost(NEAR)),
    ];
    let mut text =
        format!("# Training beside the reference's loop\n\n{}\n", machine::describe(threads).join("; "));
    text += &format!(
        "{}, batches of {}, f32; {}; the peer had {:.0} MB at most\n\n| step | fondue | reference |\n|---:|---:|---:|\n",
        args.model.display(),
        args.batch,
        Python::versions().join(", "),
        peak / 1e6
    );
    let last = ours.len().saturating_sub(1);
    let mut told = vec![0, last / 4, last / 2, last / 4 * 3, last];
    told.dedup();
    for n in told {
        let (Some(one), Some(other)) = (ours.get(n), theirs.get(n)) else { continue };
        text += &format!("| {} | {:.4} | {:.4} |\n", n + 1, one.loss, other.loss);
    }
    text += "\n";
    for bar in &bars {
        let verdict = if bar.is_met() == Some(true) { "met" } else { "**missed**" };
        let wanted = bar.bar.map(|wanted| format!("; bar {wanted}, {verdict}")).unwrap_or_default();
        text += &format!("- {}: {}{wanted}\n", bar.what, bar.figure);
    }
    Ok(text)
}
