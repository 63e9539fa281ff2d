//! What is sampled, and what becomes of spans that find no room.

use std::sync::mpsc;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceState, Tracer, TracerProvider,
};
use opentelemetry_sdk::{error::OTelSdkError, trace::SamplingDecision};

use super::*;

fn context(sampled: bool) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(TraceId::from(7), SpanId::from(7), flags, true, TraceState::default())
}

fn decision(ratio: f64, parent: Option<SpanContext>, links: &[bool]) -> SamplingDecision {
    let parent = parent.map(|parent| Context::new().with_remote_span_context(parent));
    let links: Vec<_> = links.iter().map(|&sampled| Link::with_context(context(sampled))).collect();
    let sampler = sampler(ratio);
    sampler.should_sample(parent.as_ref(), TraceId::from(9), "x", &SpanKind::Internal, &[], &links).decision
}

#[test]
fn the_caller_decides_then_those_who_share_then_the_ratio() {
    use SamplingDecision::{Drop, RecordAndSample};
    assert_eq!(decision(0.0, Some(context(true)), &[]), RecordAndSample);
    assert_eq!(decision(1.0, Some(context(false)), &[]), Drop);
    assert_eq!(decision(1.0, None, &[false, false]), Drop, "nobody's trace is recorded");
    assert_eq!(decision(0.0, None, &[false, true]), RecordAndSample);
    assert_eq!(decision(1.0, None, &[]), RecordAndSample);
    assert_eq!(decision(0.0, None, &[]), Drop);
}

/// A collector that answers nothing until it is let go.
#[derive(Debug)]
struct Stuck(std::sync::Mutex<mpsc::Receiver<()>>);

impl SpanExporter for Stuck {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        // The end of the sender lets all go.
        let _ = self.0.lock().unwrap().recv();
        Err(OTelSdkError::InternalFailure("gone".to_owned()))
    }
}

#[test]
fn spans_that_find_no_room_are_dropped_at_once() {
    let (let_go, held) = mpsc::channel::<()>();
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Stuck(std::sync::Mutex::new(held));
    let exporter = Counted { inner: exporter, waiting: waiting.clone(), failing: AtomicBool::new(false) };
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_max_export_batch_size(BATCH);
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build();
    let bounded = Bounded { inner, waiting: waiting.clone() };
    let provider = SdkTracerProvider::builder().with_span_processor(bounded).build();
    let tracer = provider.tracer("test");
    for _ in 0..3 * QUEUE {
        drop(tracer.start("span")); // would hang here if it waited for the collector
    }
    assert_eq!(waiting.load(Relaxed), QUEUE, "no more are held, whoever holds them");
    drop(let_go);
    let _ = provider.force_flush();
    assert_eq!(waiting.load(Relaxed), 0, "what was not taken is not held either");
}
