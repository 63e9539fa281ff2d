//! `GET /v1/images/{generation}/{id}`: a picture of the index, as its file is.

use axum::{
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fondue_domain::{Classify, Fault};
use fondue_proto::retrieval::Picture;
use fondue_serving::server::Kept;
use serde::Deserialize;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{Front, KIB, content::Failed, errors::Problem, links::Stored};
use crate::{failure::Failure, request::parts::digest};

/// A generation's files never change.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Where callers must say who they are, nobody between keeps what one of them may see.
const CACHED_FOR_ONE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// A picture that is looked at by itself does nothing, SVG included.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Which index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    index: String,
}

/// The picture's file, with an `etag` of its content.
pub(super) async fn image(
    State(front): State<Front>,
    place: Result<Path<(String, String)>, PathRejection>,
    which: Result<Query<Which>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let invalid = |reason: String| Problem::invalid("invalid_value", None, reason);
    let Path((generation, id)) = place.map_err(|wrong| invalid(wrong.body_text()))?;
    let Query(Which { index }) = which.map_err(|wrong| invalid(wrong.body_text()))?;
    let deadline = Instant::now() + front.desk.config.search_timeout;
    let picture = match fetch(&front, Stored { index, generation, id }, deadline).await {
        Ok(fetched) => fetched,
        Err(Failed::Gone(message)) => return Err(Failure::new(Fault::NotFound, message).into()),
        Err(Failed::Other(failure)) => return Err(failure.into()),
    };
    let etag = format!("\"{}\"", hex::encode(digest(&picture.data)));
    let unchanged = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| matches(known, &etag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let room = unread(&front, picture.data.len(), deadline).await?;
        let mut response = Body::from(picture.data).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, media_type(&picture.media_type));
        // As long as it is in memory.
        response.extensions_mut().insert(Kept::new(room));
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    let cached = if front.desk.config.auth.is_on() { CACHED_FOR_ONE } else { CACHED };
    headers.insert(header::CACHE_CONTROL, cached);
    headers.insert(header::CONTENT_SECURITY_POLICY, NOTHING);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    Ok(response)
}

/// What an index says that a file is, if it is a picture.
fn media_type(text: &str) -> HeaderValue {
    let said = HeaderValue::from_str(text).ok().filter(|_| text.starts_with("image/"));
    said.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Whether `if-none-match` names `etag`.
fn matches(known: &HeaderValue, etag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// Room for a picture until its client has read it.
async fn unread(front: &Front, n_bytes: usize, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
    // The largest picture finds room in any case, alone.
    let all = front.desk.config.serving.max_bodies_bytes.div_ceil(KIB);
    let n_kib = u32::try_from(n_bytes.div_ceil(KIB).min(all)).unwrap_or(u32::MAX);
    match tokio::time::timeout_at(deadline, front.unread.clone().acquire_many_owned(n_kib)).await {
        Ok(Ok(room)) => Ok(room),
        _ => Err(Failure::busy("many pictures lie unread; try again")),
    }
}

/// A picture with its bytes.
///
/// # Errors
/// [`Failed`]: it is not there, has no bytes here, or retrieval is down.
pub(super) async fn fetch(front: &Front, stored: Stored, deadline: Instant) -> Result<Picture, Failed> {
    let gone = |message: String| Failed::Gone(message);
    let Stored { index, generation, id } = stored;
    let index = front.desk.index(&index).map_err(|failure| gone(failure.to_string()))?;
    let room = tokio::time::timeout_at(deadline, front.fetches.acquire()).await;
    let Ok(Ok(_room)) = room else {
        return Err(Failed::Other(Failure::busy("many pictures are being fetched; try again")));
    };
    match index.picture(&id, &generation, deadline).await {
        Ok(picture) if !picture.data.is_empty() => Ok(picture),
        Ok(Picture { url, .. }) if url.is_empty() => Err(gone(format!("the picture `{id}` has no file"))),
        Ok(Picture { url, .. }) => {
            Err(gone(format!("the index knows of the picture `{id}` only that it is at {url}")))
        }
        Err(failure) if failure.fault() == Fault::NotFound => Err(gone(failure.to_string())),
        Err(failure) => Err(Failed::Other(failure)),
    }
}
