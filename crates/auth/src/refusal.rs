//! Why a caller is not let in. What is said is a class, never which check of a key or a token failed.

use std::time::Duration;

use fondue_domain::{Classify, Fault};

/// Bytes of a key or a token at most.
pub const MAX_CREDENTIAL: usize = 8 << 10;

/// When to try again where a running turn must end first.
const A_TURN: Duration = Duration::from_secs(1);

/// Why a caller is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing says who calls.
    #[error("this server must know who calls; send the header `authorization: Bearer KEY`")]
    Missing,
    /// What says who calls cannot be read.
    #[error(
        "the header `authorization` must be there once, as `Bearer KEY` of at most {MAX_CREDENTIAL} bytes"
    )]
    Malformed,
    /// An unknown key, or a token that does not hold; it is not told why.
    #[error("the key or token is not valid here; ask the server's operator for one that is")]
    Invalid,
    /// It was valid once.
    #[error("the key or token has expired; get a new one")]
    Expired,
    /// Known, but may not do this.
    #[error("the key or token does not have the permission `{0}`; ask the server's operator for it")]
    Denied(&'static str),
    /// Too many requests.
    #[error("{per_minute} requests a minute are allowed, and this is one too many; try again in {}", told(*.retry_after))]
    Rate {
        /// How many are allowed.
        per_minute: u32,
        /// When the next one is.
        retry_after: Duration,
    },
    /// Too much at once.
    #[error("{most} {what} at once are allowed, and they are running; try again when one has ended")]
    Concurrency {
        /// How many are allowed.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// All of the day's tokens are used.
    #[error("the {per_day} tokens of this day (UTC) are used; try again in {}", told(*.retry_after))]
    Quota {
        /// How many there were.
        per_day: u64,
        /// When the next day begins.
        retry_after: Duration,
    },
}

impl Refusal {
    /// The class, for a metric's label: one of eight words.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Denied(_) => "permission",
            Self::Rate { .. } => "rate",
            Self::Concurrency { .. } => "concurrency",
            Self::Quota { .. } => "quota",
        }
    }
}

impl Classify for Refusal {
    fn fault(&self) -> Fault {
        match self {
            Self::Missing | Self::Malformed | Self::Invalid | Self::Expired => Fault::Unauthenticated,
            Self::Denied(_) => Fault::Denied,
            Self::Rate { retry_after, .. } | Self::Quota { retry_after, .. } => {
                Fault::Busy { retry_after: *retry_after }
            }
            Self::Concurrency { .. } => Fault::Busy { retry_after: A_TURN },
        }
    }
}

/// A time for people: whole seconds, rounded up, or hours of long ones.
fn told(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1000).max(1);
    if seconds < 7200 { format!("{seconds} s") } else { format!("{} h", seconds.div_ceil(3600)) }
}
