//! Exact nearest neighbours of many callers at once: every row is scored, and memory is read as seldom as can be.
//!
//! A fixed team of threads takes blocks of rows from one counter for each source. Searches of the same source share what is
//! read: one that arrives while others are under way joins them at the block where they are, goes on to the last row, and
//! then from the first to where it began. So it is done after one round through the rows, where waiting for the next pass
//! to begin would cost up to two. More than [`Settings::together`] searches of a source wait their turn, the first come
//! first. Several sources take turns block by block.
//!
//! What is found does not depend on any of this: a score has the same bits in any company, hits are ordered by score, then
//! by row, and a row without a number for a score is never found.
//!
//! Rows in int8 are scored by their codes, a quarter of the bytes; those of which the codes' error (see `bound`) leaves open
//! whether they are among the best are scored again, at once, as they were. So the result is that of a scan of the exact
//! rows, and there is no list of candidates that could overflow: at worst (rows stored from the worst to the best) all are
//! scored again, and the scan costs that of both.

mod block;
mod board;
mod bound;
mod error;
mod search;
mod top;

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use fondue_kernels::Machine;

pub use self::error::ScanError;
use self::{
    block::Worker,
    board::{Board, Shape, lock},
    search::Search,
};
use crate::{Bitmap, Hit, Rows};

/// How often a search that is waited for is looked at, whether it is wanted.
const LOOK: Duration = Duration::from_millis(10);

/// Blocks for each thread, at least, where the rows are few: the last ones should end together.
const SHARE: usize = 8;

/// Rows that are there while they are scanned; a generation, for example. The same rows are one `Arc`, which is how
/// searches of them find each other.
pub trait Source: Send + Sync {
    /// The rows, always the same.
    fn rows(&self) -> Rows<'_>;
    /// Values of each.
    fn dim(&self) -> usize;
}

/// A slow test of a row by its number; asked only of rows that would be among the best.
pub type Accept = Box<dyn Fn(usize) -> bool + Send + Sync>;

/// What is told the hits, on a scanning thread: it should hand them on and do no more.
pub type Done = Box<dyn FnOnce(Result<Vec<Hit>, ScanError>) + Send>;

/// A search.
pub struct Job {
    /// Where.
    pub source: Arc<dyn Source>,
    /// For what; as long as the rows.
    pub query: Vec<f32>,
    /// How many at most.
    pub k: usize,
    /// Rows that may be found; all where there is none.
    pub admit: Option<Arc<Bitmap>>,
    /// A further test.
    pub accept: Option<Accept>,
}

/// How a [`Scanner`] works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads, at least one.
    pub threads: usize,
    /// Bytes of rows that a thread takes at a time, at most; where there are few rows it takes fewer.
    pub block_bytes: usize,
    /// Searches that share a pass.
    pub together: usize,
}

impl Settings {
    /// Two mebibytes at a time, sixteen searches together.
    pub fn new(threads: usize) -> Self {
        Self { threads, block_bytes: 2 << 20, together: 16 }
    }
}

/// A team of threads that scans for many callers. Dropping it ends what is under way with [`ScanError::Closed`].
pub struct Scanner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    board: Board,
    closed: bool,
}

/// A search under way; dropping it takes the search back, which ends with [`ScanError::Cancelled`] unless it has ended.
#[must_use = "dropping it takes the search back"]
pub struct Pending(Option<Arc<Search>>);

impl Pending {
    /// Lets the search go on without an owner.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(search) = self.0.take() {
            search.end(Err(ScanError::Cancelled));
        }
    }
}

impl Scanner {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`ScanError::Threads`] if the system gives none.
    pub fn new(settings: Settings) -> Result<Self, ScanError> {
        let threads = settings.threads.max(1);
        let settings = Settings { threads, together: settings.together.max(1), ..settings };
        let shared = Arc::new(Shared { settings, state: Mutex::default(), work: Condvar::new() });
        let mut scanner = Self { shared, threads: Vec::with_capacity(threads) };
        for member in 0..threads {
            let shared = Arc::clone(&scanner.shared);
            let thread = std::thread::Builder::new().name(format!("scan-{member}"));
            let thread = thread.spawn(move || shared.work(Worker::new(Machine::best(), member)));
            scanner.threads.push(thread.map_err(|_| ScanError::Threads)?);
        }
        Ok(scanner)
    }

    /// Begins a search; `done` is told its end, once, and at once where there is nothing to scan.
    ///
    /// # Errors
    /// What is wrong with the job; then `done` is not called.
    pub fn submit(&self, job: Job, done: Done) -> Result<Pending, ScanError> {
        let Job { source, query, k, admit, accept } = job;
        let shape = shape(source.rows(), source.dim(), self.shared.settings)?;
        check(shape, &query, admit.as_deref())?;
        let parts = (self.shared.settings.threads, shape.blocks());
        let search = Arc::new(Search::new(&query, k, (admit, accept), parts, Some(done))?);
        if shape.rows == 0 || k == 0 {
            search.end(Ok(()));
            return Ok(Pending(None));
        }
        {
            let mut state = lock(&self.shared.state);
            if state.closed {
                return Err(ScanError::Closed);
            }
            state.board.add(source, shape, Arc::clone(&search));
        }
        self.shared.work.notify_all();
        Ok(Pending(Some(search)))
    }

    /// Searches and waits.
    ///
    /// # Errors
    /// As [`Scanner::submit`] and what `done` is told.
    pub fn search(&self, job: Job) -> Result<Vec<Hit>, ScanError> {
        self.search_while(job, &|| true)
    }

    /// Searches and waits as long as the search is `wanted`; then it is taken back.
    ///
    /// # Errors
    /// As [`Scanner::search`]; [`ScanError::Cancelled`].
    pub fn search_while(&self, job: Job, wanted: &dyn Fn() -> bool) -> Result<Vec<Hit>, ScanError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let _pending = self.submit(
            job,
            Box::new(move |result| {
                let _ = sender.send(result);
            }),
        )?;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(ScanError::Closed),
                Err(RecvTimeoutError::Timeout) if wanted() => {}
                Err(RecvTimeoutError::Timeout) => return Err(ScanError::Cancelled),
            }
        }
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        let ended = {
            let mut state = lock(&self.shared.state);
            state.closed = true;
            state.board.clear()
        };
        self.shared.work.notify_all();
        ended.iter().for_each(|search| search.end(Err(ScanError::Closed)));
        let own = std::thread::current().id();
        // Where the last owner is a search's `done`, this is one of them, which ends soon after.
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Takes blocks until the scanner is closed.
    fn work(&self, mut worker: Worker) {
        loop {
            let piece = {
                let mut state = lock(&self.state);
                loop {
                    if state.closed {
                        return;
                    }
                    if let Some(piece) = state.board.claim(self.settings.together) {
                        break piece;
                    }
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            worker.block(piece.source.rows(), piece.dim, &piece.rows, &piece.searches);
            piece.searches.iter().for_each(|search| search.block_done());
        }
    }
}

/// The `k` nearest rows for each query, on this thread alone: for few rows, which need no team, and as what a team's
/// answers are compared with.
///
/// # Errors
/// As [`Scanner::submit`].
pub fn nearest(
    rows: Rows<'_>,
    dim: usize,
    queries: &[&[f32]],
    k: usize,
    admit: Option<&Arc<Bitmap>>,
) -> Result<Vec<Vec<Hit>>, ScanError> {
    let shape = shape(rows, dim, Settings::new(1))?;
    let mut searches = Vec::with_capacity(queries.len());
    for query in queries {
        check(shape, query, admit.map(|admit| &**admit))?;
        let parts = (1, shape.blocks());
        searches.push(Arc::new(Search::new(query, k, (admit.cloned(), None), parts, None)?));
    }
    let mut worker = Worker::new(Machine::best(), 0);
    for start in (0..shape.rows).step_by(shape.block) {
        worker.block(rows, dim, &(start..(start + shape.block).min(shape.rows)), &searches);
    }
    Ok(searches.iter().map(|search| search.take_hits()).collect())
}

fn shape(rows: Rows<'_>, dim: usize, settings: Settings) -> Result<Shape, ScanError> {
    let n = block::count(rows, dim)?;
    let most = settings.block_bytes / block::row_bytes(rows, dim);
    let block = block::whole_words(most.min(n / (settings.threads * SHARE)));
    Ok(Shape { rows: n, dim, block })
}

fn check(shape: Shape, query: &[f32], admit: Option<&Bitmap>) -> Result<(), ScanError> {
    if query.len() != shape.dim {
        return Err(ScanError::Dim { got: query.len(), expected: shape.dim });
    }
    match admit.map(Bitmap::rows) {
        Some(got) if got != shape.rows => Err(ScanError::Admitted { got, expected: shape.rows }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
