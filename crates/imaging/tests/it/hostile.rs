//! Damaged copies of good files, thousands of them: an answer within the limits, never a panic.

use std::fs;
use std::time::{Duration, Instant};

use fondue_imaging::{Compat, Fit, ImageLimits, Picture};

use crate::{bytes, pictures};

/// A small picture's worth: a damaged header may promise anything.
const LIMITS: ImageLimits = ImageLimits { max_pixels: 200_000, max_bytes: 1 << 16 };

/// Uniform numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

fn show(file: &[u8], what: &dyn Fn() -> String) {
    let start = Instant::now();
    for compat in [Compat::Off, Compat::Reference] {
        if let Ok(picture) = Picture::decode(file, &LIMITS, compat) {
            let pixels = bytes(8).picture_pixels(&picture, Fit::Squash).unwrap();
            assert!(pixels.iter().all(|value| (0.0..=255.0).contains(value)));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{}: {:?}", what(), start.elapsed());
}

#[test]
fn cut_files_never_panic() {
    for path in pictures() {
        let file = fs::read(&path).unwrap();
        let step = (file.len() / 150).max(1);
        for length in (0..file.len()).step_by(step).chain(file.len().saturating_sub(20)..file.len()) {
            show(&file[..length], &|| format!("{}, {length} bytes", path.display()));
        }
    }
}

#[test]
fn half_a_file_is_an_error_that_says_so() {
    for path in pictures() {
        let file = fs::read(&path).unwrap();
        let error = Picture::decode(&file[..file.len() / 2], &LIMITS, Compat::Off).err();
        let error = error.unwrap_or_else(|| panic!("{} is shown", path.display())).to_string();
        assert!(error.contains("cannot be decoded"), "{}: {error}", path.display());
        if path.extension().is_some_and(|extension| extension == "jpg") {
            assert!(error.contains(&format!("it ends early, after {} bytes", file.len() / 2)), "{error}");
        }
    }
}

#[test]
fn flipped_files_never_panic() {
    let mut numbers = Numbers(7);
    for path in pictures() {
        let whole = fs::read(&path).unwrap();
        for round in 0..400 {
            let mut file = whole.clone();
            // Half of the damage goes to the headers.
            let reach = if round % 2 == 0 { file.len().min(700) } else { file.len() };
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(reach);
                file[at] = match numbers.below(3) {
                    0 => file[at] ^ (1 << numbers.below(8)),
                    1 => numbers.below(256) as u8,
                    _ => [0, 0xFF][numbers.below(2)],
                };
            }
            show(&file, &|| format!("{}, round {round}", path.display()));
        }
    }
}
