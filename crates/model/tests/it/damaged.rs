//! The shipped files, damaged: thousands of copies with one bit turned over, and cut ones.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use fondue_domain::TokenId;
use fondue_model::{ModelError, VisionTower, mapping::Mapping, opt::Opt, weights::Survey};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::shipped;

type Look = fn(&Path) -> Result<Survey, ModelError>;

/// A part of the model: its folder, its files, how it is looked at.
const PARTS: [(&str, [&str; 2], Look); 3] = [
    ("opt", ["model.safetensors", "config.json"], Opt::survey),
    ("clip", ["model.safetensors", "config.json"], VisionTower::survey),
    ("fromage", ["mapping.safetensors", "model_args.json"], |folder| {
        Mapping::survey(folder, Some(256), Some(TokenId(4097)))
    }),
];

#[test]
fn any_turned_bit_is_found_or_harmless() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for (part, files, look) in PARTS {
        let folder = copy(part, &files);
        assert!(look(folder.path()).unwrap().is_complete(), "{part}");
        for name in files {
            let path = folder.path().join(name);
            let bytes = fs::read(&path).unwrap();
            // What is told about the tensors, not their values: any value is one.
            let end = match bytes.first_chunk::<8>().filter(|_| name.ends_with("safetensors")) {
                Some(length) => 8 + u64::from_le_bytes(*length) as usize,
                None => bytes.len(),
            };
            let file = File::options().write(true).open(&path).unwrap();
            let (mut refused, mut slowest) = (0, Duration::ZERO);
            for _ in 0..1000 {
                let at = random.random_range(0..end);
                let turned = bytes[at] ^ (1 << random.random_range(0..8));
                file.write_all_at(&[turned], at as u64).unwrap();
                let start = Instant::now();
                let result = look(folder.path());
                slowest = slowest.max(start.elapsed());
                match result {
                    Err(error) => {
                        assert!(error.to_string().contains(name), "byte {at}: {error}");
                        refused += 1;
                    }
                    Ok(survey) if survey.is_complete() && survey.unexpected.is_empty() => {}
                    Ok(_) => refused += 1,
                }
                file.write_all_at(&bytes[at..=at], at as u64).unwrap();
            }
            println!("{part}/{name}: {refused} of 1000 are told, the slowest in {slowest:?}");
            assert!(slowest < Duration::from_secs(1));
            assert!(refused > 100, "{part}/{name}: {refused}");
        }
    }
}

#[test]
fn any_cut_is_found() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for (part, files, look) in PARTS {
        let folder = copy(part, &files);
        for name in files {
            let path = folder.path().join(name);
            let bytes = fs::read(&path).unwrap();
            let mut lengths: Vec<usize> = (0..100).map(|_| random.random_range(0..bytes.len() - 2)).collect();
            lengths.extend(0..64);
            for length in lengths {
                fs::write(&path, &bytes[..length]).unwrap();
                let error = look(folder.path()).expect_err("it is cut").to_string();
                assert!(error.contains(name), "{error}");
            }
            fs::write(&path, &bytes).unwrap();
        }
    }
}

fn copy(part: &str, files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        fs::copy(shipped(part).join(name), folder.path().join(name)).unwrap();
    }
    folder
}
