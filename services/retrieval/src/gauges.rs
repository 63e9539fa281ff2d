//! What the service tells of itself in numbers.

use std::time::Duration;

use fondue_domain::measure::Measure;

use crate::store::{Description, Found};

const SEARCH_SECONDS: &str = "fondue_retrieval_search_seconds";
const QUEUE_SECONDS: &str = "fondue_retrieval_queue_seconds";
const QUEUED: &str = "fondue_retrieval_queued";
const RUNNING: &str = "fondue_retrieval_running";
const HITS: &str = "fondue_retrieval_hits_total";
const INGEST_SECONDS: &str = "fondue_retrieval_ingest_batch_seconds";
const INGESTED: &str = "fondue_retrieval_ingested_total";
const REPLACED: &str = "fondue_retrieval_replaced_total";
const DELETED: &str = "fondue_retrieval_deleted_total";
const ACTIVATIONS: &str = "fondue_retrieval_activations_total";
const COMPACTION_SECONDS: &str = "fondue_retrieval_compaction_seconds";
const ROWS: &str = "fondue_retrieval_rows";
const GENERATION: &str = "fondue_retrieval_generation_info";
const CREATED: &str = "fondue_retrieval_generation_created_timestamp_seconds";
const CHANGES: &str = "fondue_retrieval_changed_rows";

/// All of it.
pub(crate) const MEASURES: &[Measure] = &[
    Measure::histogram(SEARCH_SECONDS, "Time of a search, exact or approximate")
        .by("mode", &["exact", "approximate"]),
    Measure::histogram(QUEUE_SECONDS, "Time that a call waits until it may run"),
    Measure::gauge(QUEUED, "Calls that wait until they may run"),
    Measure::gauge(RUNNING, "Calls that run now"),
    Measure::counter(HITS, "Pictures that searches found"),
    Measure::histogram(INGEST_SECONDS, "Time until a batch of new pictures is durable"),
    Measure::counter(INGESTED, "Pictures that were added"),
    Measure::counter(REPLACED, "Pictures among them that took the place of others"),
    Measure::counter(DELETED, "Pictures that were removed"),
    Measure::counter(ACTIVATIONS, "Times that another generation was made the active one"),
    Measure::histogram(COMPACTION_SECONDS, "Time of making changes a new generation"),
    Measure::gauge(ROWS, "Pictures that searches of the active generation see"),
    Measure::gauge(GENERATION, "1; the active generation, 0 for those that were").by("generation", &[]),
    Measure::gauge(CREATED, "When the active generation was made, in seconds since 1970"),
    Measure::gauge(CHANGES, "Pictures of the active generation added, removed or replaced since it was made"),
];

/// A search was answered.
pub(crate) fn searched(found: &Found, took: Duration) {
    let mode = if found.exact { "exact" } else { "approximate" };
    metrics::histogram!(SEARCH_SECONDS, "mode" => mode).record(took);
    metrics::counter!(HITS).increment(found.hits.len() as u64);
}

/// A number that goes down again when this is dropped.
pub(crate) struct Among(&'static str);

/// A call waits.
pub(crate) fn waits() -> Among {
    metrics::gauge!(QUEUED).increment(1.0);
    Among(QUEUED)
}

/// It runs, after having waited.
pub(crate) fn runs(waited: Duration) -> Among {
    metrics::histogram!(QUEUE_SECONDS).record(waited);
    metrics::gauge!(RUNNING).increment(1.0);
    Among(RUNNING)
}

impl Drop for Among {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}

/// Pictures became durable.
pub(crate) fn ingested(accepted: usize, replaced: usize, took: Duration) {
    metrics::histogram!(INGEST_SECONDS).record(took);
    metrics::counter!(INGESTED).increment(accepted as u64);
    metrics::counter!(REPLACED).increment(replaced as u64);
}

/// Pictures were removed.
pub(crate) fn deleted(count: usize) {
    metrics::counter!(DELETED).increment(count as u64);
}

/// Another generation is the active one.
pub(crate) fn activated() {
    metrics::counter!(ACTIVATIONS).increment(1);
}

/// A generation and its changes became a new one of `rows` pictures.
pub(crate) fn compacted(rows: usize, took: Duration) {
    metrics::histogram!(COMPACTION_SECONDS).record(took);
    metrics::gauge!(ROWS).set(rows as f64);
}

/// What the active generation is like now; `before` is what it was when that was told last.
pub(crate) fn active(now: &Description, before: Option<&Description>) {
    let tell = |known: &Description, value: f64| {
        let labels = [
            ("generation", known.generation.clone()),
            ("precision", known.precision.clone()),
            ("graph", known.has_graph.to_string()),
            ("backend", known.backend.to_owned()),
        ];
        metrics::gauge!(GENERATION, &labels).set(value);
    };
    if let Some(before) = before.filter(|before| before.generation != now.generation) {
        tell(before, 0.0);
    }
    tell(now, 1.0);
    metrics::gauge!(ROWS).set(now.rows as f64);
    metrics::gauge!(CREATED).set(now.created_seconds as f64);
    metrics::gauge!(CHANGES).set((now.ingested + now.removed) as f64);
}
