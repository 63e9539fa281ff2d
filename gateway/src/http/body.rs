//! Bodies of requests: bounded, JSON, and told where they are wrong.

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use fondue_domain::Fault;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::errors::Problem;
use crate::{desk::Desk, failure::Failure};

/// Bytes that are read and decoded in about a tenth of a millisecond.
const READ_AT_ONCE: usize = 64 << 10;

/// A request's body as `T`.
///
/// # Errors
/// [`Problem`]: not JSON, too large, too slow, or which field is wrong.
pub(super) async fn json<T: DeserializeOwned>(
    desk: &Desk,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::media_type(format!("the body must be application/json, got `{essence}`")));
    }
    let bytes = read(desk, body).await?;
    aside(bytes.len(), || parse(&bytes))
}

async fn read(desk: &Desk, body: Body) -> Result<Bytes, Problem> {
    let max = desk.config.serving.max_message_bytes;
    let read = Limited::new(body, max).collect();
    match tokio::time::timeout(desk.config.defaults.timeout, read).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message =
                format!("the body has more than {max} bytes, the server's limit (max_message_bytes)");
            Err(Failure::new(Fault::TooLarge, message).into())
        }
        Ok(Err(error)) => Err(Problem::invalid("invalid_body", None, format!("the body broke off: {error}"))),
        Err(_) => Err(Failure::new(Fault::Deadline, "the body took too long to come").into()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner();
        let param = (path != "." && path != "?").then(|| path.clone());
        let code = match reason.to_string() {
            _ if reason.is_syntax() || reason.is_eof() => "invalid_json",
            text if text.starts_with("unknown field") => "unknown_parameter",
            text if text.starts_with("missing field") => "missing_required_parameter",
            _ => "invalid_type",
        };
        let place = param.as_ref().map_or(String::new(), |param| format!("{param}: "));
        Problem::invalid(code, param, format!("{place}{reason}"))
    })?;
    reader.end().map_err(|error| Problem::invalid("invalid_json", None, error.to_string()))?;
    Ok(value)
}

/// Does `work` over `n_bytes`. Before much of it the runtime's other tasks go to another thread.
pub(super) fn aside<T>(n_bytes: usize, work: impl FnOnce() -> T) -> T {
    let others_can_move =
        || Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if n_bytes > READ_AT_ONCE && others_can_move() { tokio::task::block_in_place(work) } else { work() }
}
