//! What the gateway tells of itself in numbers.

use std::time::Duration;

use fondue_domain::measure::Measure;
use fondue_proto::dialogue::Usage;

use crate::desk::Desk;

/// How often it is told what is open.
const INTERVAL: Duration = Duration::from_secs(1);

const TURNS: &str = "fondue_gateway_turns_total";
const TURN_SECONDS: &str = "fondue_gateway_turn_seconds";
const FIRST_TOKEN_SECONDS: &str = "fondue_gateway_first_token_seconds";
const FIRST_TEXT_SECONDS: &str = "fondue_gateway_first_text_seconds";
const INTER_TOKEN_SECONDS: &str = "fondue_gateway_inter_token_seconds";
const TOKENS: &str = "fondue_gateway_tokens_total";
const IMAGES: &str = "fondue_gateway_images_total";
const FEATURES: &str = "fondue_gateway_features_total";
const FETCHED: &str = "fondue_gateway_fetched_images_total";
const FETCH_SECONDS: &str = "fondue_gateway_fetch_seconds";
const REFUSED: &str = "fondue_gateway_refused_total";
const RUNNING: &str = "fondue_gateway_running_turns";
const MOST: &str = "fondue_gateway_max_turns";
const CONVERSATIONS: &str = "fondue_gateway_open_conversations";
const WAITING: &str = "fondue_gateway_waiting_turns";
const CALLS: &str = "fondue_gateway_upstream_calls_total";
const CALL_SECONDS: &str = "fondue_gateway_upstream_call_seconds";

/// All of it.
pub(crate) const MEASURES: &[Measure] = &[
    Measure::counter("fondue_auth_refused_total", "Calls that nobody was let make, by the reason")
        .by("reason", &[]),
    Measure::gauge("fondue_upstream_replicas", "Replicas that are known, by service and state")
        .by("service", &[]),
    Measure::counter("fondue_upstream_retries_total", "Calls made again, or not for want of budget")
        .by("service", &[]),
    Measure::counter(
        "fondue_upstream_ejections_total",
        "Replicas that failed again and again and were left alone",
    )
    .by("service", &[]),
    Measure::counter(TURNS, "Turns that ended").by("outcome", &["done", "cancelled", "failed", "refused"]),
    Measure::histogram(TURN_SECONDS, "Time of answered turns, from the request to the last event"),
    Measure::histogram(FIRST_TOKEN_SECONDS, "Time from the request to the first token, be it text or [RET]"),
    Measure::histogram(FIRST_TEXT_SECONDS, "Time from the request to the first text"),
    Measure::histogram(INTER_TOKEN_SECONDS, "Time between two pieces of text or [RET]s of an answer"),
    Measure::counter(TOKENS, "Tokens of answered turns").by("kind", &["prompt", "cached", "generated"]),
    Measure::counter(IMAGES, "Pictures of answered turns: shown by clients, found for them")
        .by("kind", &["shown", "found"]),
    Measure::counter(FEATURES, "Pictures whose features were kept by the gateway, or asked of vision")
        .by("outcome", &["hit", "miss"]),
    Measure::counter(FETCHED, "Pictures fetched by URL").by("outcome", &["done", "failed"]),
    Measure::histogram(FETCH_SECONDS, "Time of fetching one picture by URL"),
    Measure::counter(REFUSED, "Calls and turns that found no room").by("limit", &["turns", "conversations"]),
    Measure::gauge(RUNNING, "Turns that have a place now"),
    Measure::gauge(MOST, "Turns that may have a place at once"),
    Measure::gauge(CONVERSATIONS, "Conversations that are open now"),
    Measure::gauge(WAITING, "Turns of conversations that wait for the one before them"),
    Measure::counter(CALLS, "Calls of other services that ended, by service, method and code")
        .by("service", &[]),
    Measure::histogram(CALL_SECONDS, "Time of calls of other services to the end of their streams")
        .by("service", &[]),
];

/// A turn that is counted when it ends; as cancelled if its client goes before that.
#[derive(Debug)]
pub struct Counted {
    outcome: &'static str,
}

impl Counted {
    /// A turn begins.
    pub(crate) fn begin() -> Self {
        Self { outcome: "cancelled" }
    }

    /// It ended so.
    pub(crate) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::counter!(TURNS, "outcome" => self.outcome).increment(1);
    }
}

/// There was no room.
pub(crate) fn refused(limit: &'static str) {
    metrics::counter!(REFUSED, "limit" => limit).increment(1);
}

/// A turn was answered; the times are from its beginning.
pub(crate) fn answered(total: Duration, first_text: Option<Duration>, usage: &Usage) {
    metrics::histogram!(TURN_SECONDS).record(total);
    if let Some(first) = first_text {
        metrics::histogram!(FIRST_TEXT_SECONDS).record(first);
    }
    let Usage { prompt_tokens, cached_tokens, generated_tokens, images_in, images_found } = *usage;
    for (kind, count) in
        [("prompt", prompt_tokens), ("cached", cached_tokens), ("generated", generated_tokens)]
    {
        metrics::counter!(TOKENS, "kind" => kind).increment(u64::from(count));
    }
    for (kind, count) in [("shown", images_in), ("found", images_found)] {
        metrics::counter!(IMAGES, "kind" => kind).increment(u64::from(count));
    }
}

/// The first token came.
pub(crate) fn first_token(after: Duration) {
    metrics::histogram!(FIRST_TOKEN_SECONDS).record(after);
}

/// Another one came.
pub(crate) fn next_token(after: Duration) {
    metrics::histogram!(INTER_TOKEN_SECONDS).record(after);
}

/// Features of pictures were there, or not.
pub(crate) fn features(hits: usize, misses: usize) {
    metrics::counter!(FEATURES, "outcome" => "hit").increment(hits as u64);
    metrics::counter!(FEATURES, "outcome" => "miss").increment(misses as u64);
}

/// A picture was fetched, or could not be.
pub(crate) fn fetched(is_there: bool, took: Duration) {
    metrics::counter!(FETCHED, "outcome" => if is_there { "done" } else { "failed" }).increment(1);
    metrics::histogram!(FETCH_SECONDS).record(took);
}

/// A turn begins to wait.
pub(crate) fn waits() {
    metrics::gauge!(WAITING).increment(1.0);
}

/// Turns do not wait any more.
pub(crate) fn wait_no_more(n: usize) {
    metrics::gauge!(WAITING).decrement(n as f64);
}

/// A call of another service ended.
pub(crate) fn called(service: &'static str, method: &'static str, code: &'static str, took: Duration) {
    metrics::counter!(CALLS, "service" => service, "method" => method, "code" => code).increment(1);
    metrics::histogram!(CALL_SECONDS, "service" => service, "method" => method).record(took);
}

/// Tells what is open, again and again. Ends never.
pub(crate) async fn tell(desk: &Desk) {
    let limits = &desk.config.limits;
    metrics::gauge!(MOST).set(limits.concurrent_turns as f64);
    loop {
        let (turns, conversations) = desk.open();
        metrics::gauge!(RUNNING).set(turns as f64);
        metrics::gauge!(CONVERSATIONS).set(conversations as f64);
        tokio::time::sleep(INTERVAL).await;
    }
}
