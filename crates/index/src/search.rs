//! Searches as they are served: shared scans of a generation, its changes beside it, filters that are remembered.

mod hands;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::hands::Hands;
use crate::{
    Bitmap, Exclusions, Filter, Generation, Graph, Hit, IndexError, Place, Query, Rows, View,
    graph::Ask,
    live::{Found, best_first},
    scan::{Accept, Job, ScanError, Scanner, Settings, Source},
};

/// Filters whose rows are remembered, one bit a row each.
const REMEMBERED: usize = 64;

/// Of a generation's rows, one in so many must be admitted for its graph to be searched: below it, most of what a search
/// meets must not be found, and the admitted rows are scanned faster.
const SPARSE: usize = 20;
/// A scan of so many rows is as fast as a search of a graph, whatever it finds.
const FEW: usize = 5_000;

/// What is shared by all searches.
pub struct Searcher {
    scanner: Scanner,
    ef: usize,
    hands: Hands,
    /// The longest unused first.
    selections: Mutex<Vec<Selected>>,
}

/// The rows of a generation that pass a filter.
struct Selected {
    generation: String,
    filter: Filter,
    rows: Arc<Bitmap>,
}

/// How surely the nearest are to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Every picture is compared.
    Exactly,
    /// Where there is a graph, most likely.
    Nearly {
        /// Candidates that are kept: more find more, and take longer. `None` for the searcher's own number.
        ef: Option<usize>,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Best first; equal ones: the generation's before those that were added, each by row.
    pub found: Vec<Found>,
    /// Whether every picture was compared.
    pub exact: bool,
}

impl Searcher {
    /// Starts `threads` threads that scan. Searches of graphs run on their callers' threads, as many at a time, and keep
    /// `ef` candidates where these do not say.
    ///
    /// # Errors
    /// [`IndexError::Scan`] if the system gives none.
    pub fn new(threads: usize, ef: usize) -> Result<Self, IndexError> {
        let scanner = Scanner::new(Settings::new(threads))?;
        Ok(Self { scanner, ef, hands: Hands::new(threads), selections: Mutex::default() })
    }

    /// The nearest pictures of a view; those of its generation by the graph, if it has one and that pays.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length, [`IndexError::Damaged`] if a file cannot be read.
    pub fn search(&self, view: &View, query: &Query<'_>, how: How) -> Result<Answer, IndexError> {
        self.search_while(view, query, how, &|| true)
    }

    /// The same as long as it is `wanted`: a scan, which is what takes long, is taken back then.
    ///
    /// # Errors
    /// As [`Searcher::search`]; [`IndexError::Scan`] of [`crate::scan::ScanError::Cancelled`] if it is not wanted.
    pub fn search_while(
        &self,
        view: &View,
        query: &Query<'_>,
        how: How,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Answer, IndexError> {
        let go_on = || if wanted() { Ok(()) } else { Err(IndexError::Scan(ScanError::Cancelled)) };
        go_on()?;
        let generation = view.generation();
        generation.check(query.vector)?;
        let admitted = view.admitted(self.select(generation, query.filter)?);
        let near = match how {
            How::Exactly => None,
            How::Nearly { ef } => self.walk(generation, query, ef.unwrap_or(self.ef), admitted.as_deref())?,
        };
        let exact = near.is_none();
        let mut found = match near {
            Some(near) => near,
            None => self.scan(generation, query, admitted, wanted)?,
        };
        go_on()?;
        if view.added() > 0 {
            let _span = tracing::debug_span!("scan_added", rows = view.added() as i64).entered();
            found.extend(view.search_added(query)?);
        }
        found.sort_by(best_first);
        found.truncate(query.k);
        Ok(Answer { found, exact })
    }

    /// What the graph finds; `None` if a scan is to be preferred, or alone can tell what is there.
    fn walk(
        &self,
        generation: &Generation,
        query: &Query<'_>,
        ef: usize,
        admit: Option<&Bitmap>,
    ) -> Result<Option<Vec<Found>>, IndexError> {
        let rows = admit.map_or(generation.len(), Bitmap::count);
        if rows <= FEW.max(query.k) || rows < generation.len() / SPARSE {
            return Ok(None);
        }
        let Some(graph) = Graph::of(generation)? else { return Ok(None) };
        let _span = tracing::debug_span!("graph", rows = rows as i64, ef = ef as i64).entered();
        let accept = |row: usize| !generation.excludes(row, query.exclusions);
        let ask = Ask {
            query: query.vector.values(),
            k: query.k,
            ef,
            admit,
            accept: (!query.exclusions.is_empty()).then_some(&accept),
        };
        let hits = graph.search(&ask, &mut self.hands.take())?;
        // Fewer than there may be: whether there are more, only a scan can tell.
        if hits.len() < query.k {
            return Ok(None);
        }
        Ok(Some(hits.into_iter().map(in_base).collect()))
    }

    fn scan(
        &self,
        generation: &Arc<Generation>,
        query: &Query<'_>,
        admit: Option<Arc<Bitmap>>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Vec<Found>, IndexError> {
        let rows = admit.as_deref().map_or(generation.len(), Bitmap::count);
        let _span = tracing::debug_span!("scan", rows = rows as i64).entered();
        let source = Arc::clone(generation);
        let accept = accept(generation, query.exclusions);
        let job = Job { source, query: query.vector.values().to_vec(), k: query.k, admit, accept };
        let hits = self.scanner.search_while(job, wanted)?;
        Ok(hits.into_iter().map(in_base).collect())
    }

    /// The rows that pass a filter, computed once while they are remembered; `None` if all do.
    fn select(&self, generation: &Generation, filter: &Filter) -> Result<Option<Arc<Bitmap>>, IndexError> {
        if filter.is_empty() {
            return Ok(None);
        }
        {
            let mut selections = lock(&self.selections);
            let known = |each: &Selected| each.generation == generation.id() && each.filter == *filter;
            if let Some(at) = selections.iter().position(known) {
                let selected = selections.remove(at);
                let rows = Arc::clone(&selected.rows);
                selections.push(selected);
                return Ok(Some(rows));
            }
        }
        // Without the lock: it takes milliseconds, and other searches go on.
        let Some(rows) = generation.select(filter)?.map(Arc::new) else { return Ok(None) };
        let selected = Selected {
            generation: generation.id().to_owned(),
            filter: filter.clone(),
            rows: Arc::clone(&rows),
        };
        let mut selections = lock(&self.selections);
        if selections.len() >= REMEMBERED {
            selections.remove(0);
        }
        selections.push(selected);
        Ok(Some(rows))
    }
}

fn in_base(Hit { row, score }: Hit) -> Found {
    Found { place: Place::Base(row), score }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The slow test of what must not be found, if anything must not.
fn accept(generation: &Arc<Generation>, exclusions: &Exclusions) -> Option<Accept> {
    if exclusions.is_empty() {
        return None;
    }
    let (generation, exclusions) = (Arc::clone(generation), exclusions.clone());
    Some(Box::new(move |row| !generation.excludes(row, &exclusions)))
}

impl Source for Generation {
    fn rows(&self) -> Rows<'_> {
        // That they can be read as such was seen when it was opened.
        Self::rows(self).unwrap_or(Rows::F32(&[]))
    }

    fn dim(&self) -> usize {
        Self::dim(self)
    }
}

#[cfg(test)]
mod tests;
