//! What traces cost: the same load on services that send them and on services that do not, in turns.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use fondue_fleet::Service;

use super::{
    Measured,
    run::{Load, Site},
    schedule::queue,
    sink::Sink,
    subject::Subject,
};
use crate::{
    cli::ServeArgs,
    limit::share,
    report::{Bar, Wanted},
    statistics::median,
};

/// Callers that wait for their answers: enough to keep the services busy.
const CALLERS: usize = 8;
/// Seconds before a run counts.
const WARMUP: f64 = 1.0;
/// Arrivals that they take, round and round.
const QUEUE: usize = 2000;
/// The bar: throughput with traces to throughput without.
const KEPT: f64 = 0.97;

/// One of the two sides.
struct Side {
    name: &'static str,
    subject: Subject,
    /// Answered turns a second, of each round.
    rates: Vec<f64>,
    /// Milliseconds of processor time for each answered turn.
    costs: Vec<f64>,
}

impl Side {
    async fn run(&mut self, args: &ServeArgs, site: &Site, measured: &mut Measured) -> Result<()> {
        let target = self.subject.target()?;
        let before = target.processor_seconds();
        let load = Load::closed(queue(args.seed, QUEUE, &site.manner), CALLERS, WARMUP, args.step);
        let run = site.run(&target, self.name.to_owned(), load).await?;
        let all: u64 = run.timeline.iter().map(|second| second.answered).sum();
        self.rates.push(run.per_second(run.answered));
        self.costs.push(1e3 * share(target.processor_seconds() - before, all as f64));
        measured.runs.push(run);
        Ok(())
    }
}

/// Starts both sides and measures them; gives what was under load, and the figures.
pub(super) async fn measure(args: &ServeArgs, site: &Site) -> Result<(String, Measured)> {
    let sink = Sink::start().await?;
    let flag: OsString = format!("--otlp-endpoint={}", sink.url()).into();
    let flags = Service::ALL.map(|service| (service, flag.clone()));
    let side = |name, subject| Side { name, subject, rates: Vec::new(), costs: Vec::new() };
    let mut plain = side("without traces", Subject::start(args, &[]).await?);
    let mut traced = side("with traces", Subject::start(args, &flags).await?);
    site.interrupt.begin()?;
    let mut measured = Measured::default();
    'rounds: for round in 0..args.rounds {
        // Whichever is first has a cooler or warmer machine: each is first as often.
        let order = if round % 2 == 0 { [&mut plain, &mut traced] } else { [&mut traced, &mut plain] };
        for side in order {
            side.run(args, site, &mut measured).await?;
            if site.interrupt.came() {
                break 'rounds;
            }
        }
    }
    for side in [&mut plain, &mut traced] {
        side.subject.stop().await; // sends the last spans
    }
    let told = plain.subject.told().to_owned();
    if site.interrupt.came() {
        return Ok((told, measured));
    }
    ensure!(sink.spans() > 0, "not one span came from the services; their logs tell why");
    let turns: u64 = measured.runs.iter().filter(|run| run.name == traced.name).map(|run| run.answered).sum();
    measured.notes.push(format!(
        "{} spans came, {:.1} for each turn; rounds of {} s with {CALLERS} callers that wait",
        sink.spans(),
        share(sink.spans() as f64, turns as f64),
        args.step
    ));
    measured.bars = bars(&plain, &traced);
    Ok((told, measured))
}

fn bars(plain: &Side, traced: &Side) -> Vec<Bar> {
    let ratio = |with: &[f64], without: &[f64]| {
        median(&with.iter().zip(without).map(|(with, without)| share(*with, *without)).collect::<Vec<_>>())
    };
    let detail = |unit: &str, with: &[f64], without: &[f64]| {
        format!("{:.2} against {:.2} {unit}, medians of {} rounds", median(with), median(without), with.len())
    };
    vec![
        Bar::ratio(
            "throughput with traces, to without".to_owned(),
            ratio(&traced.rates, &plain.rates),
            Some(Wanted::AtLeast(KEPT)),
            &detail("turns/s", &traced.rates, &plain.rates),
        ),
        Bar::ratio(
            "the services' processor time for a turn with traces, to without".to_owned(),
            ratio(&traced.costs, &plain.costs),
            None,
            &detail("ms", &traced.costs, &plain.costs),
        ),
    ]
}
