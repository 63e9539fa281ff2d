//! The report as one page that needs nothing else: tables, bars, and plots as inline SVG.

use std::fmt::Write;

use super::{
    Latency, Measure, Run, ServeReport,
    plot::{Axis, Line, plot},
    table::{percent, time},
};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--faint:#777;--good:#1a7f37;--bad:#c62828;\
--c0:#0b62c4;--c1:#c2570c;--c2:#1a7f37;--c3:#c62828;--c4:#7b3fb5;--c5:#0d7f8c;--c6:#8a6d00;--c7:#666}
@media (prefers-color-scheme:dark){:root{--good:#4cc26a;--bad:#ff7b72;\
--c0:#6cb2ff;--c1:#ffa657;--c2:#4cc26a;--c3:#ff7b72;--c4:#c99cff;--c5:#4fd1dc;--c6:#e3c04b;--c7:#aaa}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin:2.2rem 0 .3rem}h3{font-size:1rem;margin:1.2rem 0 .2rem}
p.note,.faint{color:var(--faint);margin:.2rem 0 .6rem}
.wide{overflow-x:auto}table{border-collapse:collapse}
th,td{padding:.22rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th{font-weight:600}.t{text-align:left;white-space:normal}
.pass{color:var(--good);font-weight:600}.fail{color:var(--bad);font-weight:600}
svg{width:100%;max-width:60rem;height:auto}svg text{font-size:11px;fill:var(--faint)}
.grid{stroke:var(--line);stroke-width:1}polyline{fill:none;stroke-width:1.8}
.l0{stroke:var(--c0)}.l1{stroke:var(--c1)}.l2{stroke:var(--c2)}.l3{stroke:var(--c3)}
.l4{stroke:var(--c4)}.l5{stroke:var(--c5)}.l6{stroke:var(--c6)}.l7{stroke:var(--c7)}
.k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}
.k4{background:var(--c4)}.k5{background:var(--c5)}.k6{background:var(--c6)}.k7{background:var(--c7)}
.legend span{margin-right:1rem;white-space:nowrap}.legend i{display:inline-block;width:1.2rem;height:.2rem;\
margin-right:.35rem;vertical-align:middle}";

/// The page.
pub(crate) fn page(report: &ServeReport) -> String {
    let title = format!("Load: {}", escaped(&report.settings.subject));
    let mut body = facts(report);
    bars(&mut body, report);
    runs(&mut body, report);
    report.runs.iter().for_each(|run| one(&mut body, run));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n{body}</body></html>\n"
    )
}

fn facts(report: &ServeReport) -> String {
    let settings = &report.settings;
    let facts = [
        ("day", report.date.clone()),
        ("version", report.version.clone()),
        ("command", format!("fondue bench {}", report.command.join(" "))),
        ("machine", report.machine.join("; ")),
        ("load", format!("seed {}, {}, {} pictures", settings.seed, settings.mix, settings.pictures)),
        ("measured", format!("{} s after {} s of warm-up", settings.duration, settings.warmup)),
        (
            "good",
            format!("begun within {} ms, whole within {} ms", settings.slo_ttft_ms, settings.slo_turn_ms),
        ),
        ("notes", report.notes.join("; ")),
    ];
    let mut body = "<table>\n".to_owned();
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let value = escaped(value);
        let _ = writeln!(body, "<tr><th class=\"t\">{name}</th><td class=\"t\">{value}</td></tr>");
    }
    body += "</table>\n";
    if report.interrupted {
        body += "<p class=\"fail\">It was ended early.</p>\n";
    }
    body
}

fn bars(body: &mut String, report: &ServeReport) {
    if report.bars.is_empty() {
        return;
    }
    *body += "<h2>Bars</h2>\n<div class=\"wide\"><table>\n";
    for bar in &report.bars {
        let (class, verdict) = match bar.is_met() {
            Some(true) => ("pass", "met"),
            Some(false) => ("fail", "missed"),
            None => ("", ""),
        };
        let wanted = bar.bar.map(|wanted| wanted.to_string()).unwrap_or_default();
        let (what, figure) = (escaped(&bar.what), escaped(&bar.figure));
        let _ = writeln!(
            body,
            "<tr><td class=\"t\">{what}</td><td class=\"t\">{figure}</td><td>{wanted}</td><td class=\"{class}\">{verdict}</td></tr>"
        );
    }
    *body += "</table></div>\n";
}

fn runs(body: &mut String, report: &ServeReport) {
    *body += "<h2>Runs</h2>\n<p class=\"note\">Turns a second that were due, answered and good; times count from when a \
              turn was due.</p>\n<div class=\"wide\"><table>\n<tr><th class=\"t\">run</th><th>due/s</th><th>answered/s</th>\
              <th>good/s</th><th>good</th><th>errors</th><th>TTFT p50 ms</th><th>p99</th><th>turn p50 ms</th><th>p99</th></tr>\n";
    for run in &report.runs {
        let of = |measure, figure: fn(&Latency) -> f64| {
            run.latency(measure).map(|latency| time(figure(latency))).unwrap_or_default()
        };
        let _ = writeln!(
            body,
            "<tr><td class=\"t\">{}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.1} %</td><td>{:.2} %</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&run.name),
            run.per_second(run.due),
            run.per_second(run.answered),
            run.per_second(run.good),
            percent(run.good, run.due),
            percent(run.errors, run.due),
            of(Measure::First, |one| one.p50_ms),
            of(Measure::First, |one| one.p99_ms),
            of(Measure::Turn, |one| one.p50_ms),
            of(Measure::Turn, |one| one.p99_ms),
        );
    }
    *body += "</table></div>\n";
}

fn one(body: &mut String, run: &Run) {
    let told: Vec<_> = run.outcomes.iter().map(|(name, n)| format!("{n} {name}")).collect();
    let (name, told) = (escaped(&run.name), escaped(&told.join(", ")));
    let _ = writeln!(body, "<h2>{name}</h2>\n<p class=\"note\">{told}</p>");
    let all: Vec<&Latency> = Measure::ALL.iter().filter_map(|measure| run.latency(*measure)).collect();
    if !all.is_empty() {
        *body += "<h3>Latency by percentile</h3>\n";
        *body += &percentiles(&all);
        *body += "<h3>Share of turns within a time</h3>\n";
        *body += &shares(&all);
    }
    if run.timeline.len() > 1 {
        *body += "<h3>Second by second</h3>\n";
        if run.warmup > 0.0 {
            let _ = writeln!(body, "<p class=\"note\">The first {} s are warm-up.</p>", run.warmup);
        }
        *body += &seconds(run);
    }
    if !run.memory.is_empty() {
        *body += "<h3>Memory</h3>\n";
        *body += &memory(run);
    }
    table(body, run);
}

/// Times against 1/(1 − share), so that each nine takes as much room.
fn percentiles(all: &[&Latency]) -> String {
    let rest = |share: f64, count: u64| 1.0 / (1.0 - share).max(0.5 / count.max(1) as f64);
    let lines: Vec<Line> = all
        .iter()
        .map(|one| Line {
            name: one.measure.name().to_owned(),
            points: one.curve.iter().map(|(share, ms)| (rest(*share, one.count), *ms)).collect(),
        })
        .collect();
    let mut x = Axis::powers("percentile", lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x));
    let named = [(1.0, "0"), (2.0, "50"), (10.0, "90"), (100.0, "99"), (1000.0, "99.9"), (10_000.0, "99.99")];
    x.ticks =
        named.iter().filter(|(at, _)| *at <= x.high).map(|(at, name)| (*at, (*name).to_owned())).collect();
    plot(&x, &Axis::powers("ms", values(&lines)), &lines)
}

fn shares(all: &[&Latency]) -> String {
    let lines: Vec<Line> = all
        .iter()
        .map(|one| Line {
            name: one.measure.name().to_owned(),
            points: one.curve.iter().map(|(share, ms)| (*ms, share * 100.0)).collect(),
        })
        .collect();
    let x = Axis::powers("ms", lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x));
    plot(&x, &Axis::even("% of turns", 100.0), &lines)
}

fn seconds(run: &Run) -> String {
    let line = |name: &str, figure: fn(&super::Second) -> u64| Line {
        name: name.to_owned(),
        points: run.timeline.iter().map(|second| (second.second as f64, figure(second) as f64)).collect(),
    };
    let mut lines = vec![
        line("due", |second| second.due),
        line("answered", |second| second.answered),
        line("good", |second| second.good),
        line("failed or broken", |second| second.failed + second.broken),
        line("refused", |second| second.refused),
        line("unsent", |second| second.unsent),
        line("cancelled", |second| second.cancelled),
    ];
    lines.retain(|line| line.points.iter().any(|(_, n)| *n > 0.0));
    let most = values(&lines).fold(0.0, f64::max);
    plot(&Axis::even("s", run.timeline.len() as f64), &Axis::even("turns", most), &lines)
}

fn memory(run: &Run) -> String {
    let mebibytes = |(at, bytes): &(f64, u64)| (*at, *bytes as f64 / f64::from(1 << 20));
    let lines: Vec<Line> = run
        .memory
        .iter()
        .map(|one| Line { name: one.name.clone(), points: one.points.iter().map(mebibytes).collect() })
        .collect();
    let long = lines.iter().flat_map(|line| &line.points).map(|(at, _)| *at).fold(0.0, f64::max);
    let most = values(&lines).fold(0.0, f64::max);
    plot(&Axis::even("s", long), &Axis::even("MiB", most), &lines)
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y)
}

fn table(body: &mut String, run: &Run) {
    *body += "<div class=\"wide\"><table>\n<tr><th class=\"t\">what</th><th class=\"t\">turns</th><th>n</th><th>mean ms</th>\
              <th>p50</th><th>p90</th><th>p95</th><th>p99</th><th>p99.9</th><th>most</th></tr>\n";
    for one in &run.latencies {
        let kind = one.kind.map_or("all", super::Kind::name);
        let _ = write!(
            body,
            "<tr><td class=\"t\">{}</td><td class=\"t\">{kind}</td><td>{}</td>",
            one.measure.name(),
            one.count
        );
        for ms in [one.mean_ms, one.p50_ms, one.p90_ms, one.p95_ms, one.p99_ms, one.p999_ms, one.max_ms] {
            let _ = write!(body, "<td>{}</td>", time(ms));
        }
        *body += "</tr>\n";
    }
    *body += "</table></div>\n";
}

/// A text that HTML takes for nothing but a text.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
