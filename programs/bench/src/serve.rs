//! `fondue bench serve`: a load on a gateway as people are, who do not wait for each other.
//!
//! Turns arrive when they are due, whatever became of those before, and all times count from then: a server that stalls is not
//! spared what would have come meanwhile. Read `schedule` for what arrives, `caller` for how it is asked, `tally` for what is
//! counted, then the experiments: `overload`, `traced`, `breaking`.

mod album;
pub(crate) mod breaking;
mod caller;
mod load;
pub(crate) mod mix;
mod outcome;
mod overload;
mod record;
pub(crate) mod report;
mod run;
mod schedule;
mod sink;
mod subject;
mod talk;
mod tally;
mod traced;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use fondue_terminal::{interrupt::Interrupt, output};
use http::HeaderValue;

use self::{
    album::Album,
    caller::Asking,
    report::{FORMAT, Run, ServeReport, Settings, compare, html, table},
    run::{Load, Site},
    schedule::{Manner, Pace, schedule},
    subject::Subject,
    tally::Slo,
};
use crate::{cli::ServeArgs, machine, report::Bar};

/// What the experiments give.
#[derive(Debug, Default)]
struct Measured {
    runs: Vec<Run>,
    bars: Vec<Bar>,
    notes: Vec<String>,
}

/// Does what the command line says; prints and writes the figures.
pub(crate) fn measure(args: &ServeArgs) -> Result<()> {
    let interrupt = Interrupt::listen("nothing was written")?;
    let then = args.compare.as_deref().map(earlier).transpose()?;
    // Before the work, not after it.
    for file in [&args.json, &args.html].into_iter().flatten() {
        let opened = fs::File::options().append(true).create(true).open(file);
        opened.with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(report(args, interrupt))?;
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&report)?;
        fs::write(file, json).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &args.html {
        fs::write(file, html::page(&report)).with_context(|| file.display().to_string())?;
    }
    let beside = then.map(|then| compare::compared(&report, &then)).unwrap_or_default();
    Ok(output::print(&format!("{}{beside}", table::markdown(&report)))?)
}

/// What proves who asks, if a file with it is named.
fn authorization(args: &ServeArgs) -> Result<Option<HeaderValue>> {
    let Some(file) = &args.subject.token_file else { return Ok(None) };
    let told = || format!("--token-file {}", file.display());
    let token = fs::read_to_string(file).with_context(told)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).with_context(told)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn earlier(file: &Path) -> Result<ServeReport> {
    let text = fs::read_to_string(file).with_context(|| format!("--compare {}", file.display()))?;
    let report: ServeReport = serde_json::from_str(&text)
        .with_context(|| format!("--compare {}: it is no report of `fondue bench serve`", file.display()))?;
    anyhow::ensure!(
        report.format == FORMAT,
        "--compare {}: its form is {}, this program's is {FORMAT}; run the earlier one again",
        file.display(),
        report.format
    );
    Ok(report)
}

async fn report(args: &ServeArgs, interrupt: Interrupt) -> Result<ServeReport> {
    let drawings = args.subject.data.join("drawings");
    let album = match &args.pictures {
        Some(folder) => Album::of_folder(folder)?,
        None if drawings.is_dir() => Album::of_folder(&drawings)?,
        None => Album::made()?,
    };
    let site = Site {
        manner: manner(args),
        asking: Asking { max_new_tokens: args.max_new_tokens, authorization: authorization(args)? },
        slo: Slo {
            first: Duration::from_millis(args.slo_ttft_ms),
            turn: Duration::from_millis(args.slo_turn_ms),
        },
        max_open: args.max_open,
        album,
        interrupt,
    };
    let (subject, measured) = if args.tracing {
        traced::measure(args, &site).await?
    } else {
        let mut subject = Subject::start(args, &[]).await?;
        let measured = experiment(args, &site, &mut subject).await;
        let measured = measured.map_err(|error| subject.keep_logs(error))?;
        subject.stop().await;
        (subject.told().to_owned(), measured)
    };
    Ok(ServeReport {
        format: FORMAT,
        date: machine::today(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: std::env::args().skip(1).collect(),
        machine: machine::describe_alone(),
        settings: settings(args, &site, subject),
        interrupted: site.interrupt.came(),
        runs: measured.runs,
        bars: measured.bars,
        notes: measured.notes,
    })
}

async fn experiment(args: &ServeArgs, site: &Site, subject: &mut Subject) -> Result<Measured> {
    site.interrupt.begin()?;
    match (args.overload, args.break_each.as_slice()) {
        (Some(factor), _) => overload::measure(args, site, subject, factor).await,
        (None, []) => rates(args, site, subject).await,
        (None, _) => breaking::measure(args, site, subject).await,
    }
}

/// One run at each rate.
async fn rates(args: &ServeArgs, site: &Site, subject: &Subject) -> Result<Measured> {
    let mut measured = Measured::default();
    let paces = match (args.ramp, args.rates.as_slice()) {
        (Some((from, to)), _) => vec![Pace::Ramp { from, to, after: args.warmup }],
        (None, []) => vec![Pace::Steady(args.rate)],
        (None, rates) => rates.iter().copied().map(Pace::Steady).collect(),
    };
    for pace in paces {
        let name = match pace {
            Pace::Steady(rate) => format!("{rate} turns/s"),
            Pace::Ramp { from, to, .. } => format!("{from} to {to} turns/s"),
        };
        let arrivals = schedule(args.seed, pace, args.warmup + args.duration, &site.manner);
        let load = Load::open(arrivals, args.warmup, args.duration);
        measured.runs.push(site.run(&subject.target()?, name, load).await?);
        if site.interrupt.came() {
            break;
        }
    }
    Ok(measured)
}

fn manner(args: &ServeArgs) -> Manner {
    Manner {
        mix: args.mix.clone(),
        dialogue_turns: args.dialogue_turns,
        think: args.think_ms as f64 / 1e3,
        cancel: args.cancel,
        cancel_within: args.cancel_within_ms as f64 / 1e3,
        deadline: Duration::from_millis(args.deadline_ms),
        hurried: args.hurried,
        hurried_deadline: Duration::from_millis(args.hurried_ms),
    }
}

fn settings(args: &ServeArgs, site: &Site, subject: String) -> Settings {
    Settings {
        subject,
        seed: args.seed,
        mix: args.mix.to_string(),
        pictures: site.album.len(),
        duration: args.duration,
        warmup: args.warmup,
        dialogue_turns: args.dialogue_turns,
        think_ms: args.think_ms,
        cancel: args.cancel,
        cancel_within_ms: args.cancel_within_ms,
        deadline_ms: args.deadline_ms,
        hurried: args.hurried,
        hurried_ms: args.hurried_ms,
        max_new_tokens: args.max_new_tokens,
        max_open: args.max_open,
        slo_ttft_ms: args.slo_ttft_ms,
        slo_turn_ms: args.slo_turn_ms,
    }
}
