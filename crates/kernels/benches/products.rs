//! Products of a linear layer, by shape, rows, form and threads, beside the machine's own limit.
//!
//! `cargo bench -p fondue-kernels --bench products [-- FILTER]`. Few rows read the weights and do little else, so their
//! lines end with the share of what these threads can read from memory, measured in the same run; many rows compute, and
//! theirs end with the arithmetic. What is measured of memory is a plain sum without prefetches; a product may read faster. A pass goes through so many copies of the matrix that none is left in a cache when it
//! comes again.

#![allow(missing_docs, clippy::unwrap_used)] // the macros' functions; a bench may fail

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use fondue_kernels::{Buffers, Form, Machine, Matrix, Op, Team, Then};

const SHAPES: [(usize, usize); 2] = [(768, 3072), (4096, 16384)];
const ROWS: [usize; 5] = [1, 4, 8, 32, 256];
const FORMS: [Form; 4] = [Form::F32, Form::F16, Form::Bf16, Form::Int8];
const THREADS: [usize; 2] = [1, 2];
/// Weights of one pass over few rows: more than caches hold.
const PASS_BYTES: usize = 256 << 20;
/// Multiply-adds of one pass, unless one matrix has more.
const PASS_PRODUCTS: usize = 1 << 32;

/// Bytes per second that so many threads read, the best of a few times.
fn bandwidth(data: &[u64], threads: usize) -> f64 {
    let once = || {
        let start = Instant::now();
        thread::scope(|scope| {
            for part in data.chunks(data.len().div_ceil(threads)) {
                scope.spawn(move || black_box(part.iter().fold(0u64, |sum, n| sum.wrapping_add(*n))));
            }
        });
        size_of_val(data) as f64 / start.elapsed().as_secs_f64()
    };
    (0..7).map(|_| once()).fold(0.0, f64::max)
}

fn matrix(outputs: usize, inputs: usize, form: Form) -> Matrix {
    let mut matrix = Matrix::new(outputs, inputs, form).unwrap();
    let row: Vec<f32> = (0..inputs).map(|n| (n as f32 * 0.7).sin()).collect();
    (0..outputs).for_each(|n| matrix.set_row(n, &row));
    matrix
}

fn products(criterion: &mut Criterion) {
    let data = vec![1u64; (1 << 30) / size_of::<u64>()];
    let teams = THREADS.map(|threads| Team::new(threads, Machine::best()).unwrap());
    let limits = THREADS.map(|threads| bandwidth(&data, threads));
    drop(data);
    for (threads, limit) in THREADS.iter().zip(limits) {
        println!("memory: {threads} threads read {:.1} GB/s", limit / 1e9);
    }
    for (inputs, outputs) in SHAPES {
        for form in FORMS {
            // Made when a benchmark of them is chosen.
            let mut matrices: Vec<Matrix> = Vec::new();
            let mut group = criterion.benchmark_group(format!("{inputs}x{outputs}/{form:?}"));
            group.sample_size(10).sampling_mode(SamplingMode::Flat);
            group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(600));
            for rows in ROWS {
                let mut buffers = Buffers::new(&[inputs, outputs]);
                buffers.set_rows(rows).unwrap();
                (0..rows).for_each(|row| buffers.row_mut(0, row).fill(0.5));
                for (team, limit) in teams.iter().zip(limits) {
                    let mut best: Option<(f64, f64)> = None;
                    let id = BenchmarkId::new(format!("{} threads", team.threads()), format!("{rows} rows"));
                    group.bench_function(id, |bencher| {
                        let weights = inputs * outputs;
                        let copies = (PASS_BYTES / (weights * form.bytes()))
                            .min(PASS_PRODUCTS / (weights * rows))
                            .max(1);
                        while matrices.len() < copies {
                            matrices.push(matrix(outputs, inputs, form));
                        }
                        let product = |matrix| Op::Product { from: 0, to: 1, matrix, then: Then::Set };
                        let ops: Vec<Op<'_>> = matrices[..copies].iter().map(product).collect();
                        bencher.iter_custom(|n| {
                            let start = Instant::now();
                            (0..n).for_each(|_| team.pass(&mut buffers, None, &ops).unwrap());
                            let all = start.elapsed();
                            let seconds = all.as_secs_f64() / (n * copies as u64) as f64;
                            let bytes = matrices[0].bytes() as f64 / seconds;
                            let flops = (2 * weights * rows) as f64 / seconds;
                            let (b, f) = best.unwrap_or_default();
                            best = Some((b.max(bytes), f.max(flops)));
                            all
                        });
                    });
                    if let Some((bytes, flops)) = best {
                        println!(
                            "    best: {:.1} GB/s, {:.0}% of memory; {:.0} GFLOP/s",
                            bytes / 1e9,
                            100.0 * bytes / limit,
                            flops / 1e9
                        );
                    }
                }
            }
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
