//! The fetcher against a server of its own, which does what servers should not.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod addresses;
mod bodies;
mod retries;
mod server;

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use fondue_fetch::{FetchError, Fetcher, Limits, Resolve, Rules};
use futures::{FutureExt, future::BoxFuture};

/// A resolver whose answers change: each is given once, the last one for ever.
struct Answers(Mutex<VecDeque<Vec<IpAddr>>>);

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        async move { answer.filter(|a| !a.is_empty()).ok_or(io::ErrorKind::NotFound.into()) }.boxed()
    }
}

fn limits() -> Limits {
    Limits {
        max_bytes: 100_000,
        max_header_bytes: 16 << 10,
        max_redirects: 3,
        connect: Duration::from_secs(5),
        total: Duration::from_secs(30),
        progress_window: Duration::from_secs(10),
        progress_bytes: 1,
        retries: 0,
        back_off: Duration::from_millis(1),
        max_back_off: Duration::from_millis(4),
        max_retry_after: Duration::from_secs(1),
        per_host: 4,
        concurrent: 16,
    }
}

/// Rules that allow a test's server: its port, and if `loopback` its address.
fn rules(port: u16, loopback: bool) -> Rules {
    let networks = if loopback { vec!["127.0.0.1/32".parse().unwrap()] } else { Vec::new() };
    Rules { ports: vec![80, 443, port], allowed_networks: networks, ..Rules::public() }
}

/// A fetcher that may ask the server, by any name.
fn open(server: &server::Server, limits: Limits) -> Fetcher {
    fetcher(rules(server.port, true), limits, &[&["127.0.0.1"]])
}

fn fetcher(rules: Rules, limits: Limits, answers: &[&[&str]]) -> Fetcher {
    Fetcher::new(rules, limits, Answers::new(answers), "fondue-test").unwrap()
}

#[track_caller]
fn says(error: &FetchError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
