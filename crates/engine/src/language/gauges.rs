//! What the engine's thread tells the others about itself, and the same in metrics.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use fondue_domain::measure::Measure;

use super::pages::Pages;

/// What the language engine measures.
pub const LANGUAGE_MEASURES: &[Measure] = &[
    Measure::gauge("fondue_language_slots", "Answers that may decode at once"),
    Measure::gauge("fondue_language_active_slots", "Answers that have a slot now"),
    Measure::gauge("fondue_language_queued", "Requests that wait for a slot or for memory"),
    Measure::histogram("fondue_language_queue_seconds", "Time that an answer waits for a slot and memory"),
    Measure::histogram("fondue_language_first_token_seconds", "Time from the request to its first token"),
    Measure::histogram("fondue_language_inter_token_seconds", "Time between two tokens of an answer"),
    Measure::histogram("fondue_language_prefill_seconds", "Time from the slot to the first token"),
    Measure::histogram("fondue_language_step_seconds", "Time of one step of the engine")
        .by("kind", &["decode", "prefill", "mixed"]),
    Measure::histogram("fondue_language_step_rows", "Rows that one step runs through the model"),
    Measure::histogram("fondue_language_step_sequences", "Answers and questions that share a step"),
    Measure::histogram("fondue_language_slot_occupancy_ratio", "Share of the slots that decode in a step"),
    Measure::counter("fondue_language_tokens_total", "Tokens generated"),
    Measure::counter("fondue_language_prompt_tokens_total", "Positions of prompts"),
    Measure::counter("fondue_language_prefix_hit_tokens_total", "Positions of prompts that were remembered"),
    Measure::counter("fondue_language_prefix_missed_tokens_total", "Positions of prompts that had to be run"),
    Measure::counter("fondue_language_prefix_evicted_blocks_total", "Remembered blocks that were given up"),
    Measure::counter("fondue_language_preemptions_total", "Times that an answer made room for an older one"),
    Measure::gauge("fondue_language_kv_budget_bytes", "Memory that keys and values may take"),
    Measure::gauge("fondue_language_kv_used_bytes", "Memory that keys and values of running requests take"),
    Measure::gauge("fondue_language_kv_cached_bytes", "Memory that remembered keys and values take"),
];

/// The memory of keys and values and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLoad {
    /// Bytes of one block.
    pub block_bytes: usize,
    /// Blocks that there are.
    pub blocks: usize,
    /// Blocks that sequences hold now.
    pub used: usize,
    /// Blocks that are kept for a later prompt now.
    pub kept: usize,
    /// Blocks that were kept and given up for others.
    pub evicted: u64,
    /// Times that an answer made room for an older one.
    pub pre_empted: u64,
}

/// The thread writes, everybody reads; each number is right by itself.
#[derive(Default)]
pub(super) struct Gauges {
    decoding: AtomicUsize,
    used: AtomicUsize,
    kept: AtomicUsize,
    evicted: AtomicU64,
    pre_empted: AtomicU64,
}

impl Gauges {
    pub(super) fn decoding(&self) -> usize {
        self.decoding.load(Relaxed)
    }

    pub(super) fn kv(&self, block_bytes: usize, blocks: usize) -> KvLoad {
        KvLoad {
            block_bytes,
            blocks,
            used: self.used.load(Relaxed),
            kept: self.kept.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            pre_empted: self.pre_empted.load(Relaxed),
        }
    }

    pub(super) fn show(&self, pages: &Pages, block_bytes: usize, (decoding, waiting): (usize, usize)) {
        self.decoding.store(decoding, Relaxed);
        metrics::gauge!("fondue_language_active_slots").set(decoding as f64);
        metrics::gauge!("fondue_language_queued").set(waiting as f64);
        self.used.store(pages.used(), Relaxed);
        self.kept.store(pages.kept(), Relaxed);
        metrics::gauge!("fondue_language_kv_used_bytes").set((pages.used() * block_bytes) as f64);
        metrics::gauge!("fondue_language_kv_cached_bytes").set((pages.kept() * block_bytes) as f64);
        let before = self.evicted.swap(pages.evicted(), Relaxed);
        if before != pages.evicted() {
            metrics::counter!("fondue_language_prefix_evicted_blocks_total")
                .increment(pages.evicted() - before);
        }
    }

    pub(super) fn pre_empted(&self) {
        self.pre_empted.fetch_add(1, Relaxed);
        metrics::counter!("fondue_language_preemptions_total").increment(1);
    }
}

/// A prompt entered the batch.
pub(super) fn prompt(positions: usize, cached: usize) {
    metrics::counter!("fondue_language_prompt_tokens_total").increment(positions as u64);
    metrics::counter!("fondue_language_prefix_hit_tokens_total").increment(cached as u64);
    metrics::counter!("fondue_language_prefix_missed_tokens_total").increment((positions - cached) as u64);
}

/// A step was made.
pub(super) fn step((decoding, slots): (usize, usize), prompt_rows: usize, sequences: usize, took: Duration) {
    let kind = match (decoding, prompt_rows) {
        (_, 0) => "decode",
        (0, _) => "prefill",
        _ => "mixed",
    };
    metrics::histogram!("fondue_language_step_seconds", "kind" => kind).record(took);
    metrics::histogram!("fondue_language_step_rows").record((decoding + prompt_rows) as f64);
    metrics::histogram!("fondue_language_step_sequences").record(sequences as f64);
    metrics::histogram!("fondue_language_slot_occupancy_ratio").record(decoding as f64 / slots as f64);
}
