//! The four services on free ports, for tests that come from outside: browsers and client libraries.

use std::{
    collections::BTreeMap,
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
    /// Of all, by their names.
    all: BTreeMap<String, String>,
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
        let mut services = Self { fondue, said, url: String::new(), all: BTreeMap::new() };
        let mut line = String::new();
        while services.said.read_line(&mut line)? > 0 {
            if let Some((name, url)) = service(&line) {
                services.all.insert(name.to_owned(), url.to_owned());
            }
            line.clear();
            if services.all.len() == NAMES.len() {
                services.url.clone_from(&services.all["gateway"]);
                return Ok(services);
            }
        }
        bail!("`fondue up` ended without telling the services' addresses")
    }
}

impl Services {
    /// The URLs of all four, by their names.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.all
    }

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

/// What `fondue up` starts.
const NAMES: [&str; 4] = ["gateway", "vision", "language", "retrieval"];

/// The name and the address in a line of `fondue up` that tells a service's.
fn service(line: &str) -> Option<(&str, &str)> {
    let (name, url) = line.trim().split_once(' ')?;
    let url = url.trim_start();
    (NAMES.contains(&name) && url.starts_with("http://")).then_some((name, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_up_prints() {
        assert_eq!(
            service("  gateway    http://127.0.0.1:7400\n"),
            Some(("gateway", "http://127.0.0.1:7400"))
        );
        assert_eq!(
            service("  retrieval  http://127.0.0.1:7403\n"),
            Some(("retrieval", "http://127.0.0.1:7403"))
        );
        assert_eq!(service("  logs       /tmp/logs\n"), None);
        assert_eq!(service("Talk to it with `fondue chat --gateway http://127.0.0.1:7400`"), None);
    }
}
