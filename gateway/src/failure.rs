//! Why a call or a turn could not be done: the gateway's own refusals and its upstreams' errors, in one type.

use std::time::Duration;

use fondue_domain::{Classify, Fault, Violation};
use fondue_proto::dialogue as wire;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// When a client that found no room should come back.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call or a turn could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    fault: Fault,
    message: String,
    violations: Vec<Violation>,
    #[source]
    cause: Option<Box<Status>>,
}

impl Classify for Failure {
    fn fault(&self) -> Fault {
        self.fault
    }

    fn violations(&self) -> Vec<Violation> {
        self.violations.clone()
    }
}

impl Failure {
    /// A failure without fields at fault.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), violations: Vec::new(), cause: None }
    }

    /// A wrong request; the message tells the first violations.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let shown: Vec<_> = violations.iter().take(3).map(|v| format!("{}: {}", v.field, v.description)).collect();
        let more = violations.len().saturating_sub(shown.len());
        let message = shown.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() };
        Self { fault: Fault::Invalid, message, violations, cause: None }
    }

    /// One field is wrong.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::new(field, description)])
    }

    /// No room now.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Fault::Busy { retry_after: RETRY_AFTER }, message)
    }

    /// The turn's time ran out while `waiting_for` something.
    pub fn deadline(waiting_for: &str) -> Self {
        Self::new(Fault::Deadline, format!("time ran out while waiting for {waiting_for}; allow more with timeout_ms"))
    }

    /// The failure of an upstream call to `service`.
    ///
    /// A broken connection reads as unknown or internal in gRPC's own codes; to a client both mean that a
    /// service behind the gateway is down. Only an INTERNAL that the service itself sent stays internal.
    pub fn upstream(service: &str, status: Status) -> Self {
        let local = std::error::Error::source(&status).is_some();
        let details = status.get_error_details();
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let fault = match status.code() {
            Code::InvalidArgument => Fault::Invalid,
            Code::NotFound => Fault::NotFound,
            Code::ResourceExhausted if retry_after.is_some() => {
                Fault::Busy { retry_after: retry_after.unwrap_or(RETRY_AFTER) }
            }
            Code::ResourceExhausted | Code::OutOfRange => Fault::TooLarge,
            Code::DeadlineExceeded => Fault::Deadline,
            Code::Internal if !local && !status.message().contains("h2 protocol error") => Fault::Internal,
            Code::Unimplemented => Fault::Internal,
            _ => Fault::Unavailable,
        };
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            bad.field_violations.iter().map(|v| Violation::new(&v.field, &v.description)).collect()
        });
        let message = match fault {
            Fault::Invalid | Fault::NotFound | Fault::Busy { .. } | Fault::TooLarge => status.message().to_owned(),
            Fault::Deadline => format!("time ran out in the {service} service; allow more with timeout_ms"),
            Fault::Internal => format!("the {service} service failed"),
            _ => format!("the {service} service is unavailable: {}", status.message()),
        };
        Self { fault, message, violations, cause: Some(Box::new(status)) }
    }

    /// The same failure with the fields' paths translated from an upstream's request to the client's.
    pub fn with_paths(self, translate: impl Fn(&str) -> String) -> Self {
        if self.fault != Fault::Invalid || self.violations.is_empty() {
            return self;
        }
        let violations = self.violations.into_iter().map(|v| Violation::new(translate(&v.field), v.description));
        Self { cause: self.cause, ..Self::invalid(violations.collect()) }
    }

    /// The event that tells it to the client, with the `text` that had been sent.
    pub(crate) fn event(self, text: String) -> wire::TurnFailed {
        let status = fondue_serving::status::status(self);
        let details = status.get_error_details();
        let violations = details.bad_request().map_or_else(Vec::new, |bad| {
            let fields = bad.field_violations.iter();
            fields
                .map(|v| wire::FieldViolation { field: v.field.clone(), description: v.description.clone() })
                .collect()
        });
        let delay = details.retry_info().and_then(|info| info.retry_delay).unwrap_or_default();
        wire::TurnFailed {
            code: status.code() as i32,
            message: status.message().to_owned(),
            violations,
            retry_delay_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
            text,
        }
    }
}
