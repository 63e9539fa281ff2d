//! The true neighbours, found in the plainest way, and how many of them were found.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::npy::Matrix;

/// Rows that are read at once: they stay in a cache while all queries pass.
const BLOCK: usize = 64;
/// Scores nearer than this are ties: f32's rounding orders them as it likes.
const TIE: f64 = 1e-6;

/// The nearest rows of a query, best first, with their cosines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nearest(pub(crate) Vec<(usize, f64)>);

/// The `k` nearest of all rows for each query: every dot product, nothing clever. All are of unit length.
pub(crate) fn nearest(rows: &Matrix, queries: &[Vec<f32>], k: usize, threads: usize) -> Result<Vec<Nearest>> {
    let part = rows.rows.div_ceil(threads.max(1)).max(1);
    let parts = std::thread::scope(|scope| {
        let find = |first: usize| {
            let last = (first + part).min(rows.rows);
            scope.spawn(move || nearest_within(rows, first..last, queries, k))
        };
        let threads: Vec<_> = (0..rows.rows).step_by(part).map(find).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<Nearest>>>| {
            thread.join().ok().context("looking for neighbours broke off")?
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let merged = (0..queries.len()).map(|query| {
        let mut all = Nearest(parts.iter().flat_map(|part| part[query].0.iter().copied()).collect());
        all.keep(k);
        all
    });
    Ok(merged.collect())
}

fn nearest_within(
    rows: &Matrix,
    range: std::ops::Range<usize>,
    queries: &[Vec<f32>],
    k: usize,
) -> Result<Vec<Nearest>> {
    let mut all: Vec<Nearest> = queries.iter().map(|_| Nearest(Vec::new())).collect();
    let mut block = vec![0.0; BLOCK * rows.dim];
    for first in range.clone().step_by(BLOCK) {
        let block = &mut block[..BLOCK.min(range.end - first) * rows.dim];
        rows.read(first, block)?;
        for (query, best) in queries.iter().zip(&mut all) {
            let floor =
                if best.0.len() < k { f64::MIN } else { best.0.last().map_or(f64::MIN, |last| last.1) };
            // In f32 first, with room for its rounding; what may be among the best is counted in f64.
            let may = |(n, row): (usize, &[f32])| {
                (f64::from(dot(row, query)) > floor - 1e-5).then(|| (first + n, exact_dot(row, query)))
            };
            let found = best.0.len();
            best.0.extend(block.chunks_exact(rows.dim).enumerate().filter_map(may));
            if best.0.len() > found {
                best.keep(k);
            }
        }
    }
    Ok(all)
}

impl Nearest {
    fn keep(&mut self, k: usize) {
        self.0.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        self.0.truncate(k);
    }

    /// The share of these that were found. A row that is as near as the last of them is as good as it; one that was found
    /// twice counts once. `score`: a row's true cosine, asked only for rows that are not among these.
    pub(crate) fn recall(&self, found: &[usize], score: impl Fn(usize) -> Result<f64>) -> Result<f64> {
        let Some(&(_, worst)) = self.0.last() else { return Ok(1.0) };
        let mut distinct: Vec<usize> = found.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut good = 0;
        for row in distinct {
            let known = self.0.iter().any(|&(other, _)| other == row);
            good += usize::from(known || score(row)? >= worst - TIE);
        }
        Ok(good.min(self.0.len()) as f64 / self.0.len() as f64)
    }
}

/// The mean recall of all queries from `first` on, after the last the first again; `found` is of as many as it has.
pub(crate) fn recall(
    truth: &[Nearest],
    rows: &Matrix,
    queries: &[Vec<f32>],
    first: usize,
    found: &[Vec<usize>],
) -> Result<f64> {
    let mut sum = 0.0;
    for (n, found) in found.iter().enumerate() {
        let at = (first + n) % truth.len().max(1);
        sum += truth[at].recall(found, |row| {
            let mut values = vec![0.0; rows.dim];
            rows.read(row, &mut values).with_context(|| format!("a row {row} was found"))?;
            Ok(exact_dot(&values, &queries[at]))
        })?;
    }
    Ok(crate::limit::share(sum, found.len() as f64))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        (0..16).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

fn exact_dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::Writer;

    #[test]
    fn recall_counts_ties_and_no_row_twice() {
        let nearest = Nearest(vec![(3, 0.9), (7, 0.8), (1, 0.7)]);
        let score = |row: usize| Ok(if row == 5 { 0.7 - 1e-7 } else { 0.6 });
        let recall = |found: &[usize]| nearest.recall(found, score).unwrap();
        assert_eq!(recall(&[1, 3, 7]), 1.0);
        assert_eq!(recall(&[3, 7, 5]), 1.0, "5 is as near as 1");
        assert_eq!(recall(&[3, 7, 1, 5]), 1.0);
        assert_eq!(recall(&[3, 7, 4]), 2.0 / 3.0);
        assert_eq!(recall(&[3, 3, 3]), 1.0 / 3.0);
        assert_eq!(recall(&[]), 0.0);
        assert_eq!(Nearest(Vec::new()).recall(&[1], score).unwrap(), 1.0);
        assert!(nearest.recall(&[9], |_| anyhow::bail!("no such row")).is_err());
    }

    #[test]
    fn the_nearest_are_those_of_a_sort() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.npy");
        let value = |n: usize| ((n * 7919) % 2003) as f32 / 1001.0 - 1.0;
        let rows: Vec<Vec<f32>> = (0..203).map(|r| (0..18).map(|c| value(r * 31 + c)).collect()).collect();
        let mut writer = Writer::create(&path, 203, 18).unwrap();
        rows.iter().for_each(|row| writer.write(row).unwrap());
        writer.finish().unwrap();
        let matrix = Matrix::open(&path, 18).unwrap();
        let queries = &rows[..5];
        for (threads, k) in [(1, 10), (3, 10), (2, 300), (500, 1)] {
            for (query, found) in queries.iter().zip(nearest(&matrix, queries, k, threads).unwrap()) {
                let mut all: Vec<_> =
                    rows.iter().enumerate().map(|(n, row)| (n, exact_dot(row, query))).collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                all.truncate(k);
                assert_eq!(found.0, all);
            }
        }
        let truth = nearest(&matrix, queries, 3, 1).unwrap();
        let found: Vec<Vec<usize>> =
            truth[3..].iter().chain(&truth[..1]).map(|one| one.0.iter().map(|hit| hit.0).collect()).collect();
        // From the fourth query on; after the fifth the first comes again.
        assert_eq!(recall(&truth, &matrix, queries, 3, &found).unwrap(), 1.0);
    }
}
