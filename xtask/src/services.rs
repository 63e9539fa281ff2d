//! The four services on free ports, for tests that come from outside: browsers and client libraries.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::run;

/// Running services, until this is dropped.
pub(crate) struct Services {
    fondue: Child,
    /// Kept open: `fondue` goes on to write.
    said: BufReader<ChildStdout>,
    /// Of the gateway, `http://HOST:PORT`.
    pub(crate) url: String,
}

impl Services {
    /// Starts the shipped model and the drawings' index, built if need be. Logs lie in `.fondue/tests`.
    pub(crate) fn start(root: &Path) -> Result<Self> {
        let run::Ready { bin, model, data } = run::set_up(root)?;
        let mut fondue = Command::new(bin.join("fondue"));
        fondue.args(["up", "--free-ports", "--model"]).arg(model).arg("--index").arg(data.join("index"));
        fondue.arg("--data").arg(data.join("tests")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut fondue = fondue.spawn().context("fondue could not be started")?;
        let said = BufReader::new(fondue.stdout.take().context("fondue has no stdout")?);
        // From here on it is stopped whatever happens.
        let mut services = Self { fondue, said, url: String::new() };
        let mut line = String::new();
        while services.said.read_line(&mut line)? > 0 {
            if let Some(url) = gateway(&line) {
                services.url = url.to_owned();
                return Ok(services);
            }
            line.clear();
        }
        bail!("`fondue up` ended without telling the gateway's address")
    }
}

impl Services {
    /// The gateway's `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        // SIGTERM, so that it stops its services; they end by themselves if it is gone.
        let _ = Command::new("kill").arg(self.fondue.id().to_string()).status();
        let _ = self.fondue.wait();
    }
}

/// The address in the line of `fondue up` that tells the gateway's.
fn gateway(line: &str) -> Option<&str> {
    line.trim().strip_prefix("gateway ").map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_address_is_found_in_what_up_prints() {
        assert_eq!(gateway("  gateway    http://127.0.0.1:7400\n"), Some("http://127.0.0.1:7400"));
        assert_eq!(gateway("  retrieval  http://127.0.0.1:7403\n"), None);
        assert_eq!(gateway("Talk to it with `fondue chat --gateway http://127.0.0.1:7400`"), None);
    }
}
