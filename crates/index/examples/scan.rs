//! How near the exact scan comes to what this machine reads from memory.
//!
//! `cargo run --release -p fondue-index --example scan [-- --rows 1000000 --dim 256 --threads 2 --block KIB --k 10]`. For
//! each precision: bytes a second that as many threads sum up of the same buffer, the best of several, and then the scan's
//! for 1 … 16 searches that share a pass, the best and the median of several, each beside it.

use std::{
    hint::black_box,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use fondue_index::{
    Rows, Scanner,
    scan::{Job, Settings, Source},
};
use fondue_kernels::{Machine, read};

type Failure = Box<dyn std::error::Error>;

/// Passes of which the best is shown.
const TIMES: usize = 15;

struct Flags {
    rows: usize,
    dim: usize,
    threads: usize,
    block: usize,
    k: usize,
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

/// The bits of the half that a unit vector's value is nearest to, subnormal ones apart.
fn half(value: f32) -> u16 {
    let bits = (value * 2f32.powi(-112)).to_bits();
    ((bits >> 16) & 0x8000) as u16 | (((bits & 0x7fff_ffff) + 0x1000) >> 13) as u16
}

fn owned(form: &'static str, flags: &Flags) -> Owned {
    let mut owned = Owned { form, dim: flags.dim, f32s: units(1, flags.rows, flags.dim), ..Owned::default() };
    match form {
        "f16" => owned.bits = std::mem::take(&mut owned.f32s).into_iter().map(half).collect(),
        "int8" => {
            for row in owned.f32s.chunks_exact(flags.dim) {
                let scale = row.iter().fold(0f32, |max, value| max.max(value.abs())) / 127.0;
                owned.scales.push(scale);
                owned.codes.extend(row.iter().map(|value| (value / scale).round() as i8));
            }
        }
        _ => {}
    }
    owned
}

/// Bytes a second that so many threads sum up, the best of several.
fn bandwidth(bytes: &[u8], threads: usize) -> f64 {
    let words: &[f32] = bytemuck::cast_slice(&bytes[..bytes.len() / 4 * 4]);
    let machine = Machine::best();
    let once = || {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in words.chunks(words.len().div_ceil(threads)) {
                scope.spawn(move || black_box(read(machine, part)));
            }
        });
        size_of_val(words) as f64 / start.elapsed().as_secs_f64()
    };
    (0..TIMES).map(|_| once()).fold(0.0, f64::max)
}

/// Seconds of some searches that are submitted together, until the last one is done.
fn together(scanner: &Scanner, source: &Arc<Owned>, queries: &[f32], k: usize) -> Result<f64, Failure> {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    for query in queries.chunks_exact(source.dim) {
        let (sender, source) = (sender.clone(), Arc::clone(source) as Arc<dyn Source>);
        let job = Job { source, query: query.to_vec(), k, admit: None, accept: None };
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
    let mut flags = Flags { rows: 1_000_000, dim: 256, threads, block: 512, k: 10 };
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let value: usize = value.parse()?;
        match name.as_str() {
            "--rows" => flags.rows = value,
            "--dim" => flags.dim = value,
            "--threads" => flags.threads = value,
            "--block" => flags.block = value,
            "--k" => flags.k = value,
            _ => return Err(format!("no flag is called {name}").into()),
        }
    }
    let Flags { rows, dim, threads, block, k } = flags;
    println!(
        "{rows} rows of {dim}, {threads} threads, {}, blocks of {block} KiB, top {k}",
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
        let before = bandwidth(bytes, threads);
        for n in [1, 2, 4, 8, 16] {
            let queries = units(99, n, dim);
            let mut times = Vec::with_capacity(TIMES);
            for _ in 0..TIMES {
                times.push(together(&scanner, &source, &queries, k)?);
                std::thread::sleep(Duration::from_millis(2));
            }
            times.sort_by(f64::total_cmp);
            let speed = |seconds: f64| bytes.len() as f64 / seconds;
            println!(
                "{form:>5}: memory {:5.1} GB/s; {n:2} searches {:5.1} GB/s best, {:5.1} median: {:3.0}% and {:3.0}%; {:6.0} searches/s",
                before / 1e9,
                speed(times[0]) / 1e9,
                speed(times[TIMES / 2]) / 1e9,
                100.0 * speed(times[0]) / before,
                100.0 * speed(times[TIMES / 2]) / before,
                n as f64 / times[TIMES / 2],
            );
        }
        println!(
            "{form:>5}: memory {:5.1} GB/s before, {:5.1} GB/s after",
            before / 1e9,
            bandwidth(bytes, threads) / 1e9
        );
    }
    Ok(())
}
