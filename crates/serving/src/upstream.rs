//! The client's side: a connection that is made when it is needed, and the layer that passes the trace on.

use std::{
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use fondue_domain::Fault;
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

/// Calls that were taken back and of which more may still be on its way; what comes is passed over. At the usual 50 a second, frames
/// of the others are faults, and a connection with a thousand of them is ended, with all its calls.
const TAKEN_BACK: usize = 16 << 10;

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
}

/// A channel that connects at the first call, and again after each loss. `http://` may be left out.
///
/// # Errors
/// [`UpstreamError::Address`].
pub fn connect_lazy(address: &str) -> Result<Channel, UpstreamError> {
    Ok(Traced { inner: endpoint(address)?.connect_lazy() })
}

/// The same for a service whose streams are read as slowly as clients read: all share one connection, and what lies unread
/// of one counts against the connection's window, so that window has room for any number of streams that nobody reads.
/// Memory for what lies unread: at most 64 KiB for each stream.
///
/// HTTP/2 also ends a connection for too many tiny frames that lie unread or come for calls that were taken back: as many as would take
/// half of that window. Tokens are tiny frames, so this too asks for the largest.
///
/// # Errors
/// [`UpstreamError::Address`].
pub fn connect_lazy_for_streams(address: &str) -> Result<Channel, UpstreamError> {
    let endpoint = endpoint(address)?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(MAX_WINDOW);
    Ok(Traced { inner: endpoint.connect_lazy() })
}

fn endpoint(address: &str) -> Result<Endpoint, UpstreamError> {
    let wrong = || UpstreamError::Address { address: address.to_owned() };
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(url).map_err(|_| wrong())?;
    // Without TLS, `https` would only fail at the first call.
    if endpoint.uri().authority().is_none() || endpoint.uri().scheme_str() != Some("http") {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .http2_max_concurrent_reset_streams(TAKEN_BACK)
        // A limit against hostile peers, counted over the connection's life; the services are ours.
        .http2_max_local_error_reset_streams(None))
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
        self.inner.call(request).map_err(tell_timeout)
    }
}

/// tonic calls the end of a request's own time CANCELLED; to everyone else it is a deadline.
fn tell_timeout(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(found) = cause {
        if found.is::<TimeoutExpired>() {
            return Box::new(from_parts(Fault::Deadline, "time ran out before there was an answer", vec![]));
        }
        cause = found.source();
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
        for wrong in ["", "http://", "not an address", "/path", "https://vision:7401"] {
            assert!(connect_lazy(wrong).is_err(), "{wrong}");
        }
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
