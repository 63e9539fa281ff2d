//! Good files after bits were flipped, bytes replaced and ends cut, in thousands of fixed ways.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fondue_pickle::{Archive, View};

use crate::{data, read};

/// A generator with a fixed seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) % sides as u64) as usize
    }
}

/// Asks for everything in an archive, by at most so many steps.
pub(crate) fn touch(archive: &Archive) {
    let mut open: Vec<View<'_>> = vec![archive.root()];
    for _ in 0..20_000 {
        let Some(view) = open.pop() else { return };
        let _ = (view.kind(), view.as_str(), view.as_bytes(), view.as_i64(), view.as_f64(), view.as_bool());
        if let Some(array) = view.as_array() {
            let len = if array.shape.contains(&0) { 0 } else { array.shape.iter().product::<usize>() };
            assert_eq!(array.bytes.len(), len * array.dtype.size());
        }
        if let Some(tensor) = view.as_tensor()
            && let Some(bytes) = tensor.contiguous()
        {
            assert_eq!(bytes.len(), tensor.len() * tensor.dtype.size());
        }
        open.extend(view.as_list().or(view.as_tuple()).iter().flat_map(|items| items.iter()));
        for (key, value) in view.as_dict().iter().flat_map(|dict| dict.iter()) {
            if let Some(name) = key.as_str() {
                assert!(view.get(name).is_some(), "a key is not found");
            }
            open.extend([key, value]);
        }
    }
}

fn damage(name: &str, times: usize) {
    let good = std::fs::read(data(name)).unwrap();
    let mut dice = Dice(name.len() as u64);
    let mut n_read = 0;
    for _ in 0..times {
        let mut bytes = good.clone();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len());
            match dice.roll(6) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = dice.roll(256) as u8,
                2 => bytes.insert(at, dice.roll(256) as u8),
                3 => {
                    bytes.remove(at);
                    if bytes.is_empty() {
                        bytes.push(b'.');
                    }
                }
                4 => {
                    let from = dice.roll(bytes.len());
                    let part = bytes[from..(from + dice.roll(16)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => bytes[at] ^= 1 << dice.roll(8),
            }
        }
        let begin = Instant::now();
        if let Ok(archive) = read(bytes) {
            n_read += 1;
            touch(&archive);
        }
        assert!(begin.elapsed() < Duration::from_secs(1), "{name}");
    }
    assert!(n_read < times, "{name}: damage always went unnoticed");
}

#[test]
fn damaged_pickles() {
    for protocol in 0..=5 {
        damage(&format!("embeddings.{protocol}.pkl"), 5000);
    }
    damage("numpy1.3.pkl", 5000);
    damage("tensors.4.pkl", 5000);
}

#[test]
fn damaged_checkpoints() {
    for name in ["checkpoint.pth.tar", "checkpoint.4.bin", "plain_zip.bin"] {
        damage(name, 5000);
    }
}

#[test]
fn every_bit_of_small_files() {
    for name in ["embeddings.2.pkl", "embeddings.5.pkl", "numpy1.3.pkl", "plain_zip.bin", "tensors.4.pkl"] {
        let good = std::fs::read(data(name)).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(archive) = read(bytes) {
                touch(&archive);
            }
        }
    }
}

#[test]
fn every_cut_of_a_pickle_is_noticed() {
    for protocol in 0..=5 {
        let good = std::fs::read(data(&format!("embeddings.{protocol}.pkl"))).unwrap();
        for len in 0..good.len() {
            assert!(read(&good[..len]).is_err(), "protocol {protocol}, {len} bytes");
        }
    }
}

/// What fuzzing found stays in its corpus, and is tried here without a fuzzer.
#[test]
fn the_fuzzers_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/pickle");
    let mut n_files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let begin = Instant::now();
        if let Ok(archive) = Archive::open(&file.unwrap().path()) {
            touch(&archive);
        }
        assert!(begin.elapsed() < Duration::from_secs(1));
        n_files += 1;
    }
    assert!(n_files > 10);
}
