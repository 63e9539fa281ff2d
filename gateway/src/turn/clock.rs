//! The turn's one deadline: upstreams are told the time that is left, and the gateway does not wait longer.

use std::time::{Duration, Instant};

use fondue_serving::upstream::{Affinity, Repeatable};
use tonic::{Request, Response, Status};

use crate::failure::Failure;

/// Calls `service` with the time left until `deadline`. The call changes nothing there, so that it can be made again, at another
/// replica, as long as nothing of its answer has come.
///
/// # Errors
/// The upstream's [`Failure`], or a deadline one when no time is left.
pub async fn call<Q, R>(
    service: &str,
    deadline: Instant,
    message: Q,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Repeatable);
    in_time(service, deadline, request, send).await
}

/// The same, preferably at the replica that other calls with this `affinity` go to.
///
/// # Errors
/// As above.
pub async fn call_near<Q, R>(
    service: &str,
    deadline: Instant,
    affinity: Affinity,
    message: Q,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Repeatable);
    request.extensions_mut().insert(affinity);
    in_time(service, deadline, request, send).await
}

/// A call that changes something: it is made once.
///
/// # Errors
/// As above.
pub async fn call_once<Q, R>(
    service: &str,
    deadline: Instant,
    message: Q,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    in_time(service, deadline, Request::new(message), send).await
}

async fn in_time<Q, R>(
    service: &str,
    deadline: Instant,
    mut request: Request<Q>,
    send: impl AsyncFnOnce(Request<Q>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let left = left(deadline).ok_or_else(|| Failure::deadline(&format!("the {service} service")))?;
    request.set_timeout(left);
    match tokio::time::timeout_at(deadline.into(), send(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        // The transport's own timer may win by a hair and calls it cancelled.
        Ok(Err(_)) | Err(_) if left_is_up(deadline) => {
            Err(Failure::deadline(&format!("the {service} service")))
        }
        Ok(Err(status)) => Err(Failure::upstream(service, status)),
        Err(_) => Err(Failure::deadline(&format!("the {service} service"))),
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn left_is_up(deadline: Instant) -> bool {
    left(deadline).is_none()
}

/// Milliseconds, as the wire tells them.
pub fn ms(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1e3
}
