//! The one table from faults to HTTP, in the shape of OpenAI's errors.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fondue_domain::{Classify, Fault};
use fondue_proto::dialogue::TurnFailed;
use fondue_serving::{
    status::{cut_message, fault_of, status},
    telemetry::trace_id,
};
use serde::Serialize;
use tonic::{Code, Status};

use crate::failure::{Failure, retry_after};

/// Why a request could not be done, as the client is told.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    retry_after: Option<Duration>,
    error: ErrorBody,
}

#[derive(Clone, Debug, Serialize)]
struct ErrorBody {
    message: String,
    r#type: &'static str,
    /// The field at fault.
    param: Option<String>,
    code: &'static str,
    /// The id of the trace, as in `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Box<str>>,
}

/// What every error's body is.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wrapped {
    error: ErrorBody,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// Status, type and code of a fault.
fn table(fault: Fault) -> (StatusCode, &'static str, &'static str) {
    match fault {
        Fault::Invalid => (StatusCode::BAD_REQUEST, INVALID, "invalid_value"),
        Fault::NotFound => (StatusCode::NOT_FOUND, INVALID, "not_found"),
        Fault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, "too_large"),
        Fault::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded"),
        Fault::Unauthenticated => (StatusCode::UNAUTHORIZED, INVALID, "invalid_api_key"),
        Fault::Denied => (StatusCode::FORBIDDEN, INVALID, "permission_denied"),
        Fault::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, SERVER, "unavailable"),
        Fault::Deadline => (StatusCode::GATEWAY_TIMEOUT, SERVER, "deadline_exceeded"),
        // Nobody reads it: who takes a request back has left.
        Fault::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, SERVER, "cancelled"),
        Fault::Unsupported => (StatusCode::NOT_IMPLEMENTED, SERVER, "unsupported"),
        Fault::Internal => (StatusCode::INTERNAL_SERVER_ERROR, SERVER, "internal_error"),
    }
}

impl Problem {
    fn new(fault: Fault, message: String, param: Option<String>) -> Self {
        let (status, r#type, code) = table(fault);
        // What is told is in memory for as long as its client likes.
        let (message, param) = (cut_message(message), param.map(cut_message));
        let error = ErrorBody { message, r#type, param, code, request_id: trace_id().map(Into::into) };
        Self { status, retry_after: retry_after(fault), error }
    }

    /// A wrong request with a code of its own.
    pub(super) fn invalid(code: &'static str, param: impl Into<Option<String>>, message: String) -> Self {
        let mut problem = Self::new(Fault::Invalid, message, param.into());
        problem.error.code = code;
        problem
    }

    /// A model that is not here.
    pub(super) fn model(name: &str, known: &str) -> Self {
        let message = format!("there is no model `{name}` here; there is `{known}`");
        let mut problem = Self::new(Fault::NotFound, message, Some("model".to_owned()));
        problem.error.code = "model_not_found";
        problem
    }

    /// A method that the path does not take.
    pub(super) fn method(message: String) -> Self {
        let mut problem = Self::invalid("method_not_allowed", None, message);
        problem.status = StatusCode::METHOD_NOT_ALLOWED;
        problem
    }

    /// A body of another kind than JSON.
    pub(super) fn media_type(message: String) -> Self {
        let mut problem = Self::invalid("unsupported_media_type", None, message);
        problem.status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        problem
    }

    /// What ended a turn whose stream had begun; `translate` puts the field's path into the client's words.
    pub(super) fn failed(failed: TurnFailed, translate: impl Fn(&str) -> String) -> Self {
        let fault = match fault_of(&Status::new(Code::from(failed.code), "")) {
            // A limit on bytes has no delay.
            Fault::TooLarge if failed.retry_delay_ms > 0 => {
                Fault::Busy { retry_after: Duration::from_millis(u64::from(failed.retry_delay_ms)) }
            }
            fault => fault,
        };
        let param = failed.violations.first().map(|violation| translate(&violation.field));
        Self::new(fault, failed.message, param)
    }

    /// A stream of events that broke.
    pub(super) fn broken(status: &Status) -> Self {
        Self::new(fault_of(status), status.message().to_owned(), None)
    }

    /// The body alone, for a stream whose head is gone.
    pub(super) fn into_body(self) -> Wrapped {
        Wrapped { error: self.error }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let fault = failure.fault();
        let param = failure.violations().into_iter().next().map(|violation| violation.field);
        // Logs a defect, and keeps its cause from the client.
        Self::new(fault, status(failure).message().to_owned(), param)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, Json(self.into_body())).into_response();
        if let Some(after) = retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turns_failure_is_the_failure_of_a_call() {
        for fault in [
            Fault::Invalid,
            Fault::NotFound,
            Fault::TooLarge,
            Fault::Unauthenticated,
            Fault::Denied,
            Fault::Unavailable,
            Fault::Deadline,
        ] {
            let failed = Failure::new(fault, "x").event(String::new(), None);
            let (told, direct) =
                (Problem::failed(failed, str::to_owned), Problem::from(Failure::new(fault, "x")));
            assert_eq!((told.status, told.error.code), (direct.status, direct.error.code), "{fault:?}");
        }
        let busy = Problem::failed(Failure::busy("x").event(String::new(), None), str::to_owned);
        assert_eq!(
            (busy.status, busy.retry_after),
            (StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(1)))
        );
    }

    #[test]
    fn what_was_sent_is_not_sent_back_however_long_it_is() {
        let long = "é".repeat(1 << 20);
        for problem in [
            Problem::model(&long, "fondue"),
            Problem::invalid("unknown_parameter", long.clone(), long.clone()),
            Problem::broken(&Status::invalid_argument(&long)),
            Problem::from(Failure::field(&long, &long)),
        ] {
            let told = serde_json::to_vec(&problem.into_body()).unwrap();
            assert!(told.len() < 6 << 10, "{} bytes", told.len());
        }
    }

    #[test]
    fn a_defect_is_not_told() {
        let problem = Problem::from(Failure::new(Fault::Internal, "the secret path is broken"));
        assert!(!problem.error.message.contains("secret"));
    }
}
