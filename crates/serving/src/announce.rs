//! The one line on stdout by which a launcher learns that a server is ready, and where.

use std::{io::Write, net::SocketAddr};

/// Prints `listening HOST:PORT`. Call it once, when the server is really ready.
pub fn listening(address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    // Nobody may be reading; the server serves all the same.
    let _ = writeln!(stdout, "listening {address}");
    let _ = stdout.flush();
    tracing::info!(%address, "ready");
}
