//! What the service tells of itself in numbers.

use std::time::Duration;

use crate::store::Found;

/// A search was answered.
pub(crate) fn searched(found: &Found, took: Duration) {
    let mode = if found.exact { "exact" } else { "approximate" };
    metrics::histogram!("fondue_retrieval_search_seconds", "mode" => mode).record(took);
    metrics::counter!("fondue_retrieval_hits_total").increment(found.hits.len() as u64);
}

/// Pictures became durable.
pub(crate) fn ingested(accepted: usize, replaced: usize, took: Duration) {
    metrics::histogram!("fondue_retrieval_ingest_batch_seconds").record(took);
    metrics::counter!("fondue_retrieval_ingested_total").increment(accepted as u64);
    metrics::counter!("fondue_retrieval_replaced_total").increment(replaced as u64);
}

/// Pictures were removed.
pub(crate) fn deleted(count: usize) {
    metrics::counter!("fondue_retrieval_deleted_total").increment(count as u64);
}

/// Another generation is the active one.
pub(crate) fn activated() {
    metrics::counter!("fondue_retrieval_activations_total").increment(1);
}

/// A generation and its changes became a new one of `rows` pictures.
pub(crate) fn compacted(rows: usize, took: Duration) {
    metrics::histogram!("fondue_retrieval_compaction_seconds").record(took);
    metrics::gauge!("fondue_retrieval_rows").set(rows as f64);
}
