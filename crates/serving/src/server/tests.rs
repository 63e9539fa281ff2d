//! A real server on a loopback port, asked by real clients.

mod calls;
mod drain;
mod probing;

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{settings::ServingSettings, upstream};

const NAME: &str = "grpc.health.v1.Health";

struct Running {
    address: String,
    readiness: Readiness,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), ServeError>>,
}

async fn start() -> Running {
    start_with(RoutesBuilder::default()).await
}

async fn start_with(routes: RoutesBuilder) -> Running {
    start_draining(routes, 0.3).await
}

async fn start_draining(routes: RoutesBuilder, drain_seconds: f64) -> Running {
    start_with_http(routes, drain_seconds, None).await
}

async fn start_with_http(routes: RoutesBuilder, drain_seconds: f64, http: Option<Http>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = ServingSettings { drain_seconds: Some(drain_seconds), ..ServingSettings::default() };
    let serving = settings.resolve("127.0.0.1:0").unwrap();
    let readiness = Readiness::new(&[NAME]);
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn({
        let readiness = readiness.clone();
        async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            let descriptors = tonic_health::pb::FILE_DESCRIPTOR_SET;
            let listener = listener.into();
            Site { serving: &serving, listener, routes, readiness, descriptors, http, guard: None }
                .serve(shutdown)
                .await
        }
    });
    Running { address, readiness, stop, ended }
}

async fn get(address: &str, path: &str) -> String {
    http1(address, &format!("GET {path} HTTP/1.1")).await
}

async fn http1(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn health(address: &str) -> i32 {
    let mut client = HealthClient::new(upstream::connect_lazy(address).unwrap());
    client.check(HealthCheckRequest { service: NAME.to_owned() }).await.unwrap().into_inner().status
}

async fn health_becomes(address: &str, wanted: i32) {
    for _ in 0..200 {
        if health(address).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("health is {}, wanted {wanted}", health(address).await);
}

#[tokio::test]
async fn health_and_probes_follow_readiness() {
    let server = start().await;
    assert!(get(&server.address, "/livez").await.starts_with("HTTP/1.1 200"));
    let starting = get(&server.address, "/readyz").await;
    assert!(starting.starts_with("HTTP/1.1 503") && starting.contains("starting"), "{starting}");
    assert_eq!(health(&server.address).await, 2, "from the first call on");
    server.readiness.ready();
    assert!(get(&server.address, "/readyz").await.starts_with("HTTP/1.1 200"));
    health_becomes(&server.address, 1).await;
    server.readiness.not_ready("index gone");
    health_becomes(&server.address, 2).await;
    assert!(get(&server.address, "/readyz").await.contains("index gone"));
    assert!(get(&server.address, "/metrics").await.contains("fondue_rpc_running"));
    assert!(
        get(&server.address, "/healthz").await.starts_with("HTTP/1.1 404"),
        "a mistyped probe must not pass"
    );
}

#[tokio::test]
async fn reflection_lists_this_server_alone() {
    let server = start().await;
    let mut client = ServerReflectionClient::new(upstream::connect_lazy(&server.address).unwrap());
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(
        names.iter().filter(|name| *name != NAME).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "{names:?}"
    );
    assert!(!names.is_empty());
}

#[tokio::test]
async fn stopping_waits_for_open_streams_no_longer_than_the_drain() {
    let server = start().await;
    server.readiness.ready();
    health_becomes(&server.address, 1).await;
    let mut client = HealthClient::new(upstream::connect_lazy(&server.address).unwrap());
    // A stream that its client never ends.
    let mut watching = client
        .watch(Request::new(HealthCheckRequest { service: NAME.to_owned() }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 1);
    let begun = Instant::now();
    server.stop.send(()).unwrap();
    assert_eq!(
        watching.message().await.unwrap().unwrap().status,
        2,
        "clients are told before the server goes"
    );
    server.ended.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn a_server_does_not_outlive_what_it_is_made_of() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = ServingSettings::default().resolve("127.0.0.1:0").unwrap();
    let (routes, readiness) = (RoutesBuilder::default(), Readiness::new(&[NAME]));
    let site = Site {
        serving: &serving,
        listener: listener.into(),
        routes,
        readiness,
        descriptors: tonic_health::pb::FILE_DESCRIPTOR_SET,
        http: None,
        guard: None,
    };
    let place = Loading::new("the engine");
    let ended = |_: &()| tokio::time::sleep(Duration::from_millis(20));
    let serve = site.serve_while_loading(&place, || Ok::<_, ServeError>(()), ended, std::future::pending());
    let error = tokio::time::timeout(Duration::from_secs(10), serve).await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::Ended("the engine")), "{error}");
}

#[tokio::test]
async fn unknown_calls_are_unimplemented() {
    let server = start().await;
    let mut client = tonic::client::Grpc::new(upstream::connect_lazy(&server.address).unwrap());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let path = "/fondue.nothing.v1.Nothing/Do".parse().unwrap();
    let status = client.unary(Request::new(HealthCheckRequest::default()), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

mod observing {
    //! The trace and the size limit, seen from a handler's place.

    use axum::{Router, body::Body, response::Response, routing::post};
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tower::ServiceExt;
    use tracing_subscriber::layer::SubscriberExt;

    use crate::{
        server::observe,
        telemetry::{current_trace_id, propagate},
        upstream,
    };

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn app() -> Router {
        Router::new().route("/fondue.x/Y", post(async || current_trace_id())).layer(observe::layer())
    }

    #[tokio::test]
    async fn a_callers_trace_goes_on_and_is_passed_on() {
        let provider = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
        let _guard = tracing::subscriber::set_default(subscriber);
        propagate();
        let request = http::Request::post("/fondue.x/Y")
            .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
            .body(Body::empty())
            .unwrap();
        let answer = app().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(body, TRACE, "the handler sees the caller's trace");

        // The client's layer: what the current span belongs to is written into the request.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let serve =
            tonic::transport::Server::builder().add_routes(app().into()).serve_with_incoming(incoming);
        let channel = upstream::connect_lazy(&address).unwrap();
        let span = tracing::info_span!("caller");
        let expected = span.in_scope(current_trace_id);
        assert_ne!(expected, "0".repeat(32));
        let request = http::Request::post("/fondue.x/Y").body(tonic::body::Body::empty()).unwrap();
        let call = async {
            use tracing::Instrument;
            let answer = async { channel.oneshot(request).await.unwrap() }.instrument(span).await;
            axum::body::to_bytes(Body::new(answer.into_body()), 1000).await.unwrap()
        };
        let body = tokio::select! { body = call => body, _ = serve => panic!("server ended") };
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn oversize_is_explained_and_other_codes_are_left() {
        let status = tonic::Status::out_of_range(
            "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
        );
        let response: Response = status.into_http::<tonic::body::Body>().map(Body::new);
        let status =
            tonic::Status::from_header_map(observe::explain_oversize(response).await.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(status.message().contains("found 5 bytes") && status.message().contains("max_message_bytes"));
        let other: Response =
            tonic::Status::out_of_range("x").into_http::<tonic::body::Body>().map(Body::new);
        let status =
            tonic::Status::from_header_map(observe::explain_oversize(other).await.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
    }
}
