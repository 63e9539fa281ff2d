//! The one table from faults to gRPC's codes, with `google.rpc` details.

use std::{collections::HashMap, error::Error, time::Duration};

use fondue_domain::{Classify, Fault, Violation};
use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::telemetry::trace_id;

/// Whose reasons an `ErrorInfo` tells.
const DOMAIN: &str = "fondue";
/// Bytes of a message at most, and of the fields at fault together. A status travels in headers: a client may take
/// 16 KiB of them, and ends the whole connection with all its calls when there are more.
const MESSAGE_BYTES: usize = 2 << 10;
const FIELD_BYTES: usize = 256;
const DESCRIPTION_BYTES: usize = 1 << 10;
const VIOLATIONS_BYTES: usize = 3 << 10;
/// What the frame of one violation takes, rounded up.
const FRAME_BYTES: usize = 16;

/// The status of an error. A defect is logged here, once, and its cause is not told to the caller.
pub fn status<E: Classify>(error: E) -> Status {
    let fault = error.fault();
    if fault == Fault::Internal {
        tracing::error!(error = chain(&error), "call failed");
        return from_parts(fault, "internal error; the server's log tells more", Vec::new());
    }
    from_parts(fault, error.to_string(), error.violations())
}

/// A status put together by hand. Long texts are cut, and fields beyond what headers hold are left out.
pub fn from_parts(fault: Fault, message: impl Into<String>, violations: Vec<Violation>) -> Status {
    let mut details = ErrorDetails::new();
    let mut room = VIOLATIONS_BYTES;
    for Violation { field, description } in violations {
        let (field, description) = (cut(field, FIELD_BYTES), cut(description, DESCRIPTION_BYTES));
        let Some(left) = room.checked_sub(field.len() + description.len() + FRAME_BYTES) else { break };
        room = left;
        details.add_bad_request_violation(field, description);
    }
    if let Fault::Busy { retry_after } = fault {
        details.set_retry_info(Some(retry_after));
    }
    // What finds the call in all logs and traces.
    if let Some(trace_id) = trace_id() {
        details.set_request_info(trace_id, "");
    }
    Status::with_error_details(code(fault), cut_message(message.into()), details)
}

/// The status of a caller that may not call, whatever it asks.
pub fn forbidden(message: impl Into<String>) -> Status {
    Status::new(Code::PermissionDenied, cut_message(message.into()))
}

/// The same status with a `google.rpc.ErrorInfo` of this project: what a program wants to know beside the code.
pub fn with_info(
    status: &Status,
    reason: &str,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Status {
    let mut details = status.get_error_details();
    let metadata: HashMap<_, _> = metadata.into_iter().collect();
    details.set_error_info(reason, DOMAIN, metadata);
    Status::with_error_details(status.code(), status.message(), details)
}

/// What [`with_info`] told; empty if it told nothing.
pub fn info_of(status: &Status) -> HashMap<String, String> {
    let details = status.get_error_details();
    details
        .error_info()
        .filter(|info| info.domain == DOMAIN)
        .map(|info| info.metadata.clone())
        .unwrap_or_default()
}

/// The trace in which a status was made, as its `google.rpc.RequestInfo` tells.
pub fn trace_of(status: &Status) -> Option<String> {
    status.get_error_details().request_info().map(|info| info.request_id.clone())
}

/// What kind of failure a status tells of.
pub fn fault_of(status: &Status) -> Fault {
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => Fault::Invalid,
        Code::NotFound => Fault::NotFound,
        Code::ResourceExhausted => match retry_delay(status) {
            Some(retry_after) => Fault::Busy { retry_after },
            None => Fault::TooLarge,
        },
        Code::OutOfRange => Fault::TooLarge,
        Code::Unauthenticated => Fault::Unauthenticated,
        Code::PermissionDenied => Fault::Denied,
        Code::Unavailable => Fault::Unavailable,
        Code::DeadlineExceeded => Fault::Deadline,
        Code::Cancelled => Fault::Cancelled,
        Code::Unimplemented => Fault::Unsupported,
        _ => Fault::Internal,
    }
}

/// How a call ended, as its trailers tell: well, or with a fault; `None` if they do not tell.
pub(crate) fn ended(trailers: &HeaderMap) -> Option<Result<(), Fault>> {
    let status = Status::from_header_map(trailers)?;
    Some(if status.code() == Code::Ok { Ok(()) } else { Err(fault_of(&status)) })
}

/// The fields that a status says are at fault.
pub fn violations_of(status: &Status) -> Vec<Violation> {
    let details = status.get_error_details();
    let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    fields.iter().map(|field| Violation::new(&field.field, &field.description)).collect()
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|info| info.retry_delay)
}

/// A text of an error, cut to what any client is told of it: it may repeat what was sent, however much that was.
pub fn cut_message(text: String) -> String {
    cut(text, MESSAGE_BYTES)
}

fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn code(fault: Fault) -> Code {
    match fault {
        Fault::Invalid => Code::InvalidArgument,
        Fault::NotFound => Code::NotFound,
        Fault::TooLarge | Fault::Busy { .. } => Code::ResourceExhausted,
        Fault::Unauthenticated => Code::Unauthenticated,
        Fault::Denied => Code::PermissionDenied,
        Fault::Unavailable => Code::Unavailable,
        Fault::Deadline => Code::DeadlineExceeded,
        Fault::Cancelled => Code::Cancelled,
        Fault::Unsupported => Code::Unimplemented,
        Fault::Internal => Code::Internal,
    }
}

/// A code's name, as gRPC's documents spell it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::Unknown => "UNKNOWN",
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some messages tell their cause already.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the secret path is broken")]
    struct Broken(Fault);

    impl Classify for Broken {
        fn fault(&self) -> Fault {
            self.0
        }

        fn violations(&self) -> Vec<Violation> {
            vec![Violation::new("turn.parts[2]", "is empty")]
        }
    }

    #[test]
    fn every_fault_comes_back_from_its_status() {
        let retry_after = Duration::from_millis(1500);
        for fault in [
            Fault::Invalid,
            Fault::NotFound,
            Fault::TooLarge,
            Fault::Busy { retry_after },
            Fault::Unauthenticated,
            Fault::Denied,
            Fault::Unavailable,
            Fault::Deadline,
            Fault::Cancelled,
            Fault::Unsupported,
            Fault::Internal,
        ] {
            assert_eq!(fault_of(&from_parts(fault, "x", Vec::new())), fault);
        }
    }

    #[test]
    fn trailers_tell_how_a_call_ended() {
        let told = |status: Status| ended(status.into_http::<()>().headers());
        assert_eq!(told(from_parts(Fault::Unavailable, "x", vec![])), Some(Err(Fault::Unavailable)));
        let busy = Fault::Busy { retry_after: Duration::from_secs(1) };
        assert_eq!(told(from_parts(busy, "x", vec![])), Some(Err(busy)));
        assert_eq!(told(from_parts(Fault::TooLarge, "x", vec![])), Some(Err(Fault::TooLarge)));
        assert_eq!((told(Status::ok("")), ended(&HeaderMap::new())), (Some(Ok(())), None));
    }

    #[test]
    fn fields_are_told_and_defects_are_not() {
        let invalid = status(Broken(Fault::Invalid));
        assert_eq!(violations_of(&invalid), [Violation::new("turn.parts[2]", "is empty")]);
        assert!(invalid.message().contains("secret"));
        let internal = status(Broken(Fault::Internal));
        assert!(!internal.message().contains("secret"));
        assert!(violations_of(&internal).is_empty());
    }

    #[test]
    fn what_is_told_beside_the_code_comes_back() {
        let plain = from_parts(Fault::Invalid, "x", vec![Violation::new("a", "b")]);
        assert!(info_of(&plain).is_empty());
        let told = with_info(&plain, "STOPPED", [("accepted".to_owned(), "7".to_owned())]);
        assert_eq!(info_of(&told)["accepted"], "7");
        assert_eq!((fault_of(&told), violations_of(&told).len(), told.message()), (Fault::Invalid, 1, "x"));
    }
}
