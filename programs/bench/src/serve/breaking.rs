//! One replica of each service is broken in turn while the load goes on: how many turns notice, and how long.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use fondue_fleet::{Conduct, Fleet, Link, Replica, Service};
use fondue_terminal::interrupt::Interrupt;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Measured,
    load::interrupted,
    report::Second,
    run::{Load, Site},
    schedule::{Pace, schedule},
    subject::Subject,
};
use crate::{
    cli::ServeArgs,
    limit::share,
    report::{Bar, Wanted},
    statistics::percentile,
};

/// Seconds from a break's end to the next break at least: as long as its effects may take.
const APART: f64 = 5.0;
/// p99 is as before when it is below this many times what it was, or this much above it.
const NORMAL: f64 = 1.5;
const NORMAL_MS: f64 = 250.0;
/// The bars: share of turns with errors, and seconds until p99 is as before.
const ERRORS: f64 = 0.02;
const RECOVERY: f64 = 10.0;
/// How a slow network is slow.
const SLOW: Conduct =
    Conduct { delay: Duration::from_millis(100), bytes_per_second: Some(64 << 10), link: Link::Up };
/// Between two resets of all connections.
const RESET_AGAIN: Duration = Duration::from_millis(500);

/// How a replica is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// kill -9, then started again on its port.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Freeze,
    /// What passes comes 100 ms late, 64 KiB a second.
    Slow,
    /// Connections stay, and nothing passes.
    Silence,
    /// All its connections are reset, twice a second.
    Reset,
}

impl How {
    /// Whether it befalls the network, so that there must be a proxy.
    pub(crate) fn needs_proxy(self) -> bool {
        matches!(self, Self::Slow | Self::Silence | Self::Reset)
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "killed",
            Self::Freeze => "frozen",
            Self::Slow => "slowed",
            Self::Silence => "silenced",
            Self::Reset => "reset",
        })
    }
}

/// A break.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Break {
    how: How,
    service: Service,
    /// Seconds since the run's beginning.
    at: f64,
}

/// What a break did.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Felt {
    errors: u64,
    /// Seconds from the break to the end of the last second that was not as before.
    until_normal: f64,
}

/// Loads them and breaks.
pub(super) async fn measure(args: &ServeArgs, site: &Site, subject: &mut Subject) -> Result<Measured> {
    let target = subject.target()?;
    let fleet = subject.fleet()?;
    for service in Service::LEAVES {
        let n = fleet.replicas(service).count();
        ensure!(n >= 2, "--break-each needs 2 replicas of each service, not {n}; see --replicas");
    }
    let hows = &args.break_each;
    let pairs: Vec<_> = hows.iter().flat_map(|how| Service::LEAVES.map(|service| (*how, service))).collect();
    // The first part tells what is normal; the last break has as long for its effects as the others.
    let part = args.duration / (pairs.len() + 1) as f64;
    ensure!(
        part >= args.away + APART,
        "{} breaks, each {} s long and {APART} s apart, take --duration {} at least",
        pairs.len(),
        args.away,
        ((args.away + APART) * (pairs.len() + 1) as f64).ceil()
    );
    let arrivals = schedule(args.seed, Pace::Steady(args.rate), args.warmup + args.duration, &site.manner);
    let load = Load::open(arrivals, args.warmup, args.duration);
    let planned: Vec<Break> = pairs
        .into_iter()
        .enumerate()
        .map(|(n, (how, service))| Break { how, service, at: args.warmup + part * (n + 1) as f64 })
        .collect();
    let names: Vec<_> = hows.iter().map(How::to_string).collect();
    let name = format!("{} turns/s, one of each service {}", args.rate, names.join(", then "));
    let away = Duration::from_secs_f64(args.away);
    let (run, breaks) =
        tokio::join!(site.run(&target, name, load), break_each(fleet, &planned, away, &site.interrupt));
    let (run, breaks) = (run?, breaks?);
    let mut measured = Measured::default();
    let unsent = run.timeline.iter().map(|second| second.unsent).sum::<u64>();
    let effects = felt(&run.timeline, &breaks, args.warmup);
    for (one, felt) in breaks.iter().zip(&effects) {
        measured.notes.push(format!(
            "{} {} at {:.0} s: {} errors, p99 as before after {:.0} s",
            one.service, one.how, one.at, felt.errors, felt.until_normal
        ));
    }
    measured.bars = bars(&effects, breaks.len() == planned.len(), run.errors + run.lacking + unsent, run.due);
    measured.runs.push(run);
    Ok(measured)
}

/// Breaks the first replica of each when it is due and mends it a little later; gives when it was done.
async fn break_each(
    fleet: &mut Fleet,
    planned: &[Break],
    away: Duration,
    interrupt: &Interrupt,
) -> Result<Vec<Break>> {
    let (start, mut breaks) = (Instant::now(), Vec::new());
    for one in planned {
        tokio::select! {
            () = interrupted(interrupt) => break,
            () = sleep_until(start + Duration::from_secs_f64(one.at)) => {}
        }
        let Some(replica) = fleet.replica(one.service, 0) else { continue };
        let begun = Instant::now();
        breaks.push(Break { at: (begun - start).as_secs_f64(), ..*one });
        broken(replica, one.how, begun + away).await?;
    }
    Ok(breaks)
}

/// Breaks one until then.
async fn broken(replica: &mut Replica, how: How, until: Instant) -> Result<()> {
    match how {
        How::Kill => {
            replica.kill().await;
            sleep_until(until).await;
            replica.restart().await?;
        }
        How::Freeze => {
            replica.freeze()?;
            sleep_until(until).await;
            replica.thaw()?;
        }
        How::Slow | How::Silence | How::Reset => {
            let proxy = replica.proxy().context("a network is broken by its proxy, and there is none")?;
            match how {
                How::Slow => proxy.set(SLOW),
                How::Silence => proxy.set(Conduct { link: Link::Silent, ..Conduct::CLEAR }),
                _ => {
                    while Instant::now() < until {
                        proxy.reset();
                        sleep(RESET_AGAIN).await;
                    }
                }
            }
            sleep_until(until).await;
            proxy.set(Conduct::CLEAR);
        }
    }
    Ok(())
}

/// What each break did, until the next one.
fn felt(timeline: &[Second], breaks: &[Break], warmup: f64) -> Vec<Felt> {
    let first = breaks.first().map_or(f64::INFINITY, |one| one.at);
    let before = timeline
        .iter()
        .filter(|second| second.second as f64 >= warmup && ((second.second + 1) as f64) <= first);
    let usual: Vec<f64> = before.filter_map(|second| second.turn_p99_ms).collect();
    let usual = percentile(&usual, 0.5);
    let most = (usual * NORMAL).max(usual + NORMAL_MS);
    let errors =
        |second: &Second| second.refused + second.failed + second.broken + second.lacking + second.unsent;
    breaks
        .iter()
        .enumerate()
        .map(|(n, one)| {
            let next = breaks.get(n + 1).map_or(f64::INFINITY, |next| next.at);
            let after = timeline
                .iter()
                .filter(|second| (second.second + 1) as f64 > one.at && ((second.second + 1) as f64) <= next);
            let mut felt = Felt { errors: 0, until_normal: 0.0 };
            for second in after {
                felt.errors += errors(second);
                if errors(second) > 0 || second.turn_p99_ms.is_some_and(|ms| ms > most) {
                    felt.until_normal = (second.second + 1) as f64 - one.at;
                }
            }
            felt
        })
        .collect()
}

fn bars(felt: &[Felt], all: bool, errors: u64, due: u64) -> Vec<Bar> {
    let part = share(errors as f64, due as f64);
    let worst = felt.iter().map(|felt| felt.until_normal).fold(0.0, f64::max);
    vec![
        Bar {
            what: "turns that got an error, lacked their picture, or were not sent".to_owned(),
            figure: format!("{:.2} % ({errors} of {due})", 100.0 * part),
            value: part,
            bar: all.then_some(Wanted::AtMost(ERRORS)),
        },
        Bar {
            what: "longest time until p99 was as before".to_owned(),
            figure: format!("{worst:.1} s of {} breaks", felt.len()),
            value: worst,
            bar: all.then_some(Wanted::AtMost(RECOVERY)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64, turn_p99_ms: f64, failed: u64) -> Second {
        Second { second, answered: 10, failed, turn_p99_ms: Some(turn_p99_ms), ..Second::default() }
    }

    #[test]
    fn a_break_is_felt_until_the_last_second_that_is_not_as_before() {
        let mut timeline: Vec<_> = (0..40).map(|n| second(n, 100.0, 0)).collect();
        timeline[1] = second(1, 9000.0, 0); // warm-up
        timeline[10] = second(10, 100.0, 2);
        timeline[12] = second(12, 351.0, 0);
        timeline[13] = second(13, 349.0, 0); // as before, or nearly
        timeline[25] = second(25, 100.0, 1);
        let breaks = [(Service::Vision, 10.5), (Service::Language, 20.0), (Service::Retrieval, 30.0)]
            .map(|(service, at)| Break { how: How::Kill, service, at });
        let felt = felt(&timeline, &breaks, 5.0);
        assert_eq!(
            felt,
            [
                Felt { errors: 2, until_normal: 2.5 },
                Felt { errors: 1, until_normal: 6.0 },
                Felt { errors: 0, until_normal: 0.0 }
            ]
        );
        let met: Vec<_> = bars(&felt, true, 3, 150).iter().map(Bar::is_met).collect();
        assert_eq!(met, [Some(true), Some(true)]);
        assert_eq!(bars(&felt, true, 4, 150)[0].is_met(), Some(false));
        // Ended early: not judged.
        assert_eq!(bars(&felt[..2], false, 0, 150)[0].is_met(), None);
    }
}
