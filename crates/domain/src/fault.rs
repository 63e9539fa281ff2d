//! The closed set of faults. Libraries classify their errors; `serving::status` alone maps them to gRPC and HTTP.

use std::{error::Error, time::Duration};

/// What kind of failure an error is, seen from a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is wrong; the same request will fail again.
    Invalid,
    /// What the request names is not there.
    NotFound,
    /// More bytes than a limit allows.
    TooLarge,
    /// No room now; the same request may succeed after this time.
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// Nobody knows who asks, or what says so does not hold.
    Unauthenticated,
    /// Whoever asks may not do this.
    Denied,
    /// Something that this needs is down.
    Unavailable,
    /// Time ran out.
    Deadline,
    /// The caller took the request back.
    Cancelled,
    /// The server does not do this.
    Unsupported,
    /// A defect or a broken machine; the message stays in the log.
    Internal,
}

/// A field of a request at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `turn.parts[2].image.data`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub description: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// An error that knows its fault.
pub trait Classify: Error {
    /// The kind of failure.
    fn fault(&self) -> Fault;

    /// The fields at fault, if the request is.
    fn violations(&self) -> Vec<Violation> {
        Vec::new()
    }
}
