//! A collector of spans that speaks OTLP over gRPC, and what can be asked of the spans that it got.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// Long enough for spans to come that wait a second for company, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A span, and the process that told it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) service: String,
    pub(super) resource: Vec<KeyValue>,
    pub(super) span: Span,
}

/// A running collector; it ends with the test.
pub(super) struct Collector {
    pub(super) endpoint: String,
    got: Arc<Mutex<Vec<Told>>>,
}

struct Sink(Arc<Mutex<Vec<Told>>>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_process in request.into_inner().resource_spans {
            let resource = of_process.resource.unwrap_or_default().attributes;
            let service = text(&resource, "service.name").unwrap_or_default();
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let told = spans.map(|span| Told { service: service.clone(), resource: resource.clone(), span });
            self.0.lock().unwrap().extend(told);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let got = Arc::default();
        let service = TraceServiceServer::new(Sink(Arc::clone(&got)));
        let serve =
            Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serve);
        Ok(Self { endpoint, got })
    }

    pub(super) fn all(&self) -> Vec<Told> {
        self.got.lock().unwrap().clone()
    }

    /// The spans of a trace, once all of `names` are there, each as `SERVICE NAME`.
    pub(super) async fn trace(&self, id: &str, names: &[&str]) -> Result<Trace> {
        let ask = async {
            loop {
                let spans = self.all().into_iter().filter(|told| hex(&told.span.trace_id) == id).collect();
                let trace = Trace(spans);
                if names.iter().all(|name| trace.find(name).is_ok()) {
                    return trace;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(trace) => Ok(trace),
            Err(_) => {
                let known: Vec<_> = self
                    .all()
                    .iter()
                    .map(|told| format!("{} {} {}", hex(&told.span.trace_id), told.service, told.span.name))
                    .collect();
                bail!("not all of {names:?} came for {id}; there are:\n{}", known.join("\n"))
            }
        }
    }
}

/// The spans of one trace.
#[derive(Debug)]
pub(super) struct Trace(pub(super) Vec<Told>);

impl Trace {
    /// The span `SERVICE NAME`, the service without `fondue-`.
    pub(super) fn find(&self, name: &str) -> Result<&Span> {
        let matches = |told: &&Told| {
            let service = told.service.trim_start_matches("fondue-");
            name.strip_prefix(service).and_then(|rest| rest.strip_prefix(' ')) == Some(&told.span.name)
        };
        Ok(&self
            .0
            .iter()
            .find(matches)
            .with_context(|| format!("no span `{name}` in {:#?}", self.names()))?
            .span)
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|told| format!("{} {}", told.service, told.span.name)).collect()
    }

    /// Each span of `chain` must be the parent of the next.
    pub(super) fn check_chain(&self, chain: &[&str]) -> Result<()> {
        for pair in chain.windows(2) {
            let (parent, child) = (self.find(pair[0])?, self.find(pair[1])?);
            let parents = self.0.iter().filter(|told| told.span.span_id == child.parent_span_id);
            let parents: Vec<_> = parents.map(|told| &told.span.name).collect();
            assert_eq!(child.parent_span_id, parent.span_id, "{} has the parent {parents:?}", pair[1]);
        }
        Ok(())
    }
}

/// An attribute that is a text.
pub(super) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// An attribute that is a number.
pub(super) fn number(attributes: &[KeyValue], key: &str) -> Option<i64> {
    match value(attributes, key)? {
        Value::IntValue(number) => Some(number),
        _ => None,
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
