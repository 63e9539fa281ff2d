//! How near the exact scan comes to what this machine reads from memory.
//!
//! `cargo run --release -p fondue-index --example scan [-- --rows 1000000 --dim 256 --threads 2 --block KIB --k 10 --times
//! 15 --admit 1]`. For each precision: bytes a second that as many threads sum up of the same buffer, and those of the scan for 1 … 16
//! searches that share a pass, best and median of several in turn.

use std::{
    hint::black_box,
    sync::{Arc, mpsc},
    time::Instant,
};

use fondue_index::{
    Bitmap, Rows, Scanner,
    rows::quantize,
    scan::{Job, Settings, Source},
};
use fondue_kernels::{Machine, read};
use half::f16;

type Failure = Box<dyn std::error::Error>;

/// Searches at once.
const COUNTS: [usize; 5] = [1, 2, 4, 8, 16];

struct Flags {
    rows: usize,
    dim: usize,
    threads: usize,
    block: usize,
    k: usize,
    times: usize,
    /// One row in so many may be found.
    admit: usize,
}

#[derive(Default)]
struct Owned {
    form: &'static str,
    dim: usize,
    f32s: Vec<f32>,
    bits: Vec<u16>,
    codes: Vec<i8>,
    scales: Vec<f32>,
}

impl Source for Owned {
    fn rows(&self) -> Rows<'_> {
        match self.form {
            "f32" => Rows::F32(&self.f32s),
            "f16" => Rows::F16(&self.bits),
            _ => Rows::Int8 { codes: &self.codes, scales: &self.scales, exact: &self.f32s },
        }
    }
    fn dim(&self) -> usize {
        self.dim
    }
}

/// Unit vectors of random directions.
fn units(seed: u64, rows: usize, dim: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut all: Vec<f32> = (0..rows * dim).map(|_| next()).collect();
    for row in all.chunks_exact_mut(dim) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    all
}

fn owned(form: &'static str, flags: &Flags) -> Owned {
    let mut owned = Owned { form, dim: flags.dim, f32s: units(1, flags.rows, flags.dim), ..Owned::default() };
    match form {
        "f16" => {
            owned.bits =
                std::mem::take(&mut owned.f32s).iter().map(|value| f16::from_f32(*value).to_bits()).collect()
        }
        "int8" => {
            let mut codes = Vec::new();
            for row in owned.f32s.chunks_exact(flags.dim) {
                owned.scales.push(quantize(row, &mut codes));
                owned.codes.extend_from_slice(&codes);
            }
        }
        _ => {}
    }
    owned
}

/// Seconds in which so many threads sum up these bytes.
fn reading(bytes: &[u8], threads: usize) -> f64 {
    let values: &[f32] = bytemuck::cast_slice(&bytes[..bytes.len() / 4 * 4]);
    let machine = Machine::best();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in values.chunks(values.len().div_ceil(threads)) {
            scope.spawn(move || black_box(read(machine, part)));
        }
    });
    start.elapsed().as_secs_f64()
}

/// Seconds of some searches that are submitted together, until the last one is done.
fn together(
    scanner: &Scanner,
    source: &Arc<Owned>,
    queries: &[f32],
    k: usize,
    admit: Option<&Arc<Bitmap>>,
) -> Result<f64, Failure> {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    for query in queries.chunks_exact(source.dim) {
        let (sender, source) = (sender.clone(), Arc::clone(source) as Arc<dyn Source>);
        let job = Job { source, query: query.to_vec(), k, admit: admit.cloned(), accept: None };
        scanner.submit(job, Box::new(move |result| _ = sender.send(result)))?.detach();
    }
    drop(sender);
    for result in receiver {
        black_box(result?);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn main() -> Result<(), Failure> {
    let threads = std::thread::available_parallelism()?.get();
    let mut flags = Flags { rows: 1_000_000, dim: 256, threads, block: 2048, k: 10, times: 15, admit: 1 };
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let value: usize = value.parse()?;
        match name.as_str() {
            "--rows" => flags.rows = value,
            "--dim" => flags.dim = value,
            "--threads" => flags.threads = value,
            "--block" => flags.block = value,
            "--k" => flags.k = value.max(1),
            "--admit" => flags.admit = value.max(1),
            "--times" => flags.times = value.max(1),
            _ => return Err(format!("no flag is called {name}").into()),
        }
    }
    let Flags { rows, dim, threads, block, k, times, admit: every } = flags;
    let admit = (every > 1).then(|| Arc::new(Bitmap::of(rows, |row| (row * 7919) % every == 0)));
    println!(
        "{rows} rows of {dim}, {threads} threads, {}, blocks of {block} KiB, top {k} of one row in {every}",
        Machine::best().name()
    );
    for form in ["f32", "f16", "int8"] {
        let source = Arc::new(owned(form, &flags));
        let bytes: &[u8] = match source.rows() {
            Rows::F32(values) => bytemuck::cast_slice(values),
            Rows::F16(bits) => bytemuck::cast_slice(bits),
            Rows::Int8 { codes, .. } => bytemuck::cast_slice(codes),
        };
        let scanner = Scanner::new(Settings { block_bytes: block << 10, ..Settings::new(threads) })?;
        // In turn, so that what else the machine does is the same for all; each scan is compared with the read before it.
        let mut reads = Vec::with_capacity(times);
        let mut scans = COUNTS.map(|_| Vec::with_capacity(times));
        for _ in 0..times {
            for (n, scans) in COUNTS.iter().zip(&mut scans) {
                let read = reading(bytes, threads);
                reads.push(read);
                let scan = together(&scanner, &source, &units(99, *n, dim), k, admit.as_ref())?;
                scans.push((scan, read / scan));
            }
        }
        reads.sort_by(f64::total_cmp);
        let speed = |seconds: f64| bytes.len() as f64 / seconds / 1e9;
        let (best, median) = (reads[0], reads[reads.len() / 2]);
        println!("{form:>5}  memory      best {:5.1} GB/s, median {:5.1}", speed(best), speed(median));
        for (n, mut scans) in COUNTS.iter().zip(scans) {
            let mut shares: Vec<f64> = scans.iter().map(|(_, share)| 100.0 * share).collect();
            shares.sort_by(f64::total_cmp);
            scans.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (first, middle) = (scans[0].0, scans[times / 2].0);
            println!(
                "{form:>5}  {n:2} searches best {:5.1} GB/s, median {:5.1}; {:3.0}% of memory by the best, {:3.0}% by the \
                 median, {:3.0}% pair by pair; {:5.0} searches/s",
                speed(first),
                speed(middle),
                100.0 * best / first,
                100.0 * median / middle,
                shares[times / 2],
                *n as f64 / middle,
            );
        }
    }
    Ok(())
}
