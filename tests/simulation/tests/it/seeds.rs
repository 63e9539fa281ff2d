//! Seeds, shared out among threads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use fondue_simulation::{chance::seeded, cluster, journal::Journal, laws, plan::Plan};

#[allow(clippy::disallowed_methods)] // a test has no command line of its own
fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: `{text}` is no number")))
}

/// Plays one course.
pub(crate) fn play(plan: &Plan) -> Journal {
    seeded(plan.seed, || cluster::run(plan)).unwrap()
}

/// Plays the plans of many seeds and holds each to the laws.
pub(crate) fn hold(plan: fn(u64) -> Plan) {
    if let Some(seed) = variable("FONDUE_SEED") {
        let plan = plan(seed);
        let journal = play(&plan);
        eprintln!(
            "{:#?}\nlatency {:?}, stop {:?}\n{}",
            plan.faults,
            plan.latency,
            plan.stop,
            journal.shown(None)
        );
        let breaches = laws::breaches(&plan, &journal);
        assert!(breaches.is_empty(), "{breaches:#?}");
        return;
    }
    let n = variable("FONDUE_SEEDS").unwrap_or(200);
    let (next, wrong) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < n) {
                    let plan = plan(seed);
                    let journal = play(&plan);
                    for breach in laws::breaches(&plan, &journal) {
                        let shown = journal.shown(Some(breach.turn));
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("seed {seed}, turn {}: {}\n{shown}", breach.turn, breach.what));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} breaches in {n} courses; FONDUE_SEED=N plays one alone\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
}
