//! fondue bench: the running services against their peers and against the machine.
//!
//! Drives real processes over gRPC, as a client would; knows no model and no engine. Read `cli` first, then `language` and
//! `vision`.

mod bandwidth;
mod cli;
mod client;
mod language;
mod machine;
mod models;
mod peers;
mod process;
mod report;
mod shape;
mod statistics;
mod vision;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

pub use self::report::Report;
use self::{
    cli::{Cli, Command, CommonArgs, LanguageArgs, VisionArgs},
    peers::Python,
    shape::Shape,
};

/// Runs the command line that this process was given; failures are told on stderr.
pub fn main() -> ExitCode {
    let (common, mut language, mut vision) = match Cli::parse().command {
        Command::Language(args) => (args.common, Some(args.language), None),
        Command::Vision(args) => (args.common, None, Some(args.vision)),
        Command::All(args) => (args.common, Some(args.language), Some(args.vision)),
    };
    if common.quick {
        language.as_mut().map(quicken);
        if let Some(vision) = &mut vision {
            (vision.layers, vision.pictures, vision.vision_runs) = (1, 4, 1);
        }
    }
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                done = run(common, language, vision) => done,
                _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; nothing was written")),
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn quicken(args: &mut LanguageArgs) {
    args.shape = vec![Shape::Tiny];
    (args.prompt, args.dialogues) = (vec![32, 64], vec![1, 8]);
    (args.runs, args.new_tokens, args.beside_tokens) = (1, 8, 24);
    args.peers.clear();
}

async fn run(common: CommonArgs, language: Option<LanguageArgs>, vision: Option<VisionArgs>) -> Result<()> {
    let threads =
        common.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let cache = match common.cache.clone() {
        Some(cache) => cache,
        None => cache_folder()?,
    };
    let cache = cache.join("bench");
    let logs = tempfile::tempdir()?;
    let wants_peers = !common.quick
        && (vision.is_some()
            || language.as_ref().is_some_and(|args| args.peers.iter().any(|peer| peer != "none")));
    let python = wants_peers.then(|| Python::ready(&cache)).transpose()?;
    let mut report = Report { setting: machine::describe(threads), ..Report::default() };
    if python.is_some() {
        report.setting.push(Python::versions().join(", "));
    }
    report.bandwidth = bandwidth::measure(threads);
    let measured =
        measure(&common, language, vision, python.as_ref(), threads, &cache, logs.path(), &mut report);
    if let Err(error) = measured.await {
        // The logs tell more than can be said here.
        return Err(error.context(format!("the logs are in {}", logs.keep().display())));
    }
    let markdown = report.markdown();
    println!("{markdown}");
    if let Some(out) = &common.out {
        fs::write(out, serde_json::to_string_pretty(&report)?).with_context(|| out.display().to_string())?;
    }
    if let Some(path) = &common.markdown {
        let before = fs::read_to_string(path).unwrap_or_default();
        fs::write(path, format!("{markdown}\n{before}")).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[allow(clippy::too_many_arguments)] // the command line's parts
async fn measure(
    common: &CommonArgs,
    language: Option<LanguageArgs>,
    vision: Option<VisionArgs>,
    python: Option<&Python>,
    threads: usize,
    cache: &Path,
    logs: &Path,
    report: &mut Report,
) -> Result<()> {
    if let Some(mut args) = language {
        args.peers.retain(|peer| peer != "none");
        let systems = args.weights.len() + args.peers.len();
        let steps = args.shape.len() * args.prompt.len() * args.dialogues.len() * args.runs * systems;
        let bar = ProgressBar::new(steps as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} (left {eta}) {msg}")?);
        for &shape in &args.shape {
            let model = models::language(cache, shape, &common.tokenizer)?;
            let speed = (threads, report.bandwidth);
            let cells = language::cells(&args, shape, &model, python, speed, logs, &bar).await?;
            report.scenarios.extend(language::scenarios::bars(&cells));
            report.cells.extend(cells);
            if !args.cells_only {
                for weights in &args.weights {
                    bar.set_message(format!("OPT-{} {weights}: next turn, long prompt", shape.name()));
                    let all = language::scenarios::measure(&args, shape, &model, weights, threads, logs);
                    report.scenarios.extend(all.await?);
                }
            }
        }
        bar.finish_and_clear();
    }
    if let Some(args) = vision {
        let model = models::vision(cache, args.layers, common.quick)?;
        report.scenarios.extend(vision::measure(&args, &model, python, threads, logs).await?);
    }
    Ok(())
}

#[allow(clippy::disallowed_methods)] // where the user's cache is, is told by the environment alone
fn cache_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set; use --cache")?.join("fondue"))
}
