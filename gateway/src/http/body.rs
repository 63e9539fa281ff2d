//! Bodies of requests: admitted, bounded, JSON, and told where they are wrong.
//!
//! Their time and their bytes all together are bounded below, for all servers alike: `serving/src/server/bodies.rs`.

use std::error::Error;

use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, HeaderValue, header},
};
use fondue_auth::Caller;
use fondue_domain::Fault;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};
use tonic::Status;

use super::{errors::Problem, json};
use crate::{
    desk::{Desk, Room},
    failure::Failure,
};

/// Bytes that are read and decoded in about a tenth of a millisecond.
const READ_AT_ONCE: usize = 64 << 10;

/// A request's body as `T`, with the room of the turn that it asks for.
///
/// Whether there is room is looked at before anything is read. It is taken when the body is whole, so that a slow sender holds none,
/// and before the body is decoded, so that only as many are in memory decoded as turns may run.
///
/// # Errors
/// [`Problem`]: no room, not JSON, too large, too slow, or which field is wrong.
pub(super) async fn admitted<T: DeserializeOwned>(
    desk: &Desk,
    caller: &Caller,
    headers: &HeaderMap,
    mut body: Body,
) -> Result<(Room, T), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::media_type(format!("the body must be application/json, got `{essence}`")));
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|it| !is_plain(it)) {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        let message =
            format!("the body must not be encoded, got `content-encoding: {encoding}`; send it as it is");
        return Err(Problem::media_type(message));
    }
    desk.has_room()?;
    let bytes = read(desk, &mut body).await?;
    let room = desk.admit_turn(caller)?;
    let asked = aside(bytes.len(), || json::read(&bytes, desk.config.http.json_values))?;
    drop(body); // and with it its share of the bytes that all bodies may have
    Ok((room, asked))
}

fn is_plain(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().eq_ignore_ascii_case(b"identity")
}

async fn read(desk: &Desk, body: &mut Body) -> Result<Vec<u8>, Problem> {
    let max = desk.config.serving.max_message_bytes;
    let too_large = || {
        let message = format!("the body has more than {max} bytes, the server's limit (max_message_bytes)");
        Problem::from(Failure::new(Fault::TooLarge, message))
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > max {
            return Err(too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// Why a body did not come whole: the server's limits have a status, anything else is the connection's end.
fn broken(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(status) = found.downcast_ref::<Status>() {
            return Problem::broken(status);
        }
        cause = found.source();
    }
    Problem::invalid("invalid_body", None, format!("the body broke off: {error}"))
}

/// Does `work` over `n_bytes`. Before much of it the runtime's other tasks go to another thread.
pub(super) fn aside<T>(n_bytes: usize, work: impl FnOnce() -> T) -> T {
    let others_can_move =
        || Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if n_bytes > READ_AT_ONCE && others_can_move() { tokio::task::block_in_place(work) } else { work() }
}
