//! A server that does as it is told.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use fondue_domain::Fault;
use futures::{StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::{net::TcpListener, runtime, sync::watch};
use tonic::{Status, body::Body, server::NamedService, service::RoutesBuilder};
use tower::Service;

use crate::{
    deadline::asked,
    server::{Readiness, Site},
    settings::ServingSettings,
    status::from_parts,
};

/// How long [`Mode::SlowlyStopping`] takes.
pub(super) const SLOWLY: Duration = Duration::from_millis(400);

/// What it does with a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// Answers NOT_FOUND, with its address.
    Answer,
    /// Has no room.
    Busy,
    /// Takes no more work.
    Stopping,
    /// The same after some time.
    SlowlyStopping,
    /// Has a defect.
    Broken,
    /// Breaks the stream before any message.
    BreakAtOnce,
    /// Breaks it after a message.
    BreakLater,
    /// Sends a message, and ends when it is released.
    Hold,
}

pub(super) struct Peer {
    pub(super) address: String,
    pub(super) readiness: Readiness,
    odd: Odd,
    /// Of its own, so that it can end without a word.
    runtime: Option<runtime::Runtime>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

#[derive(Clone)]
struct Odd {
    address: String,
    mode: Arc<Mutex<Mode>>,
    n_calls: Arc<AtomicUsize>,
    time_left: Arc<Mutex<Option<Duration>>>,
    held: watch::Sender<bool>,
}

impl Peer {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(super) async fn start_at(address: &str) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = address.to_owned();
        let listener = runtime.spawn(async move { TcpListener::bind(address).await.unwrap() }).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let odd = Odd {
            address: address.clone(),
            mode: Arc::new(Mutex::new(Mode::Answer)),
            n_calls: Arc::default(),
            time_left: Arc::default(),
            held: watch::channel(true).0,
        };
        let mut routes = RoutesBuilder::default();
        routes.add_service(odd.clone());
        let readiness = Readiness::new(&["grpc.health.v1.Health"]);
        readiness.ready();
        let serving = ServingSettings::default().resolve("127.0.0.1:0").unwrap();
        let told = readiness.clone();
        runtime.spawn(async move {
            let descriptors = tonic_health::pb::FILE_DESCRIPTOR_SET;
            let site = Site {
                serving: &serving,
                listener: listener.into(),
                routes,
                readiness: told,
                descriptors,
                http: None,
                guard: None,
            };
            site.serve(std::future::pending()).await
        });
        Self { address, readiness, odd, runtime: Some(runtime) }
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.odd.mode.lock().unwrap() = mode;
    }

    pub(super) fn n_calls(&self) -> usize {
        self.odd.n_calls.load(Ordering::SeqCst)
    }

    /// What the last call said that it had.
    pub(super) fn time_left(&self) -> Option<Duration> {
        *self.odd.time_left.lock().unwrap()
    }

    /// Ends the streams that are held.
    pub(super) fn release(&self) {
        self.odd.held.send_replace(false);
    }

    /// Waits until nobody holds a stream.
    pub(super) async fn released(&self) {
        tokio::time::timeout(Duration::from_secs(5), self.odd.held.closed()).await.unwrap();
    }

    /// Without a word: connections break.
    pub(super) fn kill(self) {
        drop(self);
    }
}

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
        let odd = self.clone();
        Box::pin(async move {
            odd.n_calls.fetch_add(1, Ordering::SeqCst);
            *odd.time_left.lock().unwrap() = asked(request.headers());
            let mode = *odd.mode.lock().unwrap();
            let refuse = |fault| from_parts(fault, "no", vec![]).into_http();
            Ok(match mode {
                Mode::Answer => Status::not_found(odd.address).into_http(),
                Mode::Busy => refuse(Fault::Busy { retry_after: Duration::from_secs(1) }),
                Mode::Stopping => refuse(Fault::Unavailable),
                Mode::SlowlyStopping => {
                    tokio::time::sleep(SLOWLY).await;
                    refuse(Fault::Unavailable)
                }
                Mode::Broken => refuse(Fault::Internal),
                Mode::BreakAtOnce => streamed(stream::iter([Err(Status::unknown("broken"))])),
                Mode::BreakLater => {
                    // Not at once: a reset overtakes the message before it.
                    let end = stream::once(async {
                        tokio::time::sleep(SLOWLY).await;
                        Err(Status::unknown("broken"))
                    });
                    streamed(stream::iter([Ok(message())]).chain(end))
                }
                Mode::Hold => {
                    let mut held = odd.held.subscribe();
                    let end = stream::once(async move {
                        let _ = held.wait_for(|held| !held).await;
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().unwrap());
                        Ok(Frame::trailers(trailers))
                    });
                    streamed(stream::iter([Ok(message())]).chain(end))
                }
            })
        })
    }
}

/// An empty message in its frame.
fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(&[0; 5]))
}

fn streamed(
    frames: impl futures::Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
) -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}
