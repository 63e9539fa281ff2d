//! Logs on stderr, traces by OTLP, metrics for Prometheus.
//!
//! Spans get W3C ids whether or not traces are exported, so that a trace id in one service's log finds the lines of
//! all others.

use std::{io::IsTerminal, sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::Targets,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, Serving};

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
        let _ = self.provider.shutdown();
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
    let mut provider =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(service).build());
    if let Some(endpoint) = &serving.otlp_endpoint {
        let exporter =
            SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(|error| {
                TelemetryError::Exporter { endpoint: endpoint.clone(), reason: error.to_string() }
            })?;
        provider = provider.with_batch_exporter(exporter);
    }
    let provider = provider.build();
    propagate();
    // Our own spans only: the exporter's connection would otherwise trace itself.
    // The engines tell of every turn's steps: too much for a log, and what a trace is for.
    let ours = Targets::new()
        .with_target("fondue", Level::INFO)
        .with_target("fondue_engine", Level::DEBUG)
        .with_default(LevelFilter::OFF);
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(ours);
    let writer = BoxMakeWriter::new(std::io::stderr);
    let logs = match serving.log_format {
        LogFormat::Text => {
            // Colours are for terminals, not for files.
            let ansi = std::io::stderr().is_terminal();
            fmt::layer().with_ansi(ansi).with_writer(writer).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_writer(writer).with_filter(filter).boxed()
        }
    };
    let subscriber = tracing_subscriber::registry().with(traces).with(logs);
    subscriber.try_init().map_err(|_| TelemetryError::Twice)?;
    metrics_handle();
    Ok(TelemetryGuard { provider })
}

/// Makes W3C's `traceparent` the way in which trace contexts travel.
pub(crate) fn propagate() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
}

/// The trace that the current span belongs to: 32 hexadecimal digits, all 0 outside of any trace.
pub fn current_trace_id() -> String {
    tracing::Span::current().context().span().span_context().trace_id().to_string()
}

/// How often what was measured is put into its buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps measurements from piling up where nobody reads them. It never ends.
pub(crate) async fn metrics_upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(handle) = metrics_handle() {
            handle.run_upkeep();
        }
    }
}

/// The process's metrics. Servers that share a process share them.
pub(crate) fn metrics_handle() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let seconds = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        let counts = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
        let mut builder = PrometheusBuilder::new().set_buckets(&seconds);
        for counted in ["_pictures", "_rows", "_sequences"] {
            let matcher = Matcher::Suffix(counted.to_owned());
            builder = builder.and_then(|builder| builder.set_buckets_for_metric(matcher, &counts));
        }
        builder.and_then(PrometheusBuilder::install_recorder).ok()
    };
    HANDLE.get_or_init(install).as_ref()
}
