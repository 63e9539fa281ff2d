//! The back end on this machine's own files.

mod keeper;

use std::{path::Path, sync::Arc, thread, time::Instant};

use bytes::Bytes;
use fondue_domain::Embedding;
use fondue_index::{How, Index, IndexError, NewItem, Place, Query, Searcher, View, live::Settings};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tracing::{Instrument, Span};

pub use self::keeper::Keeping;
use crate::{
    gauges,
    store::{
        Activated, Compacted, Deleted, Description, Found, Ingested, Picture, Search, Store, StoreError,
    },
};

/// An index folder.
pub struct Local {
    inner: Arc<Inner>,
    running: Arc<Semaphore>,
    keeping: Keeping,
}

struct Inner {
    index: Index,
    searcher: Searcher,
}

/// How the folder is searched.
#[derive(Clone, Copy, Debug)]
pub struct Searching {
    /// Calls that run at once; others wait.
    pub calls: usize,
    /// Threads that scan.
    pub threads: usize,
    /// Candidates of an approximate search, where the caller does not say.
    pub ef: usize,
}

impl Local {
    /// Opens the folder's active generation with its changes.
    ///
    /// # Errors
    /// [`IndexError`] if there is no index, none is active, or the active one is damaged as far as can be seen without
    /// reading it all; the rest is found by its keeper, while it is searched.
    pub fn open(
        root: &Path,
        settings: Settings,
        searching: Searching,
        keeping: Keeping,
    ) -> Result<Self, IndexError> {
        let index = Index::open(root, settings)?;
        if index.cut() > 0 {
            tracing::warn!(
                bytes = index.cut(),
                "an unfinished batch of changes was cut off; nobody was told of it"
            );
        }
        if !index.writable() {
            tracing::warn!("another process changes this index: it is read-only here");
        }
        let view = index.view("")?;
        let generation = view.generation();
        let (id, dim, added, removed) = (generation.id(), generation.dim(), view.added(), view.removed());
        tracing::info!(generation = id, rows = generation.len(), dim, added, removed, "index open");
        let inner = Inner { index, searcher: Searcher::new(searching.threads, searching.ef)? };
        Ok(Self { inner: Arc::new(inner), running: Arc::new(Semaphore::new(searching.calls)), keeping })
    }

    /// Has as many permits as calls may run at once.
    #[cfg(test)]
    pub(crate) fn running(&self) -> &Arc<Semaphore> {
        &self.running
    }

    /// Runs what reads files or waits for others off the async threads.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (begun, waiting) = (Instant::now(), gauges::waits());
        // What goes on behind the calls is no trace.
        let queue = match Span::current().is_none() {
            true => Span::none(),
            false => tracing::debug_span!("queue"),
        };
        let permit = Arc::clone(&self.running).acquire_owned().instrument(queue).await;
        drop(waiting);
        let permit = permit.map_err(|_| StoreError::Broken { reason: "the index is closed".to_owned() })?;
        let inner = Arc::clone(&self.inner);
        // What the work logs belongs to the call.
        let span = tracing::Span::current();
        let running = gauges::runs(begun.elapsed());
        let task = tokio::task::spawn_blocking(move || {
            let (_permit, _running) = (permit, running);
            span.in_scope(|| work(&inner))
        });
        let broken = |_| StoreError::Broken { reason: "the work broke off".to_owned() };
        Ok(task.await.map_err(broken)??)
    }
}

#[tonic::async_trait]
impl Store for Local {
    async fn search(&self, search: Search) -> Result<Found, StoreError> {
        // Dropped with this call, which is when nobody waits for it any more.
        let caller = Arc::new(());
        let waits = Arc::downgrade(&caller);
        let found = self.work(move |Inner { index, searcher }| {
            let view = index.view(&search.generation)?;
            let query = Query {
                vector: &search.query,
                k: search.k,
                filter: &search.filter,
                exclusions: &search.exclusions,
            };
            let how = if search.exact { How::Exactly } else { How::Nearly { ef: search.effort } };
            let wanted = || waits.strong_count() > 0;
            let answer = searcher.search_while(&view, &query, how, &wanted)?;
            let _reading =
                tracing::debug_span!("read_pictures", pictures = answer.found.len() as i64).entered();
            let mut room = search.data_bytes;
            let mut hits = Vec::with_capacity(answer.found.len());
            for found in answer.found {
                let stored = view.picture_bytes(found.place);
                let include_data = stored <= room;
                room -= if include_data { stored } else { 0 };
                hits.push((found.score, picture(&view, found.place, include_data)?));
            }
            Ok(Found { hits, generation: view.generation().id().to_owned(), exact: answer.exact })
        });
        let found = found.await;
        drop(caller);
        found
    }

    async fn fetch(&self, id: &str, generation: &str) -> Result<Option<(Picture, String)>, StoreError> {
        let (id, generation) = (id.to_owned(), generation.to_owned());
        self.work(move |Inner { index, .. }| {
            let view = index.view(&generation)?;
            let Some(place) = view.find(&id)? else { return Ok(None) };
            Ok(Some((picture(&view, place, true)?, view.generation().id().to_owned())))
        })
        .await
    }

    async fn ingest(&self, batch: Vec<(NewItem, Embedding)>) -> Result<Ingested, StoreError> {
        let done = self.work(move |Inner { index, .. }| index.ingest(batch)).await?;
        Ok(Ingested { replaced: done.replaced, generation: done.generation })
    }

    async fn delete(&self, ids: Vec<String>) -> Result<Deleted, StoreError> {
        let done = self.work(move |Inner { index, .. }| index.delete(ids)).await?;
        Ok(Deleted { deleted: done.deleted, generation: done.generation })
    }

    async fn activate(&self, id: &str) -> Result<Activated, StoreError> {
        let id = id.to_owned();
        let (active, previous) = self.work(move |Inner { index, .. }| index.activate(&id)).await?;
        Ok(Activated { active, previous })
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        let inner = Arc::clone(&self.inner);
        let (done, result) = tokio::sync::oneshot::channel();
        // A thread of its own: it takes long, and is not undone when the caller leaves.
        let started = thread::Builder::new().name("compact".to_owned()).spawn(move || {
            let _ = done.send(inner.index.compact(&mut |_, _| true));
        });
        started.map_err(|error| StoreError::Unavailable { reason: error.to_string() })?;
        let broken = |_| StoreError::Broken { reason: "the compaction broke off".to_owned() };
        let done = result.await.map_err(broken)??;
        Ok(Compacted { generation: done.generation, previous: done.previous, rows: done.rows })
    }

    fn keeper(&self) -> BoxFuture<'static, StoreError> {
        Box::pin(keeper::keep(Arc::clone(&self.inner), self.keeping))
    }

    async fn describe(&self, generation: &str) -> Result<Description, StoreError> {
        let asked = generation.to_owned();
        self.work(move |Inner { index, .. }| {
            let view = index.view(&asked)?;
            let generation = view.generation();
            Ok(Description {
                generation: generation.id().to_owned(),
                active: index.view("")?.generation().id().to_owned(),
                generations: index.generations()?,
                rows: view.len(),
                dim: generation.dim(),
                fingerprint: generation.fingerprint().to_owned(),
                vision_fingerprint: generation.vision_fingerprint().unwrap_or_default().to_owned(),
                created_seconds: generation.created(),
                parent: generation.parent().unwrap_or_default().to_owned(),
                precision: generation.precision().to_string(),
                has_graph: generation.graph_facts().is_some(),
                ingested: view.added(),
                removed: view.removed(),
                fields: view.fields().map(|(name, kind)| (name.to_owned(), kind)).collect(),
                backend: "local",
            })
        })
        .await
    }
}

fn picture(view: &View, place: Place, include_data: bool) -> Result<Picture, IndexError> {
    let data = if include_data { Bytes::from(view.picture(place)?) } else { Bytes::new() };
    Ok(Picture { item: view.item(place)?, data })
}
