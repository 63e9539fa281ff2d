//! Load for minutes: 64 dialogues at once in a pool for two, some of which leave or run out of time, each finished answer
//! compared with what it is alone.
//!
//! `cargo run --release -p fondue-engine --example soak -- 300` runs for 300 seconds. It prints answers compared and
//! differing, blocks of keys and values left, and resident memory at the beginning and at the end; it fails if an answer
//! differs or a block is left.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../tests/it/crowd.rs"]
mod crowd;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fondue_engine::{KvBudget, LanguageEngine, LanguageLimits};
use fondue_model::{LanguageModel, Placement, Tokenizer, placement::set_threads, weights::unwatched};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crowd::{Fate, Said, Turn, answer, long, turn};

/// Turns that differ; each is run many times.
const TURNS: u64 = 256;
const DIALOGUES: usize = 64;

const ALONE: LanguageLimits = LanguageLimits {
    slots: 1,
    queue: 0,
    prefill_rows: 512,
    prefill_stretch: 2.0,
    kv: KvBudget::UpTo(usize::MAX),
    prefix_cache: false,
};

fn engine(limits: LanguageLimits) -> LanguageEngine {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
    let tokenizer = Tokenizer::load(&folder.join("opt")).unwrap();
    let ret = tokenizer.ret();
    let load = move || {
        LanguageModel::load(&folder.join("opt"), &folder.join("fromage"), ret, Placement::CPU_F32, &unwatched)
    };
    LanguageEngine::spawn(load, tokenizer, limits).unwrap()
}

/// MiB of resident memory.
fn resident() -> usize {
    let told = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap_or(0) / 1024
}

#[derive(Default)]
struct Tally {
    compared: AtomicUsize,
    differing: AtomicUsize,
    cut_off: AtomicUsize,
}

/// One dialogue after another until the time is over.
async fn talk(
    seed: u64,
    engine: LanguageEngine,
    turns: Arc<Vec<(Turn, Said)>>,
    tally: Arc<Tally>,
    end: Instant,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    while Instant::now() < end {
        let number = rng.random_range(0..turns.len());
        let (mut turn, alone) = turns[number].clone();
        turn.fate = match rng.random_range(0..8) {
            0 => Fate::Left(rng.random_range(0..40)),
            1 => Fate::Hurried(rng.random_range(0..3000)),
            _ => Fate::Finished,
        };
        match answer(&engine, turn).await {
            None => _ = tally.cut_off.fetch_add(1, Relaxed),
            Some(said) => {
                tally.compared.fetch_add(1, Relaxed);
                if !said.is(&alone) {
                    tally.differing.fetch_add(1, Relaxed);
                    println!("turn {number} differs: {said:?}, alone {alone:?}");
                }
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(60, |text| text.parse().expect("seconds"));
    set_threads(1);
    let single = engine(ALONE);
    let mut turns = Vec::new();
    for number in 0..TURNS {
        let mut turn = if number % 16 == 0 { long(&single, number) } else { turn(&single, number) };
        turn.fate = Fate::Finished;
        let said = answer(&single, turn.clone()).await.unwrap();
        turns.push((turn, said));
    }
    let kv = KvBudget::Bytes(64 * single.facts().kv_block_bytes);
    drop(single);
    let crowd = engine(LanguageLimits { slots: 16, queue: DIALOGUES, kv, prefix_cache: true, ..ALONE });
    let (turns, tally) = (Arc::new(turns), Arc::new(Tally::default()));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let talks = (0..DIALOGUES as u64)
        .map(|seed| tokio::spawn(talk(seed, crowd.clone(), Arc::clone(&turns), Arc::clone(&tally), end)));
    let talks: Vec<_> = talks.collect();
    tokio::time::sleep(Duration::from_secs(seconds) / 10).await;
    let at_first = resident();
    for talk in talks {
        talk.await.unwrap();
    }
    while crowd.load() != (0, 0) || crowd.kv().used > 0 {
        assert!(Instant::now() < end + Duration::from_secs(60), "blocks are lost: {:?}", crowd.kv());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (compared, differing) = (tally.compared.load(Relaxed), tally.differing.load(Relaxed));
    println!("{:.0} s, {DIALOGUES} dialogues at once", begun.elapsed().as_secs_f64());
    println!("answers compared {compared}, differing {differing}, cut off {}", tally.cut_off.load(Relaxed));
    println!("{:?}", crowd.kv());
    println!("resident memory: {at_first} MiB after a tenth of the time, {} MiB at the end", resident());
    assert!(compared > 0 && differing == 0);
}
