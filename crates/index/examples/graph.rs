//! How well and how fast a graph finds, at several efforts: `graph ROWS.raw QUERIES.raw DIM [M] [EF_CONSTRUCTION]`, files
//! of little-endian f32 of unit length.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Instant};

use fondue_index::{
    Rows,
    graph::{Ask, Built, Graph, Params, Scratch},
    scan,
};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [rows, queries, dim, more @ ..] = words.as_slice() else { panic!("ROWS QUERIES DIM [M] [EF]") };
    let read = |path: &String| -> Vec<f32> {
        std::fs::read(path).unwrap().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let (rows, queries, dim): (_, _, usize) = (read(rows), read(queries), dim.parse().unwrap());
    let threads = std::thread::available_parallelism().unwrap().get();
    let mut params = Params::new(threads);
    let number = |at: usize| more.get(at).map(|word| word.parse().unwrap());
    params.m = number(0).unwrap_or(params.m);
    params.ef_construction = number(1).unwrap_or(params.ef_construction);
    let begun = Instant::now();
    let built = Built::new(Rows::F32(&rows), dim, params, &|_, _| true).unwrap();
    println!("{params:?}: built in {:.1} s", begun.elapsed().as_secs_f64());
    let graph = Graph::over(Rows::F32(&rows), dim, &built).unwrap();
    let links = graph.degrees();
    println!("{:.1} links a row", links as f64 / (rows.len() / dim) as f64);
    let queries: Vec<&[f32]> = queries.chunks(dim).collect();
    let begun = Instant::now();
    let exact: Vec<Vec<_>> = queries
        .chunks(16)
        .flat_map(|some| scan::nearest(Rows::F32(&rows), dim, some, 10, None).unwrap())
        .collect();
    println!("exact, one thread: {:.0} queries/s", queries.len() as f64 / begun.elapsed().as_secs_f64());
    for ef in [10, 16, 24, 32, 48, 64, 96, 128, 192, 256] {
        let (mut best, mut hit) = (f64::INFINITY, 0);
        for _ in 0..3 {
            let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let begun = Instant::now();
            hit = std::thread::scope(|scope| {
                let work = || {
                    let (mut scratch, mut hit) = (Scratch::default(), 0);
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(query) = queries.get(at) else { break };
                        let ask = Ask { query, k: 10, ef, admit: None, accept: None };
                        let found = graph.search(&ask, &mut scratch).unwrap();
                        hit += found.iter().filter(|a| exact[at].iter().any(|b| a.row == b.row)).count();
                    }
                    hit
                };
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
                work() + others.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
            });
            best = best.min(begun.elapsed().as_secs_f64());
        }
        let recall = hit as f64 / (queries.len() * 10) as f64;
        println!(
            "ef {ef:4}: recall@10 {recall:.4}, {:.0} queries/s on {threads} threads",
            queries.len() as f64 / best
        );
    }
}
