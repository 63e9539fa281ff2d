//! Ours within a process of its own, as the peers are: a hidden command of this program that is asked in lines.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Instant,
};

use anyhow::{Context, Result};
use clap::Args;
use fondue_index::{
    Generation, Graph, Hit, Root, Rows, Scanner,
    graph::{self, Scratch},
    scan::{Job, Settings, Source},
};

use super::{
    data::{DIM, K},
    protocol::{Ask, FOUND, Found, MEMORY, Memory, READY, Ready},
};
use crate::{bandwidth, npy::Matrix, process};

/// What it needs.
#[derive(Clone, Debug, Args)]
pub(crate) struct InProcess {
    /// The index's root.
    #[arg(long, value_name = "ROOT")]
    index: PathBuf,
    /// What is searched for.
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Threads.
    #[arg(long, value_name = "N")]
    threads: usize,
}

/// An open index.
struct Opened {
    generation: Arc<Generation>,
    scanner: Scanner,
}

/// Answers until nobody asks any more.
///
/// # Errors
/// What is wrong with the index, or with a question.
pub(crate) fn answer(args: &InProcess) -> Result<()> {
    let queries = Matrix::open(&args.queries, DIM)?.all()?;
    let baseline = process::resident("self")?;
    let mut opened = Opened::new(&args.index, args.threads)?;
    let bytes = opened.generation.files().map(|(_, bytes)| bytes as f64).sum();
    let graph = opened.generation.graph_facts().is_some();
    say(READY, &Ready { build_seconds: 0.0, bytes, graph })?;
    for line in std::io::stdin().lock().lines() {
        let ask: Ask = serde_json::from_str(&line?)?;
        let round = |n: usize| &queries[n % queries.len()];
        match ask {
            Ask::Exact { first, count, together } => {
                let mut found = Found::default();
                let all: Vec<&Vec<f32>> = (first..first + count).map(round).collect();
                for queries in all.chunks(together.max(1)) {
                    let start = Instant::now();
                    let rows = opened.scan(queries)?;
                    found.seconds.push(start.elapsed().as_secs_f64());
                    found.rows.extend(rows);
                }
                say(FOUND, &found)?;
            }
            Ask::Graph { first, count, ef, one_by_one } => {
                let all: Vec<&Vec<f32>> = (first..first + count).map(round).collect();
                say(FOUND, &opened.walk(&all, ef, if one_by_one { None } else { Some(args.threads) })?)?;
            }
            Ask::Read { readings } => {
                let seconds = opened.read(args.threads, readings)?;
                say(FOUND, &Found { seconds: vec![seconds], rows: Vec::new() })?;
            }
            Ask::Open => {
                drop(opened);
                let start = Instant::now();
                opened = Opened::new(&args.index, args.threads)?;
                let rows = opened.scan(&[round(0)])?;
                say(FOUND, &Found { seconds: vec![start.elapsed().as_secs_f64()], rows })?;
            }
            Ask::Memory => say(MEMORY, &Memory { baseline, resident: process::resident("self")? })?,
        }
    }
    Ok(())
}

impl Opened {
    fn new(root: &Path, threads: usize) -> Result<Self> {
        let root = Root::open(root)?;
        let generation = Arc::new(root.generation(&root.active()?)?);
        Ok(Self { generation, scanner: Scanner::new(Settings::new(threads))? })
    }

    /// Seconds in which memory gives what a scan reads.
    fn read(&self, threads: usize, readings: usize) -> Result<f64> {
        let (bytes, beside): (&[u8], usize) = match self.generation.rows()? {
            Rows::F32(values) => (bytemuck::cast_slice(values), 0),
            Rows::F16(bits) => (bytemuck::cast_slice(bits), 0),
            Rows::Int8 { codes, scales, .. } => (bytemuck::cast_slice(codes), size_of_val(scales)),
        };
        let (_, words, _) = bytemuck::pod_align_to::<u8, u64>(bytes);
        Ok((bytes.len() + beside) as f64 / bandwidth::of(words, threads, readings))
    }

    /// The nearest of all rows for each of some queries that come at the same time.
    fn scan(&self, queries: &[&Vec<f32>]) -> Result<Vec<Vec<i64>>> {
        let (sender, receiver) = mpsc::channel();
        for (n, query) in queries.iter().enumerate() {
            let (sender, source) = (sender.clone(), Arc::clone(&self.generation) as Arc<dyn Source>);
            let job = Job { source, query: query.to_vec(), k: K, admit: None, accept: None };
            self.scanner.submit(job, Box::new(move |hits| _ = sender.send((n, hits))))?.detach();
        }
        drop(sender);
        let mut all = vec![Vec::new(); queries.len()];
        for (n, hits) in receiver {
            all[n] = numbers(&hits?);
        }
        Ok(all)
    }

    /// What the graph finds: by so many threads in one go, or query by query on this thread.
    fn walk(&self, queries: &[&Vec<f32>], ef: usize, threads: Option<usize>) -> Result<Found> {
        let graph = Graph::of(&self.generation)?.context("the index has no graph")?;
        let search = |query: &[f32], scratch: &mut Scratch| {
            let ask = graph::Ask { query, k: K, ef, admit: None, accept: None };
            graph.search(&ask, scratch).map(|hits| numbers(&hits))
        };
        let (mut found, mut scratch) = (Found::default(), Scratch::default());
        let Some(threads) = threads else {
            for query in queries {
                let start = Instant::now();
                let rows = search(query, &mut scratch)?;
                found.seconds.push(start.elapsed().as_secs_f64());
                found.rows.push(rows);
            }
            return Ok(found);
        };
        let (start, next) = (Instant::now(), AtomicUsize::new(0));
        let work = || {
            let (mut mine, mut scratch) = (Vec::new(), Scratch::default());
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(query) = queries.get(at)
            {
                mine.push((at, search(query, &mut scratch)?));
            }
            Ok::<_, anyhow::Error>(mine)
        };
        let mut all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<_>>>| {
                thread.join().ok().context("a search broke off")?
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>>>()
        })?
        .concat();
        found.seconds.push(start.elapsed().as_secs_f64());
        all.sort_unstable_by_key(|(at, _)| *at);
        found.rows = all.into_iter().map(|(_, rows)| rows).collect();
        Ok(found)
    }
}

fn numbers(hits: &[Hit]) -> Vec<i64> {
    hits.iter().map(|hit| hit.row as i64).collect()
}

fn say(start: &str, what: &impl serde::Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{start}{}", serde_json::to_string(what)?).context("nobody listens")?;
    Ok(out.flush()?)
}
