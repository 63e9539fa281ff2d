//! The layer that judges a call by its head, before its body is read.

use std::{fmt, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use tracing::Span;

/// How a refused call is answered.
pub type Refused = Box<Response>;

type Judge = dyn Fn(&mut Parts, Tongue) -> Result<Option<String>, Refused> + Send + Sync;

/// In which words a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// gRPC, from a browser or not.
    Grpc,
    /// Plain HTTP.
    Http,
}

/// Judges calls. It stands within the span and the count of each call, so that refused ones are seen too.
#[derive(Clone)]
pub struct Guard(Arc<Judge>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

impl Guard {
    /// `judge` may leave in a call's extensions what it knows of the caller; it gives the tenant for the call's span, or the answer
    /// that refuses it. Probes, health and pages pass it too: it says itself what is open.
    pub fn new(
        judge: impl Fn(&mut Parts, Tongue) -> Result<Option<String>, Refused> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(judge))
    }
}

/// Whom a call is of, in its extensions, where the guard knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tenant(pub(super) Arc<str>);

/// In the answer to a call that was refused before anybody looked whether its method exists.
#[derive(Clone, Copy)]
pub(super) struct Unrouted;

pub(super) async fn guard(State(Guard(judge)): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let tongue = if kind.starts_with(b"application/grpc") { Tongue::Grpc } else { Tongue::Http };
    match judge(&mut parts, tongue) {
        Ok(tenant) => {
            if let Some(tenant) = tenant {
                Span::current().record("tenant", &tenant);
                parts.extensions.insert(Tenant(tenant.into()));
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(mut refused) => {
            drop::<Body>(body);
            refused.extensions_mut().insert(Unrouted);
            *refused
        }
    }
}
