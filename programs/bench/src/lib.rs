//! fondue bench: the running services beside their peers and against the machine.
//!
//! Drives real processes over gRPC, as a client would; knows no model and no engine. Read `cli` first, then `language`,
//! `vision`, `retrieval` and `serve`.

mod bandwidth;
mod cached;
mod cli;
mod client;
mod language;
mod limit;
mod machine;
mod models;
mod npy;
mod peers;
mod plan;
mod process;
mod report;
mod retrieval;
mod serve;
mod shape;
mod statistics;
mod systems;
mod train;
mod vision;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    cli::{Cli, Command, CommonArgs},
    language::Site,
    peers::Python,
    plan::{LanguagePlan, RetrievalPlan, VisionPlan},
};
pub use self::{
    report::{
        Against, Bar, Cell, Gallery, Pictures, Report, System, Wanted,
        gallery::{Indexed, Scanned, Served, Walked},
    },
    serve::{
        mix::Kind,
        report::{FORMAT, Latency, Measure, Memory, Run, Second, ServeReport, Settings},
    },
    statistics::Figures,
};

/// Readings of each kind that tell how fast memory is.
const READINGS: usize = 10;

/// Runs the command line that this process was given; failures are told on stderr.
pub fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let (common, language, vision, retrieval) = match cli.command {
        Command::Language { common, language } => (common, Some(language), None, None),
        Command::Vision { common, vision } => (common, None, Some(vision), None),
        Command::Retrieval { common, retrieval } => (common, None, None, Some(retrieval)),
        Command::All { common, language, vision, retrieval } => {
            (common, Some(language), Some(vision), Some(retrieval))
        }
        Command::InProcess(args) => return ended(retrieval::answer(&args)),
        Command::Train(args) => return ended(training(&args)),
        Command::Serve(args) => return ended(serve::measure(&args)),
    };
    let plans = Plans {
        language: language.map(|args| LanguagePlan::new(&common, args)),
        vision: vision.map(|args| VisionPlan::new(&common, args)),
        retrieval: retrieval.map(|args| RetrievalPlan::new(&common, *args)),
    };
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                done = run(&common, plans) => done,
                _ = tokio::signal::ctrl_c() => bail!("interrupted; no file was written"),
            }
        })
    });
    ended(done)
}

fn training(args: &train::TrainArgs) -> Result<()> {
    let cache = args.cache.clone().map_or_else(cache_folder, Ok)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        tokio::select! {
            done = train::measure(args, &cache) => done,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

/// What is to be measured.
struct Plans {
    language: Option<LanguagePlan>,
    vision: Option<VisionPlan>,
    retrieval: Option<RetrievalPlan>,
}

fn ended(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(common: &CommonArgs, plans: Plans) -> Result<()> {
    // Before an hour's work, not after it.
    for file in [&common.out, &common.markdown].into_iter().flatten() {
        let opened = fs::File::options().append(true).create(true).open(file);
        opened.with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let threads =
        common.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let cache = match &common.cache {
        Some(cache) => cache.clone(),
        None => cache_folder()?,
    };
    let logs = tempfile::tempdir()?;
    let with_peers = plans.language.as_ref().is_some_and(|plan| !plan.peers.is_empty() && plan.cells);
    let with_peers = with_peers || plans.vision.as_ref().is_some_and(|plan| plan.peer);
    let python = with_peers.then(|| Python::for_models(&cache)).transpose()?;
    let searched = plans.retrieval.as_ref().is_some_and(|plan| !plan.peers.is_empty());
    let retrieval_python = searched.then(|| Python::for_retrieval(&cache)).transpose()?;
    let mut report =
        Report { date: machine::today(), setting: machine::describe(threads), ..Report::default() };
    report.setting.extend(python.as_ref().map(|_| Python::versions().join(", ")));
    report.setting.extend(retrieval_python.as_ref().map(|_| Python::retrieval_versions().join(", ")));
    let readings = if common.quick { 1 } else { READINGS };
    report.bandwidth = bandwidth::measure(threads, readings);
    let progress = ProgressBar::new(plans.language.as_ref().map_or(0, LanguagePlan::steps));
    progress.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} (left {eta}) {msg}")?);
    progress.enable_steady_tick(std::time::Duration::from_secs(1));
    let (cache, python, logs_path) = (cache.as_path(), python.as_ref(), logs.path());
    let site = Site { threads, readings, cache, logs: logs_path, python, progress: &progress };
    let measured = measure(plans, retrieval_python.as_ref(), &site, &mut report).await;
    progress.finish_and_clear();
    println!("{}", report.markdown());
    if let Some(out) = &common.out {
        fs::write(out, serde_json::to_string_pretty(&report)?).with_context(|| out.display().to_string())?;
    }
    if let Err(error) = measured {
        // The logs tell more than can be said here.
        return Err(error.context(format!("the logs are in {}", logs.keep().display())));
    }
    if let Some(path) = &common.markdown {
        let earlier = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        write_whole(path, &report.before(&earlier))?;
    }
    Ok(())
}

async fn measure(
    plans: Plans,
    retrieval_python: Option<&Python>,
    site: &Site<'_>,
    report: &mut Report,
) -> Result<()> {
    if let Some(plan) = plans.language {
        for &shape in &plan.shapes {
            language::measure(&plan, site, shape, report).await?;
        }
    }
    if let Some(plan) = plans.vision {
        vision::measure(&plan, site, report).await?;
    }
    if let Some(plan) = plans.retrieval {
        retrieval::measure(&plan, site, retrieval_python, report).await?;
    }
    Ok(())
}

/// Earlier runs' figures are not lost if this ends half-way.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(staged.path(), text)?;
    let permissions = fs::metadata(path)?.permissions();
    fs::set_permissions(staged.path(), permissions)?;
    staged.persist(path).with_context(|| path.display().to_string())?;
    Ok(())
}

#[allow(clippy::disallowed_methods)] // where the user's cache is, is told by the environment alone
fn cache_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set; use --cache")?.join("fondue/bench"))
}
