//! Logs on stderr, traces by OTLP, metrics for Prometheus.
//!
//! Spans get W3C ids whether or not traces are exported, so that a trace id in one service's log finds the lines of
//! all others.

mod lines;
mod measured;
mod traces;

use std::{io::IsTerminal, time::Duration};

pub use measured::describe;
pub(crate) use measured::{handle as metrics_handle, text as metrics_text, upkeep as metrics_upkeep};
use opentelemetry::{
    KeyValue,
    trace::{Status, TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, FilterFn, filter_fn},
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::lines::{Ids, WithTrace};
use crate::settings::{LogFormat, Serving};

/// How long the end may wait for the collector to take the last spans.
const LAST_SPANS: Duration = Duration::from_secs(1);
/// Bytes of a text that is put into a span, where that is allowed.
const CONTENT_BYTES: usize = 8 << 10;

/// Why logs and traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log.
    #[error("log_filter `{filter}`: {reason}; for example `info,fondue_engine=debug`")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter of traces.
    #[error("otlp_endpoint `{endpoint}`: {reason}")]
    Exporter {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else writes the logs already.
    #[error("logs are set up already")]
    Twice,
}

/// Keeps traces going; sends what is left when dropped.
#[must_use = "traces end when it is dropped"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        let _ = self.provider.shutdown_with_timeout(LAST_SPANS);
    }
}

/// Sets up logs, traces and metrics of this process. Needs a tokio runtime if traces are exported.
///
/// # Errors
/// [`TelemetryError`] that names the setting at fault.
pub fn init(service: &'static str, serving: &Serving) -> Result<TelemetryGuard, TelemetryError> {
    let filter = EnvFilter::builder().parse(&serving.log_filter).map_err(|error| TelemetryError::Filter {
        filter: serving.log_filter.clone(),
        reason: error.to_string(),
    })?;
    metrics_handle();
    let provider = traces::provider(service, serving)?;
    propagate();
    let exports = serving.otlp_endpoint.is_some();
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(service))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        // Nobody asks OpenTelemetry for its current context: spans are found by `tracing`.
        .with_context_activation(false)
        .with_filter(recorded(exports));
    let writer = BoxMakeWriter::new(std::io::stderr);
    // Whatever is logged within a call has its trace's id, so the spans that have it are never left out.
    let filter = filter.or(calls());
    let logs = match serving.log_format {
        LogFormat::Text => {
            // Colours are for terminals, not for files.
            let ansi = std::io::stderr().is_terminal();
            fmt::layer().with_ansi(ansi).with_writer(writer).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let lines = fmt::layer().json().flatten_event(true).map_event_format(WithTrace);
            lines.with_writer(writer).with_filter(filter).boxed()
        }
    };
    let subscriber = tracing_subscriber::registry().with(traces).with(Ids.with_filter(calls())).with(logs);
    subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
    Ok(TelemetryGuard { provider })
}

/// What a trace holds: our own spans only, as the exporter's connection would otherwise trace itself.
///
/// Spans of level INFO are the calls and turns, and have ids in any case. What they are made of is told at DEBUG, and is not
/// there at all without an exporter. Events are what is worth a line of the log, and what the engines tell of a turn's steps.
fn recorded(exports: bool) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let most = if exports { Level::DEBUG } else { Level::INFO };
    let wanted = move |about: &Metadata<'_>| {
        let (target, level) = (about.target(), *about.level());
        let is_wanted = match about.is_span() {
            true => level <= most,
            // Without an exporter nobody reads events.
            false => {
                exports && (level <= Level::INFO || target.starts_with("fondue_engine") && level <= most)
            }
        };
        is_wanted && target.starts_with("fondue")
    };
    filter_fn(wanted).with_max_level_hint(LevelFilter::from_level(most))
}

/// The spans of calls and turns.
fn calls() -> FilterFn {
    let wanted = |about: &Metadata<'_>| {
        about.is_span() && *about.level() <= Level::INFO && about.target().starts_with("fondue")
    };
    filter_fn(wanted as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

/// Makes W3C's `traceparent` the way in which trace contexts travel.
pub(crate) fn propagate() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
}

/// The trace that the current span belongs to: 32 hexadecimal digits, all 0 outside of any trace.
pub fn current_trace_id() -> String {
    tracing::Span::current().context().span().span_context().trace_id().to_string()
}

/// The same; `None` outside of any trace.
pub fn trace_id() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    span.span_context().is_valid().then(|| span.span_context().trace_id().to_string())
}

/// Makes `span` the first of a trace of its own, linked to the current one, and notes the trace's id in its field `trace_id`.
pub fn begin_trace(span: &tracing::Span) {
    let outer = tracing::Span::current().context().span().span_context().clone();
    if span.set_parent(opentelemetry::Context::new()).is_ok() {
        // Begun before it is linked: whether it is recorded is its own affair.
        span.record("trace_id", span.context().span().span_context().trace_id().to_string());
        span.add_link(outer);
    }
}

/// Puts a text that somebody wrote, or the model, into the current span, cut at 8 KiB. It gets into no log.
///
/// Only for where a setting allows it: traces are read by others than those who talk.
pub fn content(name: &'static str, text: &str) {
    let end = (0..=text.len().min(CONTENT_BYTES)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    tracing::Span::current().set_attribute(name, text[..end].to_owned());
}

/// Notes in `span` that what it tells of went wrong, and how: `kind` is one of few words.
pub fn went_wrong(span: &tracing::Span, kind: &'static str) {
    let context = span.context();
    let span = context.span();
    if span.is_recording() {
        span.set_attribute(KeyValue::new("error.type", kind));
        span.set_status(Status::error(kind));
    }
}
