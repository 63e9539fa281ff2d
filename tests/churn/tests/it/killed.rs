//! Many short lives.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fondue_churn::{SETTINGS, build};
use fondue_index::{Index, Root};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::told::Told;

/// Ids that are changed again and again.
const IDS: u32 = 40;
/// Generations that one life swaps.
const SWAPPED: usize = 3;
/// When no further life begins.
const ENOUGH: Duration = Duration::from_secs(20);

/// Three generations, the first active.
fn built(root: &Path) -> Told {
    let built: Vec<_> = [0..30, 5..20, 38..39].into_iter().map(|ids| build(root, ids).unwrap()).collect();
    Root::open(root).unwrap().activate(&built[0].0).unwrap();
    Told::new(built[0].0.clone(), built.into_iter().collect::<BTreeMap<_, _>>())
}

/// Runs a process that is killed after `life`. `before` is a shell's command that comes first.
fn live(
    root: &Path,
    seed: u64,
    life: Duration,
    pause: u32,
    swapped: &[&String],
    before: &str,
    told: &mut Told,
) {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{before} exec \"$@\""), "sh", env!("CARGO_BIN_EXE_fondue-churn")])
        .arg(root)
        .args([seed.to_string(), IDS.to_string(), pause.to_string()])
        .args(swapped)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            thread::sleep(life);
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(ended.is_none(), "it ended by itself: {ended:?}");
        });
        let mut lines = BufReader::new(out);
        let mut line = String::new();
        // Half a line is what the kill left.
        while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            told.hear(line.trim_end());
            line.clear();
        }
        killer.join().unwrap();
    });
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let root = tempfile::tempdir().unwrap();
    let mut told = built(root.path());
    let mut random = StdRng::seed_from_u64(20_261_126);
    let (mut lives, begun) = (0, Instant::now());
    let mut there = told.check(root.path());
    while begun.elapsed() < ENOUGH {
        let life = Duration::from_micros(random.random_range(3_000..200_000));
        let swapped: Vec<&String> = there.sample(&mut random, SWAPPED).collect();
        live(root.path(), lives, life, (lives % 3) as u32 * 10, &swapped, "", &mut told);
        there = told.check(root.path());
        lives += 1;
    }
    let Told { acknowledged, activated, compacted, collected, .. } = told;
    println!(
        "{lives} lives: {acknowledged} changes, {activated} swaps, {compacted} compactions, {collected} gone"
    );
    assert!(acknowledged > 50 && activated > 3 && compacted > 5 && collected > 3 && lives > 10);
    tidied(root.path());
}

#[test]
fn a_disk_without_room_refuses_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut told = built(root.path());
    let mut there = told.check(root.path());
    for seed in 0..3 {
        let swapped: Vec<&String> = there.iter().take(1).collect();
        // No file may have more than these blocks, of 512 bytes or of 1024 as the shell will have it: the log has not
        // room for long, until it is compacted.
        let room = "trap '' XFSZ; ulimit -f 64;";
        live(root.path(), seed, Duration::from_millis(2500), 400, &swapped, room, &mut told);
        there = told.check(root.path());
    }
    let Told { acknowledged, refused, recovered, .. } = told;
    println!("{acknowledged} changes, {refused} refused, {recovered} after that");
    assert!(refused > 3 && recovered > 3, "{acknowledged} {refused} {recovered}");
    tidied(root.path());
}

/// Nothing is left over that nobody can ask for.
fn tidied(root: &Path) {
    let index = Index::open(root, SETTINGS).unwrap();
    index.ingest(vec![fondue_churn::picture(1, 1).unwrap()]).unwrap();
    index.compact(&mut |_, _| true).unwrap();
    index.collect().unwrap();
    let names = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("generations"), index.generations().unwrap());
    for log in names("changes") {
        assert!(index.generations().unwrap().iter().any(|id| log == format!("{id}.log")), "{log}");
    }
}
