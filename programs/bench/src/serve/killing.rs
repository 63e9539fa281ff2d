//! One replica of each service is killed in turn while the load goes on: how many turns notice, and how long.

use std::time::Duration;

use anyhow::{Result, ensure};
use fondue_fleet::{Fleet, Service};
use fondue_terminal::interrupt::Interrupt;
use tokio::time::{Instant, sleep_until};

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

/// How long a killed one stays away before it is started again.
const AWAY: Duration = Duration::from_secs(3);
/// p99 is as before when it is below this many times what it was, or this much above it.
const NORMAL: f64 = 1.5;
const NORMAL_MS: f64 = 250.0;
/// The bars: share of turns with errors, and seconds until p99 is as before.
const ERRORS: f64 = 0.02;
const RECOVERY: f64 = 10.0;

/// A death.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Death {
    service: Service,
    /// Seconds since the run's beginning.
    at: f64,
}

/// What a death did.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Felt {
    errors: u64,
    /// Seconds from the death to the end of the last second that was not as before.
    until_normal: f64,
}

/// Loads them and kills.
pub(super) async fn measure(args: &ServeArgs, site: &Site, subject: &mut Subject) -> Result<Measured> {
    let target = subject.target()?;
    let fleet = subject.fleet()?;
    for service in Service::LEAVES {
        let n = fleet.replicas(service).count();
        ensure!(n >= 2, "--kill-each needs 2 replicas of each service, not {n}; see --replicas");
    }
    let arrivals = schedule(args.seed, Pace::Steady(args.rate), args.warmup + args.duration, &site.manner);
    let load = Load::open(arrivals, args.warmup, args.duration);
    // The first quarter tells what is normal; the last death has as long for its effects as the others.
    let part = args.duration / (Service::LEAVES.len() + 1) as f64;
    let planned: Vec<Death> = Service::LEAVES
        .into_iter()
        .enumerate()
        .map(|(n, service)| Death { service, at: args.warmup + part * (n + 1) as f64 })
        .collect();
    let name = format!("{} turns/s, one of each service killed", args.rate);
    let (run, killed) = tokio::join!(site.run(&target, name, load), kill(fleet, &planned, &site.interrupt));
    let (run, deaths) = (run?, killed?);
    let mut measured = Measured::default();
    for (death, felt) in deaths.iter().zip(felt(&run.timeline, &deaths, args.warmup)) {
        measured.notes.push(format!(
            "{} killed at {:.0} s: {} errors, p99 as before after {:.0} s",
            death.service, death.at, felt.errors, felt.until_normal
        ));
    }
    measured.bars = bars(&felt(&run.timeline, &deaths, args.warmup), run.errors + run.lacking, run.due);
    measured.runs.push(run);
    Ok(measured)
}

/// Kills the first replica of each when it is due and starts it again a little later; gives when it was done.
async fn kill(fleet: &mut Fleet, planned: &[Death], interrupt: &Interrupt) -> Result<Vec<Death>> {
    let (start, mut deaths) = (Instant::now(), Vec::new());
    for death in planned {
        tokio::select! {
            () = interrupted(interrupt) => break,
            () = sleep_until(start + Duration::from_secs_f64(death.at)) => {}
        }
        let Some(replica) = fleet.replica(death.service, 0) else { continue };
        replica.kill().await;
        let killed = Instant::now();
        deaths.push(Death { at: (killed - start).as_secs_f64(), ..*death });
        sleep_until(killed + AWAY).await;
        replica.restart().await?;
    }
    Ok(deaths)
}

/// What each death did, until the next one.
fn felt(timeline: &[Second], deaths: &[Death], warmup: f64) -> Vec<Felt> {
    let first = deaths.first().map_or(f64::INFINITY, |death| death.at);
    let before = timeline
        .iter()
        .filter(|second| second.second as f64 >= warmup && ((second.second + 1) as f64) <= first);
    let usual: Vec<f64> = before.filter_map(|second| second.turn_p99_ms).collect();
    // Seconds have few turns each: their own worst ones are what is usual.
    let usual = percentile(&usual, 0.99);
    let most = (usual * NORMAL).max(usual + NORMAL_MS);
    let errors = |second: &Second| second.refused + second.failed + second.broken + second.lacking;
    deaths
        .iter()
        .enumerate()
        .map(|(n, death)| {
            let next = deaths.get(n + 1).map_or(f64::INFINITY, |next| next.at);
            let after = timeline.iter().filter(|second| {
                (second.second + 1) as f64 > death.at && ((second.second + 1) as f64) <= next
            });
            let mut felt = Felt { errors: 0, until_normal: 0.0 };
            for second in after {
                felt.errors += errors(second);
                if errors(second) > 0 || second.turn_p99_ms.is_some_and(|ms| ms > most) {
                    felt.until_normal = (second.second + 1) as f64 - death.at;
                }
            }
            felt
        })
        .collect()
}

fn bars(felt: &[Felt], errors: u64, due: u64) -> Vec<Bar> {
    let part = share(errors as f64, due as f64);
    let worst = felt.iter().map(|felt| felt.until_normal).fold(0.0, f64::max);
    let all = felt.len() == Service::LEAVES.len();
    vec![
        Bar {
            what: "turns that got an error, or lacked their picture".to_owned(),
            figure: format!("{:.2} % ({errors} of {due})", 100.0 * part),
            value: part,
            bar: all.then_some(Wanted::AtMost(ERRORS)),
        },
        Bar {
            what: "longest time until p99 was as before".to_owned(),
            figure: format!("{worst:.1} s of {} deaths", felt.len()),
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
    fn a_death_is_felt_until_the_last_second_that_is_not_as_before() {
        let mut timeline: Vec<_> = (0..40).map(|n| second(n, 100.0, 0)).collect();
        timeline[1] = second(1, 9000.0, 0); // warm-up
        timeline[10] = second(10, 100.0, 2);
        timeline[12] = second(12, 351.0, 0);
        timeline[13] = second(13, 349.0, 0); // as before, or nearly
        timeline[25] = second(25, 100.0, 1);
        let deaths = [(Service::Vision, 10.5), (Service::Language, 20.0), (Service::Retrieval, 30.0)]
            .map(|(service, at)| Death { service, at });
        let felt = felt(&timeline, &deaths, 5.0);
        assert_eq!(
            felt,
            [
                Felt { errors: 2, until_normal: 2.5 },
                Felt { errors: 1, until_normal: 6.0 },
                Felt { errors: 0, until_normal: 0.0 }
            ]
        );
        let met: Vec<_> = bars(&felt, 3, 150).iter().map(Bar::is_met).collect();
        assert_eq!(met, [Some(true), Some(true)]);
        assert_eq!(bars(&felt, 4, 150)[0].is_met(), Some(false));
        // Ended early: not judged.
        assert_eq!(bars(&felt[..2], 0, 150)[0].is_met(), None);
    }
}
