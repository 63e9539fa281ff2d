//! What a command prints at its end.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Prints a text. That nobody reads on, as behind `| head`, is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing to stdout"),
    }
}
