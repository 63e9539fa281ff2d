//! The client's side: a connection that is made when it is needed, and the layer that passes the trace on.

use std::{
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use fondue_domain::Fault;
pub use fondue_tls::{ClientFiles, ClientTls, TlsError};
use futures::{TryFutureExt, future::MapErr};
use http::Request;
use opentelemetry_http::HeaderInjector;
use tonic::{TimeoutExpired, body::Body, transport::Endpoint};
use tower::Service;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::status::from_parts;

type BoxError = Box<dyn Error + Send + Sync>;

/// Time for making a connection; a service that is down should be known soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a silent connection is tried, so that a peer that vanished without a word is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Bytes of one stream that may be under way unread: more than an answer of a thousand tokens has.
const STREAM_WINDOW: u32 = 64 << 10;
/// What HTTP/2 lets a window be.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// A connection to a service, for `XClient::new`.
pub type Channel = Traced<tonic::transport::Channel>;

/// Why there cannot be a connection.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The address is not one.
    #[error("`{address}` is not an address; for example http://127.0.0.1:7401")]
    Address {
        /// As it was given.
        address: String,
    },
    /// The address asks for TLS, and there is none to call it with.
    #[error("`{address}` asks for TLS, which is not set up here")]
    NoTls {
        /// As it was given.
        address: String,
    },
    /// The address's host, or the name that is set for it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A channel without TLS that connects at the first call, and again after each loss. `http://` may be left out.
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
    Ok(Traced { inner: open(endpoint(address)?, tls)? })
}

/// The same for a service whose streams are read as slowly as clients read: all share one connection, and what lies unread
/// of one counts against the connection's window, so that window has room for `streams` that nobody reads and for others.
/// Memory for what lies unread: at most 64 KiB × (`streams` + 1).
///
/// # Errors
/// [`UpstreamError`].
pub fn connect_lazy_for_streams(
    address: &str,
    streams: usize,
    tls: Option<&ClientTls>,
) -> Result<Channel, UpstreamError> {
    let streams = u32::try_from(streams).unwrap_or(u32::MAX).saturating_add(1);
    let endpoint = endpoint(address)?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams).min(MAX_WINDOW));
    Ok(Traced { inner: open(endpoint, tls)? })
}

/// The channel of one address. Whatever opens TLS has its own time for it, which a timer around it would hide.
fn open(endpoint: Endpoint, tls: Option<&ClientTls>) -> Result<tonic::transport::Channel, UpstreamError> {
    let address = endpoint.uri();
    if address.scheme_str() != Some("https") {
        return Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy());
    }
    let tls = tls.ok_or_else(|| UpstreamError::NoTls { address: address.to_string() })?;
    let connector = tls.connector(address.host().unwrap_or_default(), CONNECT_TIMEOUT)?;
    Ok(endpoint.connect_with_connector_lazy(connector))
}

fn endpoint(address: &str) -> Result<Endpoint, UpstreamError> {
    let wrong = || UpstreamError::Address { address: address.to_owned() };
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(url).map_err(|_| wrong())?;
    if endpoint.uri().authority().is_none() || !matches!(endpoint.uri().scheme_str(), Some("http" | "https"))
    {
        return Err(wrong());
    }
    Ok(endpoint
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true))
}

/// Passes the current span's trace context on with every request, as W3C's `traceparent`.
#[derive(Clone, Debug)]
pub struct Traced<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Traced<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = MapErr<S::Future, fn(S::Error) -> BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let context = tracing::Span::current().context();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(request.headers_mut()));
        });
        self.inner.call(request).map_err(explain)
    }
}

/// tonic calls the end of a request's own time CANCELLED; to everyone else it is a deadline. And what TLS refuses after its
/// handshake comes as a broken connection, with the reason far down.
fn explain(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(found) = cause {
        if found.is::<TimeoutExpired>() {
            return Box::new(from_parts(Fault::Deadline, "time ran out before there was an answer", vec![]));
        }
        cause = found.source();
    }
    if let Some(told) = fondue_tls::told(&*error) {
        return Box::new(from_parts(Fault::Unavailable, told, vec![]));
    }
    error
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    use super::*;
    use crate::status::fault_of;

    #[tokio::test]
    async fn addresses_are_checked_and_the_scheme_may_be_left_out() {
        assert!(connect_lazy("127.0.0.1:7401").is_ok());
        assert!(connect_lazy("http://vision:7401").is_ok());
        for wrong in ["", "http://", "not an address", "/path", "ftp://vision:7401"] {
            assert!(connect_lazy(wrong).is_err(), "{wrong}");
        }
        let error = connect_lazy("https://vision:7401").unwrap_err();
        assert!(matches!(error, UpstreamError::NoTls { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_silent_service_is_a_deadline_and_one_that_is_down_is_unavailable() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let ask = async || {
            let mut client = HealthClient::new(connect_lazy(&address).unwrap());
            let mut request = tonic::Request::new(HealthCheckRequest::default());
            request.set_timeout(Duration::from_millis(50));
            client.check(request).await.unwrap_err()
        };
        let status = ask().await;
        assert_eq!(fault_of(&status), Fault::Deadline, "{status:?}");
        drop(silent);
        let status = ask().await;
        assert_eq!(fault_of(&status), Fault::Unavailable, "{status:?}");
    }
}
