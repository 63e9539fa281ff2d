//! The process's metrics: one recorder, buckets by what is measured, help for each name.

use std::{sync::OnceLock, time::Duration};

use fondue_domain::measure::{Kind, Measure};
use metrics::{Label, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::traces;

/// How often what was measured is put into its buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Seconds of a call or a wait.
const SECONDS: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds of what happens many times in an answer.
const SHORT: &[f64] =
    &[0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0];
/// Seconds of what may last as long as a turn.
const LONG: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Things in one batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// Shares of a whole.
const SHARES: &[f64] = &[0.0625, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0];

/// Buckets by the ends of names; the first that fits counts, others are [`SECONDS`].
const BUCKETS: &[(&str, &[f64])] = &[
    ("_inter_token_seconds", SHORT),
    ("_step_seconds", SHORT),
    ("_search_seconds", SHORT),
    ("_queue_seconds", SHORT),
    ("_turn_seconds", LONG),
    ("_compaction_seconds", LONG),
    ("_pictures", COUNTS),
    ("_rows", COUNTS),
    ("_sequences", COUNTS),
    ("_ratio", SHARES),
];

/// What every server tells.
const COMMON: &[Measure] = &[
    Measure::gauge("fondue_build_info", "1; what this server was built from").by("version", &[]),
    Measure::counter("fondue_rpc_total", "gRPC calls that ended, by method and code").by("method", &[]),
    Measure::histogram("fondue_rpc_seconds", "Time of gRPC calls to the end of their streams")
        .by("method", &[]),
    Measure::gauge("fondue_rpc_running", "gRPC calls that run now"),
    Measure::counter("fondue_http_total", "Calls by plain HTTP that ended, by method, route and status")
        .by("route", &[]),
    Measure::histogram("fondue_http_seconds", "Time of calls by plain HTTP to the end of their bodies")
        .by("route", &[]),
    Measure::gauge("fondue_http_running", "Calls by plain HTTP that run now"),
    Measure::gauge("fondue_connections", "Connections that are open"),
    Measure::counter(
        "fondue_connections_refused_total",
        "Connections that were closed unheard, by the reason",
    )
    .by("reason", &[]),
    Measure::counter(
        "fondue_accept_errors_total",
        "Times that the system gave no connection though one came",
    ),
    Measure::gauge("fondue_tls_certificate_expiry_timestamp_seconds", "When the certificate ends")
        .by("role", &[]),
    Measure::counter("fondue_tls_reloads_total", "Changed files of TLS, by what became of them")
        .by("role", &[]),
    Measure::counter(traces::EXPORTED, "Spans that the collector took"),
    Measure::counter(
        traces::DROPPED,
        "Spans that were lost: no room in the queue, or not taken by the collector",
    )
    .by("reason", &traces::REASONS),
];

/// The process's metrics. Servers that share a process share them.
pub(crate) fn handle() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(install).as_ref()
}

fn install() -> Option<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new().set_buckets(SECONDS);
    for (end, buckets) in BUCKETS {
        let matcher = Matcher::Suffix((*end).to_owned());
        builder = builder.and_then(|builder| builder.set_buckets_for_metric(matcher, buckets));
    }
    let handle = builder.and_then(PrometheusBuilder::install_recorder).ok()?;
    tell(COMMON);
    let build = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("rustc", env!("FONDUE_RUSTC")),
        // Told by whoever builds an image.
        ("commit", option_env!("FONDUE_COMMIT").unwrap_or("unknown")),
    ];
    metrics::gauge!("fondue_build_info", &build).set(1.0);
    Collector::default().describe();
    Some(handle)
}

/// Tells what a service measures: its help, and each metric as it is before anything has happened.
pub fn describe(measures: &[Measure]) {
    // Before there is a recorder nothing would be told.
    if handle().is_some() {
        tell(measures);
    }
}

fn tell(measures: &[Measure]) {
    for Measure { kind, name, help, label } in measures {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
        match label {
            None => begin(*kind, name, Vec::new()),
            Some((label, values)) => values.iter().for_each(|value| {
                let label = Label::new(*label, SharedString::const_str(value));
                begin(*kind, name, vec![label]);
            }),
        }
    }
}

/// Lets a metric be seen.
fn begin(kind: Kind, name: &'static str, labels: Vec<Label>) {
    match kind {
        Kind::Counter => metrics::counter!(name, labels).increment(0),
        Kind::Gauge => metrics::gauge!(name, labels).increment(0.0),
        Kind::Histogram => drop(metrics::histogram!(name, labels)),
    }
}

/// All metrics as text, those of the process as they are now.
pub(crate) fn text() -> String {
    let Some(handle) = handle() else { return String::new() };
    Collector::default().collect();
    handle.run_upkeep();
    handle.render()
}

/// Keeps measurements from piling up where nobody reads them. It never ends.
pub(crate) async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(handle) = handle() {
            handle.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_help_a_type_and_buckets_of_its_own() {
        describe(&[
            Measure::counter("test_things_total", "Things").by("outcome", &["done", "lost"]),
            Measure::histogram("test_batch_pictures", "Pictures of a batch"),
            Measure::histogram("test_turn_seconds", "Turns"),
        ]);
        let text = text();
        let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        has("# HELP test_things_total Things");
        has("# TYPE test_things_total counter");
        has("test_things_total{outcome=\"lost\"} 0");
        has("test_batch_pictures_bucket{le=\"1024\"} 0");
        has("test_turn_seconds_bucket{le=\"600\"} 0");
        has("fondue_trace_spans_dropped_total{reason=\"queue_full\"} 0");
        assert!(text.contains("fondue_build_info{version=\"") && text.contains("rustc=\"1."), "{text}");
        assert!(
            text.contains("process_resident_memory_bytes ") && text.contains("process_open_fds "),
            "{text}"
        );
    }
}
