//! The back end on this machine's own files.

mod shelf;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use fondue_domain::Embedding;
use fondue_index::{Generation, IndexError, NewItem, Query};
use tokio::sync::Semaphore;

use self::shelf::Shelf;
use crate::store::{
    Activated, Compacted, Deleted, Description, Found, Ingested, Picture, Search, Store, StoreError,
};

const NOT_OFFERED: StoreError = StoreError::Unsupported(
    "the index cannot be changed while it is served; build a new generation with `fondue index build` and activate it",
);

/// An index folder.
pub struct Local {
    shelf: Arc<Shelf>,
    running: Arc<Semaphore>,
}

impl Local {
    /// Opens the folder's active generation. `searching` searches run at once; others wait.
    ///
    /// # Errors
    /// [`IndexError`] if there is no index, none is active, or the active one is damaged.
    pub fn open(root: &Path, verify: bool, max_open: usize, searching: usize) -> Result<Self, IndexError> {
        let shelf = Arc::new(Shelf::open(root, verify, max_open)?);
        Ok(Self { shelf, running: Arc::new(Semaphore::new(searching)) })
    }

    /// Has as many permits as searches may run at once.
    #[cfg(test)]
    pub(crate) fn running(&self) -> &Arc<Semaphore> {
        &self.running
    }

    /// Runs what reads files or scans off the async threads.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let broken = |_| StoreError::Broken { reason: "the work broke off".to_owned() };
        let permit = Arc::clone(&self.running).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Broken { reason: "the index is closed".to_owned() })?;
        let shelf = Arc::clone(&self.shelf);
        // What the work logs belongs to the call.
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(|| work(&shelf))
        });
        Ok(task.await.map_err(broken)??)
    }
}

#[tonic::async_trait]
impl Store for Local {
    async fn search(&self, search: Search) -> Result<Found, StoreError> {
        self.work(move |shelf| {
            let generation = shelf.get(&search.generation)?;
            let found = generation.search(&Query {
                vector: &search.query,
                k: search.k,
                filter: &search.filter,
                exclusions: &search.exclusions,
            })?;
            let mut room = search.data_bytes;
            let mut hits = Vec::with_capacity(found.len());
            for hit in found {
                let stored = generation.picture(hit.row).map_or(0, <[u8]>::len);
                let include_data = stored <= room;
                room -= if include_data { stored } else { 0 };
                hits.push((hit.score, picture(&generation, hit.row, include_data)?));
            }
            Ok(Found { hits, generation: generation.id().to_owned(), exact: true })
        })
        .await
    }

    async fn fetch(&self, id: &str, generation: &str) -> Result<Option<(Picture, String)>, StoreError> {
        let (id, generation) = (id.to_owned(), generation.to_owned());
        self.work(move |shelf| {
            let generation = shelf.get(&generation)?;
            let Some(row) = generation.row(&id)? else { return Ok(None) };
            Ok(Some((picture(&generation, row, true)?, generation.id().to_owned())))
        })
        .await
    }

    async fn ingest(&self, _: Vec<(NewItem, Embedding)>) -> Result<Ingested, StoreError> {
        Err(NOT_OFFERED)
    }

    async fn delete(&self, _: Vec<String>) -> Result<Deleted, StoreError> {
        Err(NOT_OFFERED)
    }

    async fn activate(&self, id: &str) -> Result<Activated, StoreError> {
        let id = id.to_owned();
        let (active, previous) = self.work(move |shelf| shelf.activate(&id)).await?;
        Ok(Activated { active, previous })
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        Err(NOT_OFFERED)
    }

    async fn describe(&self, generation: &str) -> Result<Description, StoreError> {
        let asked = generation.to_owned();
        self.work(move |shelf| {
            let generation = shelf.get(&asked)?;
            Ok(Description {
                generation: generation.id().to_owned(),
                active: shelf.get("")?.id().to_owned(),
                generations: shelf.generations()?,
                rows: generation.len(),
                dim: generation.dim(),
                fingerprint: generation.fingerprint().to_owned(),
                vision_fingerprint: generation.vision_fingerprint().unwrap_or_default().to_owned(),
                created_seconds: generation.created(),
                parent: generation.parent().unwrap_or_default().to_owned(),
                precision: generation.precision().to_string(),
                has_graph: generation.graph_facts().is_some(),
                fields: generation.fields().map(|(name, kind)| (name.to_owned(), kind)).collect(),
                backend: "local",
                ..Description::default()
            })
        })
        .await
    }
}

fn picture(generation: &Generation, row: usize, include_data: bool) -> Result<Picture, IndexError> {
    let data = if include_data { generation.picture(row).unwrap_or_default() } else { &[] };
    Ok(Picture { item: generation.item(row)?, data: Bytes::copy_from_slice(data) })
}
