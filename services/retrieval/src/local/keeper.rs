//! What goes on behind the searches: checksums, compaction, collection.

use std::{sync::Arc, time::Duration};

use fondue_index::IndexError;

use super::Inner;
use crate::store::StoreError;

/// When what is done.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Changes after which they are compacted; `None`: only when asked.
    pub compact_above: Option<usize>,
    /// How often that is looked at, and what is not used any more is collected.
    pub interval: Duration,
}

/// Compares the active generation with its checksums, and then keeps the index in order as long as it is polled. Ends if
/// the active generation is damaged and no other can take its place.
pub(super) async fn keep(inner: Arc<Inner>, keeping: Keeping) -> StoreError {
    if let Err(error) = verify(Arc::clone(&inner)).await {
        return error.into();
    }
    loop {
        tokio::time::sleep(keeping.interval).await;
        let inner = Arc::clone(&inner);
        let work = tokio::task::spawn_blocking(move || tend(&inner, keeping.compact_above));
        if work.await.is_err() {
            tracing::error!("the index was not kept in order: the work broke off");
        }
    }
}

/// A generation that was damaged while nobody looked is not served any longer than it takes to read it; the newest other
/// one that is whole takes its place, in memory alone.
async fn verify(inner: Arc<Inner>) -> Result<(), IndexError> {
    let work = tokio::task::spawn_blocking(move || {
        let Err(error) = inner.index.verify() else { return Ok(()) };
        tracing::error!(%error, "the active generation is damaged");
        match inner.index.fall_back() {
            Some(id) => {
                tracing::error!(
                    generation = id,
                    "an older generation is served in its place; build the index again"
                );
                Ok(())
            }
            None => Err(error),
        }
    });
    work.await.unwrap_or(Ok(()))
}

fn tend(inner: &Inner, compact_above: Option<usize>) {
    if !inner.index.writable() {
        return;
    }
    let changes = inner.index.view("").map_or(0, |view| view.changes());
    if compact_above.is_some_and(|most| changes > most) {
        match inner.index.compact(&mut |_, _| true) {
            Ok(done) => {
                let (generation, rows) = (done.generation, done.rows);
                tracing::info!(generation, rows, changes, "changes compacted");
            }
            Err(IndexError::Compacting) => {} // somebody asked for it
            Err(error) => tracing::warn!(%error, changes, "changes are not compacted"),
        }
    }
    match inner.index.collect() {
        Ok(gone) if !gone.is_empty() => tracing::info!(?gone, "generations collected"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "what is not used any more is not collected"),
    }
}
