//! `GET /openapi.json`: the contract of this API, as it is in the repository.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The document.
pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, JSON)], DOCUMENT).into_response()
}
