//! What can go wrong with a call or a turn, told so that a person knows what to do.

use std::fmt::{self, Display, Formatter};

use fondue_proto::dialogue::TurnFailed;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::terminal::{visible, visible_line};

/// A turn that brought no whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The call itself was refused or broke.
    Call(Box<Status>),
    /// The gateway ended the turn with a failure.
    Turn(TurnFailed),
    /// The stream ended before the turn did.
    Broken,
}

impl Failure {
    /// The canonical code; none if the stream just ended.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Call(status) => Some(status.code()),
            Self::Turn(failed) => Some(Code::from_i32(failed.code)),
            Self::Broken => None,
        }
    }

    /// Whether the connection is gone, rather than this turn at fault.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Call(status) => {
                matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled)
            }
            Self::Turn(_) => false,
            Self::Broken => true,
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(status) => {
                let details = status.get_error_details();
                let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
                let fields: Vec<_> = violations
                    .unwrap_or_default()
                    .iter()
                    .map(|violation| (violation.field.as_str(), violation.description.as_str()))
                    .collect();
                let delay = details.retry_info().and_then(|info| info.retry_delay);
                tell(f, status.code(), status.message(), &fields, delay.map(|delay| delay.as_secs_f32()))
            }
            Self::Turn(failed) => {
                let violations = failed.violations.iter();
                let fields: Vec<_> = violations.map(|v| (v.field.as_str(), v.description.as_str())).collect();
                let delay = (failed.retry_delay_ms > 0).then_some(failed.retry_delay_ms as f32 / 1000.0);
                tell(f, Code::from_i32(failed.code), &failed.message, &fields, delay)
            }
            Self::Broken => write!(
                f,
                "the stream ended before the turn did, so the answer is not whole\n  hint: see the gateway's log"
            ),
        }
    }
}

fn tell(
    f: &mut Formatter<'_>,
    code: Code,
    message: &str,
    fields: &[(&str, &str)],
    delay: Option<f32>,
) -> fmt::Result {
    write!(f, "{}: {}", name(code), visible(message))?;
    for (field, description) in fields {
        write!(f, "\n  {}: {}", visible_line(field), visible(description))?;
    }
    if let Some(seconds) = delay {
        write!(f, "\n  try again in {seconds} s")?;
    }
    hint(code).map_or(Ok(()), |hint| write!(f, "\n  hint: {hint}"))
}

/// The code's name as the gRPC specification writes it.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn hint(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::Unavailable => {
            "is everything running? `fondue up` (in a checkout: `cargo xtask up`) starts it and reports what dies; \
             --gateway names another address"
        }
        Code::DeadlineExceeded => {
            "allow more with --timeout-ms, or ask for fewer tokens with --max-new-tokens"
        }
        Code::ResourceExhausted => {
            "send fewer or smaller pictures, or wait: the server limits both size and load"
        }
        Code::Unimplemented => "is that address a fondue gateway, of the same version as this program?",
        Code::Internal | Code::Unknown => "the services' logs say more; `fondue up` names their folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fondue_proto::dialogue::FieldViolation;
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn names_codes_as_the_specification_does() {
        assert_eq!(name(Code::Ok), "OK");
        assert_eq!(name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn tells_fields_and_delay_of_a_status() {
        let mut details = ErrorDetails::with_bad_request_violation("turn.parts[0]", "is empty");
        details.set_retry_info(Some(Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::InvalidArgument, "the turn is wrong", details);
        let text = Failure::from(status).to_string();
        assert_eq!(
            text,
            "INVALID_ARGUMENT: the turn is wrong\n  turn.parts[0]: is empty\n  try again in 1.5 s"
        );
    }

    #[test]
    fn tells_the_same_of_a_failed_turn_and_hints() {
        let failed = TurnFailed {
            code: 14,
            message: "vision is down".into(),
            violations: vec![FieldViolation { field: "a".into(), description: "b".into() }],
            retry_delay_ms: 250,
            ..TurnFailed::default()
        };
        let text = Failure::Turn(failed).to_string();
        assert!(
            text.starts_with("UNAVAILABLE: vision is down\n  a: b\n  try again in 0.25 s\n  hint: "),
            "{text}"
        );
        assert!(text.contains("fondue up"));
    }
}
