//! Which rows a batch is made of. All of it follows from the seed and the iteration, so that nothing needs to be kept.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

/// What is drawn; each has numbers of its own.
const ROWS: u64 = 1;
const PAIRS: u64 = 2;
const VIEWS: u64 = 3;

/// The order.
pub struct Order {
    seed: u64,
    rows: usize,
    batch: usize,
    steps_per_epoch: u64,
    pairs: f64,
    given: Vec<Given>,
    /// The pass that was asked for last: which, and its rows.
    pass: Option<((u64, u64), Vec<u32>)>,
}

/// A batch of `--data-order`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Rows of the table, counted from 0 behind the header.
    rows: Vec<u32>,
    /// Whether captions are paired.
    pairs: bool,
}

/// A batch of all processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Rows.
    pub rows: Vec<u32>,
    /// Whether captions are paired.
    pub pairs: bool,
    /// Of each row, a number that its picture's view follows from.
    pub views: Vec<u32>,
}

impl Order {
    /// `batch` of `rows` rows at a time; each epoch of `steps_per_epoch` begins a new pass over all, and passes follow each
    /// other within it where the rows do not suffice. What is left of a pass and makes no batch is left out of it.
    ///
    /// # Errors
    /// If there are fewer rows than a batch has.
    pub fn shuffled(rows: usize, batch: usize, steps_per_epoch: u64, pairs: f64, seed: u64) -> Result<Self> {
        ensure!(
            rows >= batch && batch > 0,
            "{rows} rows are left, and a batch has {batch}; make batches smaller (--batch) or mend the table"
        );
        Ok(Self { seed, rows, batch, steps_per_epoch, pairs, given: Vec::new(), pass: None })
    }

    /// As a file says: a line of JSON for each iteration, `{"rows": […], "pairs": false}`.
    ///
    /// # Errors
    /// If it cannot be read or names rows that are not there.
    pub fn given(path: &Path, rows: usize, batch: usize, seed: u64) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let at = |n: usize| format!("{}: line {}", path.display(), n + 1);
        let mut given = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let one: Given = serde_json::from_str(line).with_context(|| at(n))?;
            ensure!(one.rows.len() == batch, "{}: {} rows, a batch has {batch}", at(n), one.rows.len());
            let wrong = one.rows.iter().find(|row| **row as usize >= rows);
            ensure!(wrong.is_none(), "{}: row {wrong:?} of {rows}", at(n));
            given.push(one);
        }
        ensure!(!given.is_empty(), "{} is empty", path.display());
        Ok(Self { seed, rows, batch, steps_per_epoch: 1, pairs: 0.0, given, pass: None })
    }

    /// The batch of an iteration, counted from 0.
    pub fn batch(&mut self, iteration: u64) -> Drawn {
        let (rows, pairs) = if self.given.is_empty() {
            let pairs = draws(self.seed, PAIRS, iteration).random_bool(self.pairs);
            (self.shuffled_rows(iteration), pairs)
        } else {
            let Given { rows, pairs } = &self.given[(iteration % self.given.len() as u64) as usize];
            (rows.clone(), *pairs)
        };
        let mut rng = draws(self.seed, VIEWS, iteration);
        let views = rows.iter().map(|_| rng.random()).collect();
        Drawn { rows, pairs, views }
    }

    fn shuffled_rows(&mut self, iteration: u64) -> Vec<u32> {
        let (epoch, step) = (iteration / self.steps_per_epoch, iteration % self.steps_per_epoch);
        let batches = (self.rows / self.batch) as u64;
        let (pass, at) = ((epoch, step / batches), (step % batches) as usize * self.batch);
        let rows = match self.pass.take() {
            Some((last, rows)) if last == pass => rows,
            _ => {
                let mut rows: Vec<u32> = (0..self.rows as u32).collect();
                rows.shuffle(&mut draws(self.seed, ROWS, (pass.0 << 32) | pass.1));
                rows
            }
        };
        let batch = rows[at..at + self.batch].to_vec();
        self.pass = Some((pass, rows));
        batch
    }
}

/// The numbers of the `n`th thing of a kind.
pub(crate) fn draws(seed: u64, kind: u64, n: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&kind.to_le_bytes());
    key[16..24].copy_from_slice(&n.to_le_bytes());
    ChaCha12Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_has_each_row_once_and_an_epoch_begins_anew() {
        let mut order = Order::shuffled(10, 3, 5, 0.5, 7).unwrap();
        let all: Vec<Drawn> = (0..10).map(|n| order.batch(n)).collect();
        let mut pass: Vec<u32> = all[..3].iter().flat_map(|drawn| drawn.rows.clone()).collect();
        pass.sort();
        pass.dedup();
        assert_eq!(pass.len(), 9, "three batches of three, and no row twice");
        assert_ne!(all[0].rows, all[3].rows, "another pass");
        assert_ne!(all[0].rows, all[5].rows, "another epoch");
        assert!(all.iter().any(|drawn| drawn.pairs) && all.iter().any(|drawn| !drawn.pairs));
        // Asked in any order, by a run that begins in the middle.
        let mut later = Order::shuffled(10, 3, 5, 0.5, 7).unwrap();
        for n in [7, 2, 9, 0] {
            assert_eq!(later.batch(n), all[n as usize]);
        }
        assert_ne!(Order::shuffled(10, 3, 5, 0.5, 8).unwrap().batch(0), all[0]);
        assert!(Order::shuffled(2, 3, 5, 0.5, 7).is_err());
    }
}
