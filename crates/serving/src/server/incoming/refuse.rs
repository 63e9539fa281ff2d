//! Answers to clients that may not call, in a language that they understand, far from what is served.

use std::{
    convert::Infallible,
    fmt::{self, Display, Formatter},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        HeaderValue, Request, Response, StatusCode,
        header::{CONNECTION, CONTENT_TYPE},
    },
};
use fondue_domain::Fault;
use fondue_tls::Name;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tonic::Status;

use crate::status::{forbidden, from_parts};

/// Why a client may not call.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// It does not speak TLS.
    Plain,
    /// Its certificate has these names, and none of them may.
    Name(Arc<[Name]>),
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("this port speaks TLS alone; use https://"),
            Self::Name(names) => {
                let names: Vec<_> = names.iter().map(Name::to_string).collect();
                let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
                write!(
                    f,
                    "the client's certificate is for {names}, and none of tls_client_names is; add it there"
                )
            }
        }
    }
}

impl Refusal {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        if kind.starts_with(b"application/grpc") {
            return self.status().into_http();
        }
        let mut response = Response::new(Body::from(format!("{self}\n")));
        *response.status_mut() = match self {
            Self::Plain => StatusCode::BAD_REQUEST,
            Self::Name(_) => StatusCode::FORBIDDEN,
        };
        // HTTP/2 has no such header, and ends its connections otherwise.
        if request.version() < axum::http::Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn status(&self) -> Status {
        match self {
            Self::Plain => from_parts(Fault::Unavailable, self.to_string(), Vec::new()),
            Self::Name(_) => forbidden(self.to_string()),
        }
    }
}

/// Answers whatever is asked over a connection by the refusal, for a time; then closes it.
pub(super) async fn refuse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    refusal: Refusal,
    within: Duration,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = refusal.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = timeout(within, builder.serve_connection(TokioIo::new(stream), service)).await;
}
