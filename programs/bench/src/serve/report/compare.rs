//! Two reports side by side.

use std::fmt::Write;

use super::{
    Latency, Measure, Run, ServeReport,
    table::{percent, time},
};

/// Ours beside an earlier one, run by run; runs that have no fellow of their name are told.
pub(crate) fn compared(now: &ServeReport, then: &ServeReport) -> String {
    let mut text = format!("\n### Beside {} (version {})\n\n", then.date, then.version);
    for (what, (now, then)) in differences(now, then) {
        let _ = writeln!(text, "- {what} differs: {now} now, {then} then");
    }
    text += "\n| run | | now | then | now/then |\n|---|---|---:|---:|---:|\n";
    for run in &now.runs {
        match then.runs.iter().find(|other| other.name == run.name) {
            Some(other) => rows(&mut text, run, other),
            None => {
                let _ = writeln!(text, "| {} | not there then | | | |", run.name);
            }
        }
    }
    text
}

/// Settings without which the figures do not mean the same.
fn differences(now: &ServeReport, then: &ServeReport) -> Vec<(&'static str, (String, String))> {
    let of = |report: &ServeReport| {
        let settings = &report.settings;
        [
            ("the machine", report.machine.join("; ")),
            ("what was under load", settings.subject.clone()),
            ("the seed", settings.seed.to_string()),
            ("the mix", settings.mix.clone()),
            ("the length", format!("{} s after {} s", settings.duration, settings.warmup)),
            ("what is good", format!("{} ms, {} ms", settings.slo_ttft_ms, settings.slo_turn_ms)),
            ("answers' length", settings.max_new_tokens.to_string()),
        ]
    };
    let both = of(now).into_iter().zip(of(then));
    both.filter(|((_, a), (_, b))| a != b).map(|((what, a), (_, b))| (what, (a, b))).collect()
}

fn rows(text: &mut String, now: &Run, then: &Run) {
    let mut row = |what: &str, both: [Option<f64>; 2], told: fn(f64) -> String| {
        let [Some(a), Some(b)] = both else { return };
        let ratio = if b == 0.0 { String::new() } else { format!("{:.2}×", a / b) };
        let _ = writeln!(text, "| {} | {what} | {} | {} | {ratio} |", now.name, told(a), told(b));
    };
    type Count = fn(&Run) -> u64;
    type Figure = fn(&Latency) -> f64;
    let rates: [(&str, Count); 3] =
        [("due/s", |run| run.due), ("answered/s", |run| run.answered), ("good/s", |run| run.good)];
    for (what, turns) in rates {
        row(what, [now, then].map(|run| Some(run.per_second(turns(run)))), |rate| format!("{rate:.2}"));
    }
    row("errors %", [now, then].map(|run| Some(percent(run.errors, run.due))), |share| format!("{share:.2}"));
    let figures: [(&str, Figure); 2] = [("p50", |one| one.p50_ms), ("p99", |one| one.p99_ms)];
    for measure in Measure::ALL {
        for (name, figure) in figures {
            let both = [now, then].map(|run| run.latency(measure).map(figure));
            row(&format!("{} {name} ms", measure.name()), both, time);
        }
    }
}
