//! Exit codes: what a script is told of what went wrong.

use std::{
    fmt::{self, Display, Formatter},
    io,
};

use tonic::Code;

use crate::failure::Failure;

/// The codes, for `--help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  the turn was completed (or whoever read stdout has left)
  1  something else: a file could not be written, the terminal failed
  2  what was asked is wrong: flags, a picture's file, INVALID_ARGUMENT and the like
  3  no room now or too large (RESOURCE_EXHAUSTED): wait, or send less
  4  the gateway or a service behind it is down (UNAVAILABLE)
  5  the time ran out (DEADLINE_EXCEEDED)
  6  the stream broke or a server failed (INTERNAL, UNKNOWN, DATA_LOSS, ABORTED, CANCELLED)
  7  the server does not do this, or not for you (UNIMPLEMENTED, UNAUTHENTICATED, PERMISSION_DENIED)";

/// Something else.
pub(crate) const OTHER: u8 = 1;
/// What was asked is wrong.
pub(crate) const WRONG: u8 = 2;
/// The stream broke.
pub(crate) const BROKEN: u8 = 6;

/// An error of whoever typed the command.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) anyhow::Error);

impl Display for Wrong {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Wrong {}

/// Marks an error as the asker's.
pub(crate) fn wrong(error: anyhow::Error) -> anyhow::Error {
    Wrong(error).into()
}

/// The code of an error.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return of(failure);
        }
        if cause.is::<Wrong>() {
            return WRONG;
        }
    }
    OTHER
}

/// Whether an error only says that nobody reads stdout any more.
pub(crate) fn is_unread(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    // A call that broke may hold such an error too, of its socket.
    code(error) == OTHER && error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}

fn of(failure: &Failure) -> u8 {
    match failure.code() {
        None => BROKEN,
        Some(
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::AlreadyExists,
        ) => WRONG,
        Some(Code::ResourceExhausted) => 3,
        Some(Code::Unavailable) => 4,
        Some(Code::DeadlineExceeded) => 5,
        Some(Code::Unimplemented | Code::Unauthenticated | Code::PermissionDenied) => 7,
        Some(_) => BROKEN,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};
    use tonic::Status;

    use super::*;

    #[test]
    fn every_fault_has_its_code() {
        let call = |code| anyhow::Error::from(Failure::from(Status::new(code, "x"))).context("turn 2");
        let cases = [
            (Code::InvalidArgument, 2),
            (Code::ResourceExhausted, 3),
            (Code::Unavailable, 4),
            (Code::DeadlineExceeded, 5),
            (Code::Internal, 6),
            (Code::Unimplemented, 7),
        ];
        for (fault, expected) in cases {
            assert_eq!(code(&call(fault)), expected, "{fault:?}");
        }
        assert_eq!(code(&Failure::Broken.into()), BROKEN);
        assert_eq!(code(&wrong(anyhow!("no such file"))), WRONG);
        assert_eq!(code(&anyhow!("else")), OTHER);
    }

    #[test]
    fn only_stdout_without_a_reader_is_quiet() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let printing: anyhow::Result<()> = Err(pipe()).context("printing");
        assert!(is_unread(&printing.unwrap_err()));
        assert!(!is_unread(&Failure::from(Status::unavailable("x")).into()));
        assert!(!is_unread(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
