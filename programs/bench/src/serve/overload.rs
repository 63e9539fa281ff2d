//! Several times as many turns as the services can do: what is answered still, how soon the others hear that they are not, and
//! whether memory stays.

use anyhow::Result;

use super::{
    Measured,
    report::{Measure, Run},
    run::{Load, Site},
    schedule::{Pace, queue, schedule},
    subject::Subject,
};
use crate::{
    cli::ServeArgs,
    limit::share,
    report::{Bar, Wanted},
};

/// Callers that wait, on the way to what the services can do. A gateway takes 64 turns at once by default.
const CALLERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Another step is worth it while goodput grows by so much.
const GROWTH: f64 = 1.03;
/// Seconds before a step counts.
const STEP_WARMUP: f64 = 1.0;
/// Arrivals that those callers take, round and round.
const QUEUE: usize = 2000;
/// Memory is compared with what it is after so many seconds.
const SETTLED: f64 = 10.0;
/// The bars: goodput to capacity, a refusal's time in milliseconds, and how much memory may grow.
const GOODPUT: f64 = 0.9;
const REFUSAL_MS: f64 = 10.0;
const MEMORY: f64 = 1.1;

/// Finds what they can do, then asks for `factor` times that.
pub(super) async fn measure(
    args: &ServeArgs,
    site: &Site,
    subject: &Subject,
    factor: f64,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let (mut capacity, mut best, mut without_gain) = (0.0, 0, 0);
    for callers in CALLERS {
        let load = Load::closed(queue(args.seed, QUEUE, &site.manner), callers, STEP_WARMUP, args.step);
        let name = if callers == 1 { "1 caller".to_owned() } else { format!("{callers} callers") };
        let run = site.run(&subject.target()?, name, load).await?;
        let good = run.per_second(run.good);
        measured.runs.push(run);
        if site.interrupt.came() {
            return Ok(measured);
        }
        without_gain = if good >= capacity * GROWTH { 0 } else { without_gain + 1 };
        if good > capacity {
            (capacity, best) = (good, callers);
        }
        if without_gain == 2 {
            break;
        }
    }
    anyhow::ensure!(
        capacity > 0.0,
        "not one turn was good; allow more with --slo-ttft-ms and --slo-turn-ms, or look at the services' logs"
    );
    let rate = factor * capacity;
    let arrivals = schedule(args.seed, Pace::Steady(rate), args.warmup + args.duration, &site.manner);
    let load = Load::open(arrivals, args.warmup, args.duration);
    let run = site.run(&subject.target()?, format!("{factor} times capacity"), load).await?;
    // Once more: the best of several is more than what is usual, and the machine may be busier or freer than it was.
    let load = Load::closed(queue(args.seed, QUEUE, &site.manner), best, STEP_WARMUP, args.step);
    let again = site.run(&subject.target()?, format!("{best} callers again"), load).await?;
    if !site.interrupt.came() {
        capacity = f64::midpoint(capacity, again.per_second(again.good));
        measured.notes.push(format!(
            "capacity: {capacity:.2} good turns/s with {best} callers that wait, the mean of before and after; asked for {rate:.2}"
        ));
        measured.bars = bars(&run, capacity);
    }
    measured.runs.extend([run, again]);
    Ok(measured)
}

fn bars(run: &Run, capacity: f64) -> Vec<Bar> {
    let good = run.per_second(run.good);
    let kept = share(good, capacity);
    let mut bars = vec![Bar {
        what: format!("goodput at {}, to capacity", run.name),
        figure: format!("{:.1} % ({good:.2} of {capacity:.2} turns/s)", 100.0 * kept),
        value: kept,
        bar: Some(Wanted::AtLeast(GOODPUT)),
    }];
    let late = run.latency(Measure::Lag).map_or(0.0, |lag| lag.p99_ms);
    let refusal = run.latency(Measure::Refusal);
    bars.push(Bar {
        what: "a refusal, p99, in ms since it was due".to_owned(),
        figure: refusal.map_or("nothing was refused".to_owned(), |one| {
            format!(
                "{:.2} ms; p50 {:.2} ms, of {}; turns were sent {late:.2} ms late at p99",
                one.p99_ms, one.p50_ms, one.count
            )
        }),
        // Nothing refused is nothing shown.
        value: refusal.map_or(f64::NAN, |one| one.p99_ms),
        bar: Some(Wanted::AtMost(REFUSAL_MS)),
    });
    let end = run.warmup + run.seconds;
    for memory in run.memory.iter().filter(|_| end > SETTLED) {
        let (Some(before), Some(later)) = (memory.most(0.0, SETTLED), memory.most(SETTLED, f64::INFINITY))
        else {
            continue;
        };
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ratio = share(later as f64, before as f64);
        let detail = format!("{:.1} against {:.1} MiB", mebibytes(later), mebibytes(before));
        let what = format!("{}: most memory later, to the first {SETTLED} s", memory.name);
        bars.push(Bar::ratio(what, ratio, Some(Wanted::AtMost(MEMORY)), &detail));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::report::{Latency, Memory};

    fn run(good: u64, refusal_ms: Option<f64>) -> Run {
        let latency = |ms: f64| Latency {
            measure: Measure::Refusal,
            kind: None,
            count: 9,
            mean_ms: ms,
            p50_ms: ms / 2.0,
            p90_ms: ms,
            p95_ms: ms,
            p99_ms: ms,
            p999_ms: ms,
            max_ms: ms,
            curve: Vec::new(),
        };
        let memory = |name: &str, later| Memory {
            name: name.to_owned(),
            points: vec![(0.0, 50), (5.0, 100), (11.0, later), (30.0, 90)],
        };
        Run {
            name: "5 times capacity".to_owned(),
            seconds: 60.0,
            warmup: 5.0,
            due: 6000,
            answered: good,
            good,
            lacking: 0,
            errors: 0,
            outcomes: Default::default(),
            texts: 0,
            latencies: refusal_ms.map(latency).into_iter().collect(),
            timeline: Vec::new(),
            memory: vec![memory("gateway", 110), memory("language-0", 120)],
        }
    }

    #[test]
    fn bars_are_of_goodput_refusals_and_memory() {
        let met = |run: &Run| bars(run, 20.0).iter().map(Bar::is_met).collect::<Vec<_>>();
        assert_eq!(met(&run(1080, Some(9.9))), [Some(true), Some(true), Some(true), Some(false)]);
        assert_eq!(met(&run(1079, Some(10.1))), [Some(false), Some(false), Some(true), Some(false)]);
        assert_eq!(met(&run(1200, None))[1], Some(false));
    }
}
