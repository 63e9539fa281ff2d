//! `fondue-churn ROOT SEED IDS PAUSE GENERATION…`: changes an index at random for ever, compacts and collects it beside
//! that each PAUSE milliseconds, and swaps its generations. Each line tells what begins, or what was acknowledged:
//!
//! ```text
//! put N VERSION ID,ID…   delete N ID,ID…   activate N GENERATION      begins
//! ok N GENERATION                                                     is done, by this generation
//! no N REASON                                                         was refused
//! compacted OLD NEW
//! ```

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fondue_churn::{SETTINGS, picture};
use fondue_index::{Index, IndexError};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// Changes between two swaps of the generation, on average.
const PERIOD: f64 = 12.0;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().context(what);
    let (root, seed, ids) = (next("ROOT")?, next("SEED")?.parse::<u64>()?, next("IDS")?.parse()?);
    let pause = Duration::from_millis(next("PAUSE")?.parse()?);
    let built: Vec<String> = arguments.collect();
    let index = Index::open(root.as_ref(), SETTINGS)?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut number = seed.wrapping_mul(1_000_000);
    loop {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // Swaps wait until no compaction runs: one that is overtaken tells nothing.
            let keeper = scope.spawn(|| keep(&index, pause, &done));
            while !random.random_bool(1.0 / PERIOD) {
                number += 1;
                change(&index, &mut random, number, ids)?;
            }
            done.store(true, Ordering::Relaxed);
            keeper.join().ok().context("the keeper panicked")?
        })?;
        number += 1;
        let to = built.choose(&mut random).context("GENERATION")?;
        tell(&format!("activate {number} {to}"))?;
        match index.activate(to) {
            Ok((now, _)) => tell(&format!("ok {number} {now}"))?,
            // Everything that it held lives on in another one.
            Err(IndexError::NoGeneration { .. }) => tell(&format!("no {number} it was collected"))?,
            Err(error) => tell(&format!("no {number} {error}"))?,
        }
    }
}

/// Compacts and collects until it is done.
fn keep(index: &Index, pause: Duration, done: &AtomicBool) -> Result<()> {
    let mut last = Instant::now();
    while !done.load(Ordering::Relaxed) {
        if last.elapsed() < pause {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        last = Instant::now();
        match index.compact(&mut |_, _| true) {
            Ok(done) if done.generation == done.previous => {}
            Ok(done) => tell(&format!("compacted {} {}", done.previous, done.generation))?,
            // Files may not become large enough, when that is tried.
            Err(IndexError::NothingLeft | IndexError::Io { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        index.collect()?;
    }
    Ok(())
}

/// One batch.
fn change(index: &Index, random: &mut StdRng, number: u64, ids: u32) -> Result<()> {
    let mut some: Vec<u32> = (0..random.random_range(1..5)).map(|_| random.random_range(0..ids)).collect();
    some.sort_unstable();
    some.dedup();
    let list = some.iter().map(u32::to_string).collect::<Vec<_>>();
    let done = if random.random_bool(0.3) {
        tell(&format!("delete {number} {}", list.join(",")))?;
        index.delete(list).map(|done| done.generation)
    } else {
        let version = (number % 1_000_000_000) as u32;
        tell(&format!("put {number} {version} {}", list.join(",")))?;
        let batch = some.iter().map(|id| picture(*id, version)).collect::<Result<_>>()?;
        index.ingest(batch).map(|done| done.generation)
    };
    match done {
        Ok(generation) => tell(&format!("ok {number} {generation}")),
        Err(error) => tell(&format!("no {number} {error}")),
    }
}

/// A whole line at once: a kill must not leave half of one that others take for whole.
fn tell(line: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(format!("{line}\n").as_bytes())?)
}
