//! The client's side: connections to the replicas of a service, and the layer that passes the trace on.
//!
//! A [`Channel`] is one address, or a pool of replicas that keeps itself: names are resolved again and again, each replica is asked
//! for its health, a call goes to one that is well, and is made again where that is safe.

mod attempt;
mod choice;
mod keeper;
mod pool;
mod replica;
mod targets;

use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub use choice::Affinity;
use fondue_domain::Fault;
pub use fondue_tls::{ClientFiles, ClientTls, TlsError};
use http::{Request, Response, Uri};
use opentelemetry_http::HeaderInjector;
pub use pool::Repeatable;
pub use targets::{Target, Targets, TargetsError};
use tonic::{body::Body, transport::Endpoint};
use tower::{Service, ServiceExt};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use self::pool::Pool;
use crate::{
    network::{Network, connector},
    status::from_parts,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Time for making a connection; a service that is down should be known soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a connection is tried, so that a peer that vanished or froze is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Time for its answer; then all calls of the connection are over. A peer that is only busy answers much sooner.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of one stream that may be under way unread: more than an answer of a thousand tokens has.
const STREAM_WINDOW: u32 = 64 << 10;
/// What HTTP/2 lets a window be.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Calls that were taken back and of which more may still be on its way; what comes is passed over. At the usual 50 a second, frames
/// of the others are faults, and a connection with a thousand of them is ended, with all its calls.
const TAKEN_BACK: usize = 16 << 10;

/// A service behind this one.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What it is called in the log and in metrics.
    pub service: Arc<str>,
    /// Where its replicas are.
    pub targets: Targets,
    /// Whether its streams are read as slowly as clients read: what lies unread of one counts against the connection's window, so
    /// that window has room for any number of streams that nobody reads. Memory for what lies unread: at most 64 KiB for each stream.
    ///
    /// HTTP/2 also ends a connection for too many tiny frames that lie unread or come for calls that were taken back: as many as
    /// would take half of that window. Tokens are tiny frames, so this too asks for the largest.
    pub slow_readers: bool,
    /// How calls are spread.
    pub balance: Balance,
    /// TLS of those that are called with it.
    pub tls: Option<ClientTls>,
    /// How they are found and reached.
    pub network: Network,
}

/// How calls are spread among replicas.
#[derive(Clone, Copy, Debug)]
pub struct Balance {
    /// Time after which names are resolved again.
    pub resolve_interval: Duration,
    /// Time after which each replica is asked for its health again.
    pub health_interval: Duration,
    /// Calls that may be made again, as a share of the calls of the last ten seconds; 0 for none.
    pub retry_ratio: f32,
}

/// Why there cannot be a connection.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] TargetsError),
    /// The address cannot be connected to.
    #[error("{0} cannot be connected to")]
    Endpoint(String, #[source] tonic::transport::Error),
    /// The address asks for TLS, and there is none to call it with.
    #[error("`{0}` asks for TLS, which is not set up here")]
    NoTls(Target),
    /// The address's host, or the name that is set for it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Connections to a service, for `XClient::new`. Cheap to clone.
#[derive(Clone)]
pub struct Channel {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// One address.
    One(tonic::transport::Channel),
    /// Replicas.
    Pool(Arc<Pool>),
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::One(_) => f.write_str("Channel"),
            Kind::Pool(pool) => f.debug_tuple("Channel").field(&pool.upstream.service).finish(),
        }
    }
}

/// A channel to one address without TLS that connects at the first call, and again after each loss. `http://` may be left out.
///
/// # Errors
/// [`UpstreamError::Address`].
pub fn connect_lazy(address: &str) -> Result<Channel, UpstreamError> {
    connect_lazy_with(address, None)
}

/// The same with `tls` where the address begins with `https://`.
///
/// # Errors
/// [`UpstreamError`].
pub fn connect_lazy_with(address: &str, tls: Option<&ClientTls>) -> Result<Channel, UpstreamError> {
    let target: Target = address.parse()?;
    let authority = target.authority().ok_or_else(|| TargetsError::Address(address.to_owned()))?;
    let endpoint = endpoint(authority.as_str(), &target)?;
    Ok(Channel { kind: Kind::One(open(endpoint, &target, tls)?) })
}

/// A channel to the replicas of a service, which are looked for from now on, as long as there is the channel or a clone of it. It
/// must be made within a tokio runtime.
pub fn balanced(upstream: Upstream) -> Channel {
    Channel { kind: Kind::Pool(Pool::new(upstream)) }
}

impl Channel {
    /// Channels to each replica that is known now, for what all of them are to be told.
    pub fn each(&self) -> Vec<Channel> {
        match &self.kind {
            Kind::One(_) => vec![self.clone()],
            Kind::Pool(pool) => {
                let replicas = pool.replicas();
                replicas.iter().map(|replica| Channel { kind: Kind::One(replica.channel()) }).collect()
            }
        }
    }
}

/// The way to one replica, an address of `target`.
fn way(
    address: SocketAddr,
    target: &Target,
    upstream: &Upstream,
) -> Result<tonic::transport::Channel, UpstreamError> {
    let mut endpoint = endpoint(&address.to_string(), target)?;
    if let Some(authority) = target.authority() {
        let origin = Uri::builder().scheme(scheme(target)).authority(authority).path_and_query("/").build();
        endpoint = match origin {
            Ok(origin) => endpoint.origin(origin),
            Err(_) => endpoint,
        };
    }
    if upstream.slow_readers {
        endpoint =
            endpoint.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(MAX_WINDOW);
    }
    if let (Network::Other(network), false) = (&upstream.network, target.has_tls()) {
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        return Ok(endpoint.connect_with_connector_lazy(connector(network, address)));
    }
    open(endpoint, target, upstream.tls.as_ref())
}

fn scheme(target: &Target) -> &'static str {
    if target.has_tls() { "https" } else { "http" }
}

fn endpoint(authority: &str, target: &Target) -> Result<Endpoint, UpstreamError> {
    let endpoint = Endpoint::from_shared(format!("{}://{authority}", scheme(target)));
    let endpoint = endpoint.map_err(|error| UpstreamError::Endpoint(authority.to_owned(), error))?;
    Ok(endpoint
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_concurrent_reset_streams(TAKEN_BACK)
        // A limit against hostile peers, counted over the connection's life; the services are ours.
        .http2_max_local_error_reset_streams(None))
}

/// The channel of one address. Whatever opens TLS has its own time for it, which a timer around it would hide.
fn open(
    endpoint: Endpoint,
    target: &Target,
    tls: Option<&ClientTls>,
) -> Result<tonic::transport::Channel, UpstreamError> {
    if !target.has_tls() {
        return Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy());
    }
    let tls = tls.ok_or_else(|| UpstreamError::NoTls(target.clone()))?;
    Ok(endpoint.connect_with_connector_lazy(tls.connector(target.host(), CONNECT_TIMEOUT)?))
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Who is ready is known when a replica is chosen.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // W3C's `traceparent`, of the span that calls.
        let context = tracing::Span::current().context();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(request.headers_mut()));
        });
        match &self.kind {
            Kind::One(channel) => {
                let mut channel = channel.clone();
                Box::pin(async move {
                    let sent = async { channel.ready().await?.call(request).await };
                    sent.await.map_err(|error| explain(error.into()))
                })
            }
            Kind::Pool(pool) => {
                let pool = pool.clone();
                Box::pin(async move { pool.call(request).await.map_err(explain) })
            }
        }
    }
}

/// tonic calls the end of a request's own time CANCELLED; to everyone else it is a deadline. And what TLS refuses after its
/// handshake comes as a broken connection, with the reason far down.
fn explain(error: BoxError) -> BoxError {
    if attempt::is_timeout(&*error) {
        return Box::new(from_parts(Fault::Deadline, "time ran out before there was an answer", vec![]));
    }
    if let Some(told) = fondue_tls::told(&*error) {
        return Box::new(from_parts(Fault::Unavailable, told, vec![]));
    }
    error
}

#[cfg(test)]
mod tests;
