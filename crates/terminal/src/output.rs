//! What a command prints at its end.

use std::io::{self, ErrorKind, Write};

/// Prints a text. That nobody reads on, as behind `| head`, is no failure.
///
/// # Errors
/// The system's, if stdout takes no more.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| io::Error::new(error.kind(), format!("writing to stdout: {error}"))),
    }
}
