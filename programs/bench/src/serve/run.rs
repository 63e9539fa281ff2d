//! One run of a load: made, counted, watched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use fondue_terminal::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    album::Album,
    caller::{Asking, Caller},
    load::Loader,
    outcome::Outcome,
    record::{Clock, Record},
    report::{Memory, Run},
    schedule::{Arrival, Manner},
    subject::Target,
    tally::{Slo, Tally},
};

/// Records under way between turns and their count.
const RECORDS: usize = 4096;
/// How often memory is looked at, and the bar moves.
const LOOK: Duration = Duration::from_millis(500);

/// What all runs have in common.
pub(crate) struct Site {
    pub(crate) manner: Manner,
    pub(crate) asking: Asking,
    pub(crate) slo: Slo,
    pub(crate) max_open: usize,
    pub(crate) album: Album,
    pub(crate) interrupt: Interrupt,
}

/// A load.
pub(crate) struct Load {
    arrivals: Vec<Arrival>,
    /// So many callers that wait; none: arrivals that do not.
    callers: Option<usize>,
    /// Seconds that do not count, and that do.
    warmup: f64,
    seconds: f64,
}

impl Load {
    /// Arrivals on time.
    pub(crate) fn open(arrivals: Vec<Arrival>, warmup: f64, seconds: f64) -> Self {
        Self { arrivals, callers: None, warmup, seconds }
    }

    /// Callers that wait for their answers.
    pub(crate) fn closed(arrivals: Vec<Arrival>, callers: usize, warmup: f64, seconds: f64) -> Self {
        Self { arrivals, callers: Some(callers), warmup, seconds }
    }
}

impl Site {
    /// Makes a load and gives what came of it.
    ///
    /// # Errors
    /// If the target's address is none.
    pub(crate) async fn run(&self, target: &Target, name: String, load: Load) -> Result<Run> {
        let Load { arrivals, callers, warmup, seconds } = load;
        let caller = Arc::new(Caller::new(&target.url, self.album.clone(), self.asking.clone())?);
        let (records, received) = mpsc::channel(RECORDS);
        let (open, clock) = (Arc::new(AtomicUsize::new(0)), Clock::start());
        let (from, to) = (Duration::from_secs_f64(warmup), Duration::from_secs_f64(warmup + seconds));
        let bar = bar(&name, to)?;
        let watching = Watching { clock, open: Arc::clone(&open), bar, target: target.clone() };
        let counting = tokio::spawn(watching.count(received, Tally::new(from, to, self.slo)));
        let loader = Loader { caller, clock, interrupt: self.interrupt.clone(), records, open };
        let unfinished = match callers {
            Some(callers) => loader.closed_loop(arrivals, callers, to).await,
            None => loader.open_loop(arrivals, self.max_open).await,
        };
        let ended = clock.now();
        drop(loader); // the last of the senders, once the turns have ended
        let (mut tally, memory) = counting.await?;
        if unfinished > 0 {
            tally.counts.insert(Outcome::Unfinished.to_string(), unfinished as u64);
        }
        let seconds = if self.interrupt.came() {
            seconds.min(ended.saturating_sub(from).as_secs_f64())
        } else {
            seconds
        };
        Ok(Run {
            name,
            seconds,
            warmup,
            due: tally.due,
            answered: tally.answered,
            good: tally.good,
            lacking: tally.lacking,
            errors: tally.errors,
            texts: tally.texts,
            latencies: tally.latencies(),
            timeline: tally.timeline(),
            outcomes: tally.counts,
            memory,
        })
    }
}

fn bar(name: &str, length: Duration) -> Result<ProgressBar> {
    let bar = ProgressBar::new(length.as_secs());
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} s {msg}")?);
    bar.set_prefix(name.to_owned());
    Ok(bar)
}

/// Who counts, and watches meanwhile.
struct Watching {
    clock: Clock,
    open: Arc<AtomicUsize>,
    bar: ProgressBar,
    target: Target,
}

impl Watching {
    async fn count(self, mut records: mpsc::Receiver<Record>, mut tally: Tally) -> (Tally, Vec<Memory>) {
        let mut memory: Vec<Memory> = Vec::new();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                record = records.recv() => match record {
                    Some(record) => tally.add(&record),
                    None => break,
                },
                _ = ticks.tick() => self.look(&tally, &mut memory),
            }
        }
        self.bar.finish_and_clear();
        (tally, memory)
    }

    fn look(&self, tally: &Tally, memory: &mut Vec<Memory>) {
        let now = self.clock.now().as_secs_f64();
        for (name, bytes) in self.target.resident() {
            match memory.iter_mut().find(|known| known.name == name) {
                Some(known) => known.points.push((now, bytes)),
                None => memory.push(Memory { name, points: vec![(now, bytes)] }),
            }
        }
        let open = self.open.load(Ordering::Relaxed);
        let (answered, good, errors) = (tally.answered, tally.good, tally.errors);
        self.bar.set_position(now as u64);
        self.bar.set_message(format!("{open} open, {answered} answered, {good} good, {errors} errors"));
    }
}
