//! Calls of a service that does odd things, through the whole stack on both sides.

use std::{convert::Infallible, pin::Pin, task::Poll, time::Duration};

use fondue_domain::{Fault, Violation};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::{Code, Request, Status, body::Body, server::NamedService, service::RoutesBuilder};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tower::Service;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use super::{Running, get, health_becomes, http1, start, start_with, start_with_http};
use crate::{
    server::Http,
    status::{fault_of, from_parts, violations_of},
    telemetry::{current_trace_id, propagate},
    upstream,
};

/// Answers each of its methods with a status; the method's name says which.
#[derive(Clone)]
pub(super) struct Odd;

impl NamedService for Odd {
    const NAME: &'static str = "fondue.odd.v1.Odd";
}

impl Service<http::Request<Body>> for Odd {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let status = match request.uri().path().rsplit('/').next().unwrap() {
                "Slow" => {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    Status::ok("")
                }
                "Trace" => Status::aborted(current_trace_id()),
                "Long" => {
                    let violation = |n| Violation::new(format!("parts[{n}]"), "é".repeat(3000));
                    from_parts(Fault::Invalid, "é".repeat(1 << 20), (0..500).map(violation).collect())
                }
                other => Status::not_found(other.to_owned()),
            };
            Ok(status.into_http())
        })
    }
}

async fn odd() -> Running {
    let mut routes = RoutesBuilder::default();
    routes.add_service(Odd);
    start_with(routes).await
}

/// One that takes calls over HTTP/1, too.
async fn odd_over_http1() -> Running {
    let mut routes = RoutesBuilder::default();
    routes.add_service(Odd);
    start_with_http(routes, 0.3, Some(Http::default())).await
}

/// What the server says to a client without a clock whose time ends. HTTP/1 is enough to read a status.
async fn late(server: &Running) -> String {
    let headers = "Content-Type: application/grpc\r\nContent-Length: 0\r\ngrpc-timeout: 50m";
    http1(&server.address, &format!("POST /fondue.odd.v1.Odd/Slow HTTP/1.1\r\n{headers}")).await
}

async fn call(server: &Running, method: &str, timeout: Option<Duration>) -> Status {
    let mut client = tonic::client::Grpc::new(upstream::connect_lazy(&server.address).unwrap());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let path = format!("/fondue.odd.v1.Odd/{method}").parse().unwrap();
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    client.unary(request, path, codec).await.unwrap_err()
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_with_the_limit() {
    let server = start().await;
    let mut client = HealthClient::new(upstream::connect_lazy(&server.address).unwrap());
    // Health is open to all, and has a small one.
    let status = client.check(HealthCheckRequest { service: "x".repeat(8 << 10) }).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("8192"), "{}", status.message());
    assert_eq!(fault_of(&status), Fault::TooLarge);
}

#[tokio::test]
async fn the_end_of_the_callers_time_is_a_deadline() {
    let server = odd_over_http1().await;
    let status = call(&server, "Slow", Some(Duration::from_millis(50))).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let answer = late(&server).await;
    assert!(answer.contains("grpc-status: 4\r\n"), "the server's word: {answer}");
}

#[tokio::test]
async fn a_page_that_was_led_to_a_service_cannot_call_it() {
    let server = odd().await;
    // All that a browser can send without TLS is HTTP/1.
    let headers = "Content-Type: application/grpc\r\nContent-Length: 0";
    for path in ["/fondue.odd.v1.Odd/Lost", "/grpc.health.v1.Health/Check"] {
        let answer = http1(&server.address, &format!("POST {path} HTTP/1.1\r\n{headers}")).await;
        assert!(answer.starts_with("HTTP/1.1 505 ") && answer.contains("over HTTP/2 alone"), "{answer}");
        assert!(!answer.contains("grpc-status"), "{answer}");
    }
    assert_eq!(call(&server, "Lost", None).await.code(), Code::NotFound);
    assert!(http1(&server.address, "GET /livez HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_status_too_long_for_headers_still_arrives() {
    let server = odd().await;
    let status = call(&server, "Long", None).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().starts_with("éé"));
    assert_eq!(violations_of(&status)[0].field, "parts[0]");
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_probes_do_not_run() {
    let server = odd_over_http1().await;
    call(&server, "Lost", None).await;
    late(&server).await;
    let metrics = get(&server.address, "/metrics").await;
    let has = |line: &str| metrics.lines().any(|found| found == line);
    assert!(has(r#"fondue_rpc_total{method="/fondue.odd.v1.Odd/Lost",code="NOT_FOUND"} 1"#), "{metrics}");
    assert!(
        has(r#"fondue_rpc_total{method="/fondue.odd.v1.Odd/Slow",code="DEADLINE_EXCEEDED"} 1"#),
        "{metrics}"
    );
    assert!(has("fondue_rpc_running 0"), "{metrics}");
}

#[tokio::test]
async fn a_trace_spans_client_and_server() {
    let provider = SdkTracerProvider::builder().build();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    let _guard = tracing::subscriber::set_default(subscriber);
    propagate();
    let server = odd().await;
    let span = tracing::info_span!("caller");
    let expected = span.in_scope(current_trace_id);
    assert_ne!(expected, "0".repeat(32));
    let status = call(&server, "Trace", None).instrument(span).await;
    assert_eq!(status.message(), expected, "the handler is in the caller's trace");
}

#[tokio::test]
async fn a_server_that_stops_does_not_become_ready_again() {
    let server = start().await;
    server.readiness.ready();
    health_becomes(&server.address, 1).await;
    let mut client = HealthClient::new(upstream::connect_lazy(&server.address).unwrap());
    let mut watching =
        client.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 1);
    server.stop.send(()).unwrap();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 2);
    // A model that was still loading is there now.
    server.readiness.ready();
    assert_eq!(server.readiness.lack().as_deref(), Some("stopping"));
    let more = tokio::time::timeout(Duration::from_millis(100), watching.message()).await;
    assert!(more.is_err(), "{more:?}");
}
