//! Tables for people, in the benches' Markdown.

use std::fmt::Write;

use super::{Latency, Measure, Run, ServeReport};
use crate::report::markdown;

/// The report, without a title.
pub(crate) fn markdown(report: &ServeReport) -> String {
    let mut text =
        format!("## {}: {}\n\n`fondue bench {}`\n\n", report.date, subject(report), report.command.join(" "));
    for line in report.machine.iter().chain(&report.notes) {
        let _ = writeln!(text, "- {line}");
    }
    let settings = &report.settings;
    let _ = writeln!(
        text,
        "- seed {}, {}; good: begun within {} ms and whole within {} ms of when it was due",
        settings.seed, settings.mix, settings.slo_ttft_ms, settings.slo_turn_ms
    );
    if report.interrupted {
        text += "- ended early\n";
    }
    text += "\n| run | due/s | answered/s | good/s | good | errors | TTFT p50 ms | p99 ms | turn p50 ms | p99 ms |\n";
    text += "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for run in &report.runs {
        let _ = writeln!(text, "{}", line(run));
    }
    for run in &report.runs {
        outcomes(&mut text, run);
    }
    if let [run] = report.runs.as_slice() {
        latencies(&mut text, run);
    }
    markdown::bars(&mut text, report.bars.iter());
    text
}

fn subject(report: &ServeReport) -> &str {
    &report.settings.subject
}

fn line(run: &Run) -> String {
    let of = |measure, figure: fn(&Latency) -> f64| {
        run.latency(measure).map(|latency| time(figure(latency))).unwrap_or_default()
    };
    format!(
        "| {} | {:.2} | {:.2} | {:.2} | {:.1} % | {:.2} % | {} | {} | {} | {} |",
        run.name,
        run.per_second(run.due),
        run.per_second(run.answered),
        run.per_second(run.good),
        percent(run.good, run.due),
        percent(run.errors, run.due),
        of(Measure::First, |one| one.p50_ms),
        of(Measure::First, |one| one.p99_ms),
        of(Measure::Turn, |one| one.p50_ms),
        of(Measure::Turn, |one| one.p99_ms),
    )
}

fn outcomes(text: &mut String, run: &Run) {
    let mut told: Vec<String> = run.outcomes.iter().map(|(name, n)| format!("{n} {name}")).collect();
    if run.lacking > 0 {
        told.push(format!("{} of the answered without their picture", run.lacking));
    }
    let told = if told.is_empty() { "nothing was due".to_owned() } else { told.join(", ") };
    let _ = writeln!(text, "\n{}: {told}.", run.name);
}

fn latencies(text: &mut String, run: &Run) {
    *text += "\n| what | turns | n | mean ms | p50 | p90 | p95 | p99 | p99.9 | most |\n";
    *text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for one in &run.latencies {
        let figures = [one.mean_ms, one.p50_ms, one.p90_ms, one.p95_ms, one.p99_ms, one.p999_ms, one.max_ms];
        let figures: Vec<_> = figures.into_iter().map(time).collect();
        let kind = one.kind.map_or("all", super::Kind::name);
        let _ =
            writeln!(text, "| {} | {kind} | {} | {} |", one.measure.name(), one.count, figures.join(" | "));
    }
}

/// A part of a whole in hundredths; of nothing it is nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Milliseconds with as many digits as mean something.
pub(super) fn time(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2}")
    } else if ms < 1000.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}
