//! The promise about memory and time, on files that are nothing but small objects. A test binary of its own, since
//! the peak of a process's memory is shared by all of its tests.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fondue_pickle::Archive;

/// Kilobytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Makes the peak what is in use now; Linux's way.
fn reset() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// `start`, then `unit` as often as fits, then `end`.
fn filled(start: &[u8], unit: &[u8], end: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend(unit.repeat(size / unit.len()));
    bytes.extend(end);
    bytes
}

#[test]
fn little_files_cannot_take_much() {
    const SIZE: usize = 4 << 20;
    let long = {
        let mut bytes = b"X\x00\x00\x10\x00".to_vec(); // a text of 1 MiB
        bytes.extend([b'a'; 1 << 20]);
        bytes
    };
    let twice = [b"}q\x00", &*long, b"q\x01", &*long, b"q\x02"].concat();
    let latin = {
        let mut bytes = b"c_codecs\nencode\nq\x00X\x00\x00\x10\x00".to_vec();
        bytes.extend("ÿ".as_bytes().repeat(1 << 19));
        bytes.extend(b"Vlatin1\n\x86q\x01");
        bytes
    };
    let files = [
        ("lists", filled(b"", b"]", b".", SIZE)),
        ("dicts", filled(b"", b"}", b".", SIZE)),
        ("remembered lists", filled(b"", b"]\x94", b".", SIZE)),
        ("marks", filled(b"", b"(", b"N.", SIZE)),
        ("one long list", filled(b"](", b"]", b"e.", SIZE)),
        ("list by list", filled(b"]", b"]a", b".", SIZE)),
        ("two lists by turns", filled(b"]q\x000]q\x01h\x00", b"Na20h\x01Na0h\x00", b".", SIZE)),
        ("one dict of empty keys", filled(b"}", b"C\x00Ns", b".", SIZE)),
        ("one dict of two long keys, repeated", filled(&twice, b"h\x00h\x01Nsh\x00h\x02Ns00", b"00.", SIZE)),
        ("one dict of numbers", {
            let pairs =
                (0..SIZE as u32 / 7).flat_map(|n| [b"J".as_slice(), &n.to_le_bytes()[..], b"Ns"].concat());
            [b"}".to_vec(), pairs.collect(), b".".to_vec()].concat()
        }),
        ("far memo numbers", {
            let puts = (0..SIZE as u32 / 5).flat_map(|n| [b"r".as_slice(), &(!n).to_le_bytes()[..]].concat());
            [b"N".to_vec(), puts.collect(), b".".to_vec()].concat()
        }),
        ("texts of one line", filled(b"", b"V\xff\n", b".", SIZE)),
        ("a text encoded again and again", filled(&latin, b"h\x00h\x01R", b".", SIZE)),
    ];
    for (name, bytes) in files {
        // Half of what is promised: memory that was set aside but not written does not count here.
        let allowed = 48 * bytes.len() as u64 + (1 << 20);
        reset();
        let (before, begin) = (peak(), Instant::now());
        let read = Archive::from_bytes(Path::new(name), bytes);
        let (time, added) = (begin.elapsed(), (peak() - before) * 1024);
        println!(
            "{name}: {time:?}, {} MiB more, {:?}",
            added >> 20,
            read.map(|archive| archive.root().kind())
        );
        assert!(added < allowed, "{name} took {added} bytes, {allowed} are allowed");
        // Each takes a fraction of a second; a square of their size would take minutes.
        assert!(time < Duration::from_secs(3), "{name} took {time:?}");
    }
}
