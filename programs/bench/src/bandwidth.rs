//! How fast this machine reads its memory: what bounds decoding, measured in the same run.

use std::{hint::black_box, thread, time::Instant};

/// Bytes that are read: far more than any cache holds.
const BYTES: usize = 1 << 30;

/// Bytes a second with so many threads, after so many readings of each kind: the best of all, as whatever else the
/// machine does only slows them down.
pub(crate) fn measure(threads: usize, readings: usize) -> f64 {
    of(&vec![1u64; BYTES / size_of::<u64>()], threads, readings)
}

/// The same of these very words: where they lie in memory counts too.
pub(crate) fn of(data: &[u64], threads: usize, readings: usize) -> f64 {
    let part = data.len().div_ceil(threads.max(1));
    // Which of them keeps the most reads under way depends on the processor and on what the compiler made of them.
    let readers = [sum::<16, 1>, sum::<8, 2>, sum::<4, 4>, sum::<8, 4>];
    let read = |reader: fn(&[u64]) -> u64| {
        let start = Instant::now();
        thread::scope(|scope| {
            for part in data.chunks(part) {
                scope.spawn(move || black_box(reader(part)));
            }
        });
        size_of_val(data) as f64 / start.elapsed().as_secs_f64()
    };
    let all =
        readers.into_iter().flat_map(|reader| std::iter::repeat_n(reader as fn(&[u64]) -> u64, readings));
    all.map(read).fold(0.0, f64::max)
}

/// The sum of several streams at once, each read in rows of so many lanes.
fn sum<const LANES: usize, const STREAMS: usize>(data: &[u64]) -> u64 {
    let part = data.len() / STREAMS;
    let streams: [_; STREAMS] =
        std::array::from_fn(|n| data[n * part..(n + 1) * part].as_chunks::<LANES>().0);
    let mut sums = [[0u64; LANES]; STREAMS];
    for row in 0..part / LANES {
        for (sums, stream) in sums.iter_mut().zip(&streams) {
            sums.iter_mut().zip(&stream[row]).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
        }
    }
    sums.as_flattened().iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_once() {
        let data: Vec<u64> = (0..64).collect();
        for reader in [sum::<16, 1>, sum::<8, 2>, sum::<4, 4>, sum::<8, 4>] {
            assert_eq!(reader(&data), 63 * 32);
        }
        assert_eq!(sum::<8, 2>(&[u64::MAX; 16]), 0u64.wrapping_sub(16));
    }
}
