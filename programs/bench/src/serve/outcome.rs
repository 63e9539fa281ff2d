//! How a turn ended.

use std::fmt;

/// How a turn ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// With its closing event.
    Answered,
    /// With a typed error before anything of an answer came: it was turned away.
    Refused(&'static str),
    /// With a typed error later, or because its time ran out.
    Failed(&'static str),
    /// Without a closing event: the stream or the connection just ended.
    Broken,
    /// We dropped it, as planned.
    Cancelled,
    /// It was never sent: as many as may be were under way.
    Unsent,
    /// It was under way when we were stopped.
    Unfinished,
}

/// gRPC's codes, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// Errors that do not mean that somebody tried and failed.
const TURNED_AWAY: [i32; 10] = [3, 5, 6, 7, 8, 9, 11, 12, 14, 16];

impl Outcome {
    /// Of an error with one of gRPC's codes; `begun`: whether something of the answer had come.
    pub(crate) fn typed(code: i32, begun: bool) -> Self {
        let name = usize::try_from(code).ok().and_then(|code| CODES.get(code)).copied().unwrap_or("UNKNOWN");
        if !begun && TURNED_AWAY.contains(&code) { Self::Refused(name) } else { Self::Failed(name) }
    }

    /// Its class, without a code.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Broken => "broken",
            Self::Cancelled => "cancelled",
            Self::Unsent => "unsent",
            Self::Unfinished => "unfinished",
        }
    }

    /// Whether its client got an error that it did not ask for.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Self::Refused(_) | Self::Failed(_) | Self::Broken)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) | Self::Failed(code) => write!(f, "{} {code}", self.class()),
            _ => f.write_str(self.class()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_turned_away_was_refused_and_who_waited_failed() {
        assert_eq!(Outcome::typed(8, false), Outcome::Refused("RESOURCE_EXHAUSTED"));
        assert_eq!(Outcome::typed(8, true), Outcome::Failed("RESOURCE_EXHAUSTED"));
        assert_eq!(Outcome::typed(4, false), Outcome::Failed("DEADLINE_EXCEEDED"));
        assert_eq!(Outcome::typed(14, false).to_string(), "refused UNAVAILABLE");
        assert_eq!(Outcome::typed(99, true).to_string(), "failed UNKNOWN");
        assert_eq!(Outcome::typed(-1, true).to_string(), "failed UNKNOWN");
    }
}
