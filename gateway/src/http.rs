//! HTTP, on gRPC's port: the same turns in the shape of OpenAI's API, pictures by address, and what a browser needs.
//!
//! A request is put into the words of the dialogue API ([`chat::dialogue`], [`content`]), goes through the same door as
//! a call by gRPC, and its events are told in OpenAI's words ([`chat::answer`], [`chat::stream`]). What OpenAI's API
//! has no words for is in objects called `fondue`. `openapi.json` is the contract.

mod body;
mod content;
mod errors;
mod json;
mod links;
mod picture;
mod rest;

mod chat;
mod describe;
mod embeddings;
mod images;
mod models;
mod openapi;
mod search;
mod vectors;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Uri,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use fondue_domain::Fault;
use fondue_serving::server::Http;
use tokio::sync::Semaphore;

use self::errors::Problem;
use crate::{desk::Desk, failure::Failure};

/// Pictures that are being fetched for clients at once; further ones wait.
const MAX_FETCHES: usize = 64;
const KIB: usize = 1 << 10;

/// What all calls by HTTP share.
#[derive(Clone, Debug)]
struct Front {
    desk: Arc<Desk>,
    /// When this server started, in seconds since 1970.
    started: u64,
    fetches: Arc<Semaphore>,
    /// KiB of pictures that lie unread: as many as `max_bodies_bytes` on the other way.
    unread: Arc<Semaphore>,
}

/// Everything that is served by HTTP at `desk`.
pub fn http(desk: Arc<Desk>) -> Http {
    let origins = desk.config.http.origins.clone();
    let unread = Arc::new(Semaphore::new(desk.config.serving.max_bodies_bytes.div_ceil(KIB)));
    let front = Front { desk, started: now(), fetches: Arc::new(Semaphore::new(MAX_FETCHES)), unread };
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/v1/images/search", post(search::search))
        .route("/v1/images/{generation}/{id}", get(images::image))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route("/v1/fondue", get(describe::describe))
        .route("/openapi.json", get(openapi::document))
        .merge(crate::web::router())
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable()) // `body` has the server's own limit
        .with_state(front);
    Http { routes, origins }
}

async fn nothing(uri: Uri) -> Problem {
    nothing_at(uri.path())
}

/// What is told where there is nothing.
pub(crate) fn missing(path: &str) -> Response {
    nothing_at(path).into_response()
}

fn nothing_at(path: &str) -> Problem {
    Failure::new(Fault::NotFound, format!("there is nothing at {path}; /openapi.json tells what there is"))
        .into()
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::method(format!("{} does not take this method; the header `allow` tells which", uri.path()))
}

/// A call that the guard refused, in the words of this API.
pub(crate) fn refused(failure: Failure) -> impl IntoResponse {
    Problem::from(failure)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
