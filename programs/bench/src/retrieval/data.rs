//! The pictures that are searched for: unit vectors in clusters, the same ones each time, with their true neighbours.
//!
//! Vectors of one direction each would have no neighbours worth finding, and evenly spread noise none that are nearer than
//! others. Here, as in embeddings of pictures, a vector is a cluster's centre and noise of about the same length that is
//! strong in few directions, other ones for each cluster, and weak in the rest.

use std::{
    f32::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::truth::{self, Nearest};
use crate::{cached, npy};

/// Values of a vector, as the published model's retrieval space has them.
pub(crate) const DIM: usize = 256;
/// Pictures that are asked for.
pub(crate) const K: usize = 10;
/// Changes when what is written changes.
const VERSION: u32 = 1;
/// Vectors of a cluster, about.
const CLUSTER: usize = 1000;
/// Rows that one stream of numbers makes.
const BLOCK: usize = 4096;
/// The noise's length: the centre's is 1.
const NOISE: std::ops::Range<f32> = 0.6..1.4;
/// Streams of numbers.
const CENTRES: u64 = 0;
const QUERIES: u64 = 1;
const ROWS: u64 = 2;

/// The data of one size.
pub(crate) struct Data {
    /// Where it lies, and what is made of it.
    pub(crate) folder: PathBuf,
    pub(crate) rows: usize,
    pub(crate) queries: Vec<Vec<f32>>,
    /// For each query.
    pub(crate) truth: Vec<Nearest>,
    pub(crate) vectors: npy::Matrix,
}

impl Data {
    /// Makes it unless it is there: `vectors.npy`, `queries.npy`, `truth.json`.
    ///
    /// # Errors
    /// If the cache cannot be written or read.
    pub(crate) fn ready(cache: &Path, rows: usize, queries: usize, threads: usize) -> Result<Self> {
        let folder = cache.join(format!("retrieval-{rows}-{queries}-{VERSION}"));
        cached::make(&folder, |folder| {
            write(&vectors_file(folder), rows, rows, ROWS, threads)?;
            // Of the same distribution, but no rows.
            write(&queries_file(folder), rows, queries, QUERIES, threads)?;
            let vectors = npy::Matrix::open(&vectors_file(folder), DIM)?;
            let queries = npy::Matrix::open(&queries_file(folder), DIM)?.all()?;
            let truth = truth::nearest(&vectors, &queries, K, threads)?;
            Ok(fs::write(folder.join("truth.json"), serde_json::to_string(&truth)?)?)
        })?;
        let text = fs::read_to_string(folder.join("truth.json"))?;
        Ok(Self {
            rows,
            queries: npy::Matrix::open(&queries_file(&folder), DIM)?.all()?,
            truth: serde_json::from_str(&text).context("truth.json")?,
            vectors: npy::Matrix::open(&vectors_file(&folder), DIM)?,
            folder,
        })
    }

    /// Bytes of all vectors in f32.
    pub(crate) fn bytes(&self) -> f64 {
        (self.rows * DIM * size_of::<f32>()) as f64
    }
}

/// All vectors.
pub(crate) fn vectors_file(folder: &Path) -> PathBuf {
    folder.join("vectors.npy")
}

/// What is searched for.
pub(crate) fn queries_file(folder: &Path) -> PathBuf {
    folder.join("queries.npy")
}

/// Writes `n` vectors of the distribution that `rows` pictures have. Blocks have streams of their own, so that any number of
/// threads makes the same.
fn write(path: &Path, rows: usize, n: usize, stream: u64, threads: usize) -> Result<()> {
    let clusters = Clusters::new(rows.div_ceil(CLUSTER));
    let mut writer = npy::Writer::create(path, n, DIM)?;
    let blocks: Vec<usize> = (0..n.div_ceil(BLOCK)).collect();
    for group in blocks.chunks(threads.max(1)) {
        let made: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let make = |&block: &usize| {
                let (clusters, n) = (&clusters, BLOCK.min(n - block * BLOCK));
                scope.spawn(move || clusters.draw(stream + block as u64 * ROWS, n))
            };
            let threads: Vec<_> = group.iter().map(make).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        for block in made {
            writer.write(&block)?;
        }
    }
    writer.finish()
}

struct Clusters(Vec<[f32; DIM]>);

impl Clusters {
    fn new(n: usize) -> Self {
        let mut normal = Normal::new(CENTRES);
        let centre = |_| {
            let mut centre = std::array::from_fn(|_| normal.next());
            scale(&mut centre);
            centre
        };
        Self((0..n.max(1)).map(centre).collect())
    }

    /// Vectors of clusters at random, one after the other.
    fn draw(&self, stream: u64, n: usize) -> Vec<f32> {
        let mut normal = Normal::new(stream);
        // The variance falls as 1/n does.
        let mut spread: [f32; DIM] = std::array::from_fn(|n| ((n + 1) as f32).powf(-0.5));
        scale(&mut spread);
        let mut all = Vec::with_capacity(n * DIM);
        for _ in 0..n {
            let cluster = normal.rng.random_range(0..self.0.len());
            let length = normal.rng.random_range(NOISE);
            // An odd factor visits every direction once.
            let (factor, first) = (2 * (cluster % (DIM / 2)) + 1, cluster / (DIM / 2));
            let mut row = self.0[cluster];
            for (n, spread) in spread.iter().enumerate() {
                row[(first + factor * n) % DIM] += length * spread * normal.next();
            }
            scale(&mut row);
            all.extend_from_slice(&row);
        }
        all
    }
}

fn scale(row: &mut [f32; DIM]) {
    let norm = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    row.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
}

/// Numbers of the normal distribution, by Box and Muller.
struct Normal {
    rng: ChaCha8Rng,
    spare: Option<f32>,
}

impl Normal {
    fn new(stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(20_230_131);
        rng.set_stream(stream);
        Self { rng, spare: None }
    }

    fn next(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (radius, angle) = (1.0 - self.rng.random::<f32>(), TAU * self.rng.random::<f32>());
        let radius = (-2.0 * radius.ln()).sqrt();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_vectors_come_each_time() {
        let cache = tempfile::tempdir().unwrap();
        let one = Data::ready(cache.path(), 5000, 20, 1).unwrap();
        let file = fs::read(vectors_file(&one.folder)).unwrap();
        fs::remove_dir_all(&one.folder).unwrap();
        let two = Data::ready(cache.path(), 5000, 20, 3).unwrap();
        assert!(file == fs::read(vectors_file(&two.folder)).unwrap());
        assert_eq!((two.rows, two.bytes(), two.queries.len()), (5000, 5000.0 * 1024.0, 20));
        assert_eq!((one.queries, one.truth), (two.queries, two.truth));
    }

    #[test]
    fn vectors_are_of_unit_length_and_have_neighbours() {
        let cache = tempfile::tempdir().unwrap();
        let data = Data::ready(cache.path(), 3000, 10, 2).unwrap();
        let rows = data.vectors.all().unwrap();
        let length = |row: &Vec<f32>| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        assert!(rows.iter().chain(&data.queries).all(|row| (length(row) - 1.0).abs() < 1e-6));
        for nearest in &data.truth {
            let scores: Vec<f64> = nearest.0.iter().map(|(_, score)| *score).collect();
            assert!(scores.len() == K && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
            assert!(scores[0] > 0.5 && scores[0] < 0.99999, "{scores:?}");
        }
    }
}
