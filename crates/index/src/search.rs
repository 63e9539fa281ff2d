//! Searches as they are served: shared scans of a generation, its changes beside it, filters that are remembered.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    Bitmap, Exclusions, Filter, Generation, Hit, IndexError, Place, Query, Rows, View,
    live::{Found, best_first},
    scan::{Accept, Job, Scanner, Settings, Source},
};

/// Filters whose rows are remembered, one bit a row each.
const REMEMBERED: usize = 64;

/// What is shared by all searches.
pub struct Searcher {
    scanner: Scanner,
    /// The longest unused first.
    selections: Mutex<Vec<Selected>>,
}

/// The rows of a generation that pass a filter.
struct Selected {
    generation: String,
    filter: Filter,
    rows: Arc<Bitmap>,
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
    /// Starts `threads` threads that scan.
    ///
    /// # Errors
    /// [`IndexError::Scan`] if the system gives none.
    pub fn new(threads: usize) -> Result<Self, IndexError> {
        Ok(Self { scanner: Scanner::new(Settings::new(threads))?, selections: Mutex::default() })
    }

    /// The nearest pictures of a view.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length, [`IndexError::Damaged`] if a file cannot be read.
    pub fn search(&self, view: &View, query: &Query<'_>) -> Result<Answer, IndexError> {
        let generation = view.generation();
        generation.check(query.vector)?;
        let admitted = view.admitted(self.select(generation, query.filter)?);
        let mut found = self.scan(generation, query, admitted)?;
        found.extend(view.search_added(query)?);
        found.sort_by(best_first);
        found.truncate(query.k);
        Ok(Answer { found, exact: true })
    }

    fn scan(
        &self,
        generation: &Arc<Generation>,
        query: &Query<'_>,
        admit: Option<Arc<Bitmap>>,
    ) -> Result<Vec<Found>, IndexError> {
        let source = Arc::clone(generation);
        let accept = accept(generation, query.exclusions);
        let hits = self.scanner.search(Job {
            source,
            query: query.vector.values().to_vec(),
            k: query.k,
            admit,
            accept,
        })?;
        let place = |Hit { row, score }| Found { place: Place::Base(row), score };
        Ok(hits.into_iter().map(place).collect())
    }

    /// The rows that pass a filter, computed once while they are remembered; `None` if all do.
    fn select(&self, generation: &Generation, filter: &Filter) -> Result<Option<Arc<Bitmap>>, IndexError> {
        if filter.is_empty() {
            return Ok(None);
        }
        {
            let mut selections = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut selections = self.selections.lock().unwrap_or_else(PoisonError::into_inner);
        if selections.len() >= REMEMBERED {
            selections.remove(0);
        }
        selections.push(selected);
        Ok(Some(rows))
    }
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
