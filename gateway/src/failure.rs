//! Why a call or a turn could not be done: the gateway's own refusals and its upstreams' errors, in one type.

use std::{error::Error, time::Duration};

use fondue_domain::{Classify, Fault, Violation};
use fondue_proto::dialogue as wire;
use fondue_serving::{
    burst::Burst,
    status::{fault_of, status, violations_of},
};
use tonic::Status;

/// When a client that found no room should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What tells in the log that a service is not reached, of each by itself.
fn unreached(service: &str) -> &'static Burst {
    static VISION: Burst = Burst::new();
    static LANGUAGE: Burst = Burst::new();
    static RETRIEVAL: Burst = Burst::new();
    match service {
        "vision" => &VISION,
        "language" => &LANGUAGE,
        _ => &RETRIEVAL,
    }
}

/// When trying again may help; `None` if it will not.
pub fn retry_after(fault: Fault) -> Option<Duration> {
    match fault {
        Fault::Busy { retry_after } => Some(retry_after),
        // What is down may be up again; what is wrong or late will not mend by itself.
        Fault::Unavailable => Some(RETRY_AFTER),
        _ => None,
    }
}

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
        let shown: Vec<_> =
            violations.iter().take(3).map(|v| format!("{}: {}", v.field, v.description)).collect();
        let more = violations.len().saturating_sub(shown.len());
        let message = shown.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() };
        Self { fault: Fault::Invalid, message, violations, cause: None }
    }

    /// One field is wrong.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::invalid(vec![Violation::new(field, description)])
    }

    /// One field cannot be had now, or is not done for another reason than its being wrong.
    pub fn at(fault: Fault, field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { fault, ..Self::field(field, description) }
    }

    /// No room now.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Fault::Busy { retry_after: RETRY_AFTER }, message)
    }

    /// The server is about to stop.
    pub fn stopping() -> Self {
        Self::new(Fault::Unavailable, "the server is stopping; ask again")
    }

    /// The turn's time ran out while `waiting_for` something.
    pub fn deadline(waiting_for: &str) -> Self {
        Self::new(
            Fault::Deadline,
            format!("time ran out while waiting for {waiting_for}; allow more with timeout_ms"),
        )
    }

    /// A word for it, as traces tell it.
    pub fn kind(&self) -> &'static str {
        match self.fault {
            Fault::Invalid => "invalid",
            Fault::NotFound => "not_found",
            Fault::TooLarge => "too_large",
            Fault::Busy { .. } => "busy",
            Fault::Unauthenticated => "unauthenticated",
            Fault::Denied => "denied",
            Fault::Unavailable => "unavailable",
            Fault::Deadline => "deadline",
            Fault::Cancelled => "cancelled",
            Fault::Unsupported => "unsupported",
            Fault::Internal => "internal",
        }
    }

    /// Whether it is a defect: [`status`] logs those itself, cause and all, and nobody else needs to.
    pub fn is_defect(&self) -> bool {
        self.fault == Fault::Internal
    }

    /// The failure of an upstream call to `service`.
    ///
    /// gRPC has no code of its own for a broken connection: it reads as unknown, internal or cancelled. To a
    /// client all of these mean that a service behind the gateway is down.
    ///
    /// Our services refuse with `google.rpc` details. An INVALID_ARGUMENT without any is a codec's word, here or
    /// there: the two sides' contracts differ, which no client can mend.
    pub fn upstream(service: &str, status: Status) -> Self {
        let broken = status.source().is_some() || status.message().starts_with("h2 protocol error");
        let fault = match fault_of(&status) {
            _ if broken => Fault::Unavailable,
            Fault::Cancelled => Fault::Unavailable, // not by us: we have not left
            // What the services think of the gateway is not the client's matter.
            Fault::Unsupported | Fault::Unauthenticated | Fault::Denied => Fault::Internal,
            Fault::Invalid if status.details().is_empty() => Fault::Internal,
            fault => fault,
        };
        let violations = violations_of(&status);
        let message = match fault {
            Fault::Invalid | Fault::NotFound | Fault::Busy { .. } | Fault::TooLarge => {
                status.message().to_owned()
            }
            Fault::Deadline => format!("time ran out in the {service} service; allow more with timeout_ms"),
            Fault::Internal => format!("the {service} service failed"),
            _ => {
                // Whom the gateway calls, and with which files, is not the client's matter.
                if let Some(untold) = unreached(service).tell() {
                    let why = status.message();
                    tracing::warn!(service, why, untold, "a service is unavailable");
                }
                format!("the {service} service is unavailable")
            }
        };
        Self { fault, message, violations, cause: Some(Box::new(status)) }
    }

    /// The same failure with the fields' paths translated from an upstream's request to the client's. A field that
    /// no client sets (`translate` gives `None`) makes it a defect: the services do not fit together.
    pub fn with_paths(self, translate: impl Fn(&str) -> Option<String>) -> Self {
        let mut translated = Vec::with_capacity(self.violations.len());
        for Violation { field, description } in &self.violations {
            let Some(path) = translate(field) else {
                let message = format!(
                    "the gateway's own `{field}` was refused ({description}): are vision, language and index of \
                     one model, and the services of one version?"
                );
                return Self { cause: self.cause, ..Self::new(Fault::Internal, message) };
            };
            translated.push(Violation::new(path, description));
        }
        if translated.is_empty() {
            return self;
        }
        Self { cause: self.cause, fault: self.fault, ..Self::invalid(translated) }
    }

    /// The event that tells it to the client, with the `text` that had been sent and what the turn took.
    pub(crate) fn event(self, text: String, usage: Option<wire::Usage>) -> wire::TurnFailed {
        let status = status(self);
        let fields = violations_of(&status).into_iter();
        let violations =
            fields.map(|v| wire::FieldViolation { field: v.field, description: v.description }).collect();
        let retry_after = retry_after(fault_of(&status)).unwrap_or_default();
        wire::TurnFailed {
            code: status.code() as i32,
            message: status.message().to_owned(),
            violations,
            retry_delay_ms: u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX),
            text,
            usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use fondue_serving::status::from_parts;

    use super::*;

    #[test]
    fn where_a_service_is_and_by_which_files_it_is_called_stays_here() {
        let told = "TLS with 10.1.2.3:7402: its certificate is signed by none of those in /etc/fondue/ca.pem";
        for (fault, service) in [(Fault::Unavailable, "language"), (Fault::Cancelled, "vision")] {
            let failure = Failure::upstream(service, from_parts(fault, told, vec![]));
            assert_eq!(failure.fault(), Fault::Unavailable);
            assert_eq!(failure.to_string(), format!("the {service} service is unavailable"));
            assert_eq!(status(failure).message(), format!("the {service} service is unavailable"));
        }
    }
}
