//! Spans → OTLP: which are recorded, how many may wait, what became of them.
//!
//! Whoever ends a span never waits: it is put into a queue of [`QUEUE`], or dropped and counted. A thread of its own sends them
//! on, so a collector that is slow or down costs spans and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceId},
};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingResult, SdkTracerProvider, ShouldSample,
        Span, SpanData, SpanExporter, SpanProcessor,
    },
};

use super::TelemetryError;
use crate::settings::Serving;

/// Spans that wait to be sent at most.
const QUEUE: usize = 4096;
/// Spans of one message.
const BATCH: usize = 512;
/// How long a span waits for company.
const DELAY: Duration = Duration::from_secs(1);
/// How long the collector may take for a message.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Spans that the collector took.
pub(super) const EXPORTED: &str = "fondue_trace_spans_exported_total";
/// Spans that were lost.
pub(super) const DROPPED: &str = "fondue_trace_spans_dropped_total";
/// Why spans are lost: the queue was full; the collector did not take them.
pub(super) const REASONS: [&str; 2] = ["queue_full", "export_failed"];

/// What makes spans. Without an exporter nothing is recorded: spans have ids, which logs and errors tell, and no more.
pub(super) fn provider(
    service: &'static str,
    serving: &Serving,
) -> Result<SdkTracerProvider, TelemetryError> {
    let builder = SdkTracerProvider::builder();
    let Some(endpoint) = &serving.otlp_endpoint else {
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = OtlpExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
    let exporter = exporter.build().map_err(|error| TelemetryError::Exporter {
        endpoint: endpoint.clone(),
        reason: error.to_string(),
    })?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Counted { inner: exporter, waiting: waiting.clone(), failing: AtomicBool::new(false) };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY);
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build();
    let builder = builder
        .with_resource(resource(service))
        .with_sampler(sampler(serving.trace_ratio))
        .with_span_processor(Bounded { inner, waiting });
    Ok(builder.build())
}

/// Who tells: the service, its version, this process, its host.
fn resource(service: &'static str) -> Resource {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let attributes = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
        KeyValue::new("host.name", host.trim().to_owned()),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    Resource::builder().with_service_name(service).with_attributes(attributes).build()
}

/// The caller decides; where there is none, one trace of `1 / ratio`.
fn sampler(ratio: f64) -> Sampler {
    Sampler::ParentBased(Box::new(Roots(Sampler::TraceIdRatioBased(ratio))))
}

/// Decides for spans without a parent. One that begins with links is work that several traces share: it is recorded if one of
/// them is.
#[derive(Clone, Debug)]
struct Roots(Sampler);

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match links {
            [] => &self.0,
            _ if links.iter().any(|link| link.span_context.is_sampled()) => &Sampler::AlwaysOn,
            _ => &Sampler::AlwaysOff,
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// Lets spans into the queue as long as there is room, so that each that is lost is counted.
#[derive(Debug)]
struct Bounded {
    inner: BatchSpanProcessor,
    /// In the queue, or being sent.
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Relaxed) < QUEUE {
            self.inner.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Relaxed);
            metrics::counter!(DROPPED, "reason" => REASONS[0]).increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what the collector takes, and says when it stops or begins to.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    waiting: Arc<AtomicUsize>,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let n = batch.len();
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(n, Relaxed);
        match &result {
            Ok(()) => {
                metrics::counter!(EXPORTED).increment(n as u64);
                if self.failing.swap(false, Relaxed) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                metrics::counter!(DROPPED, "reason" => REASONS[1]).increment(n as u64);
                if !self.failing.swap(true, Relaxed) {
                    tracing::warn!(%error, "the collector takes no spans; they are dropped until it does");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
