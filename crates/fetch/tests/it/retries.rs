//! Trying again, and how many at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fondue_fetch::{Limits, Reason};
use tokio::time::sleep;

use crate::{
    limits, open, says,
    server::{Server, ok, say},
};

/// A server that answers with the status `n` times, and then with a file.
async fn failing(n: usize, status: u16, headers: &'static str) -> Server {
    let left = Arc::new(AtomicUsize::new(n));
    Server::start(move |_, stream| {
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        async move {
            let failure = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n").into_bytes();
            say(stream, &if fails { failure } else { ok(b"file") }).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_may_pass_is_tried_again_so_many_times() {
    let twice = Limits { retries: 2, ..limits() };
    for status in [429, 500, 502, 503, 504] {
        let server = failing(2, status, "").await;
        assert!(open(&server, twice.clone()).fetch(&server.url("/")).await.is_ok(), "{status}");
        let server = failing(3, status, "").await;
        let error = open(&server, twice.clone()).fetch(&server.url("/")).await.unwrap_err();
        assert_eq!((error.attempts, server.n_asked()), (3, 3), "{error}");
        says(&error, &[&status.to_string(), "3 attempts"]);
    }
    for status in [400, 403, 404, 501] {
        let server = failing(1, status, "").await;
        assert!(open(&server, twice.clone()).fetch(&server.url("/")).await.is_err(), "{status}");
        assert_eq!(server.n_asked(), 1, "{status}");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_too() {
    let server = Server::saying("").await;
    let url = server.url("/");
    let fetcher = open(&server, Limits { retries: 1, ..limits() });
    drop(server);
    sleep(Duration::from_millis(50)).await; // until its listener is gone
    let error = fetcher.fetch(&url).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Connect { .. }) && error.attempts == 2, "{error}");
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let once = Limits { retries: 1, max_retry_after: Duration::from_secs(1), ..limits() };
    let server = failing(1, 429, "retry-after: 1\r\n").await;
    let begun = Instant::now();
    assert!(open(&server, once.clone()).fetch(&server.url("/")).await.is_ok());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let server = failing(1, 503, "retry-after: 2\r\n").await;
    let error = open(&server, once).fetch(&server.url("/")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::RetryAfter { .. }), "{error}");
    assert_eq!(server.n_asked(), 1);
}

#[tokio::test]
async fn connections_are_counted_per_host_and_in_all() {
    let slow = || {
        Server::start(|_, stream| async move {
            sleep(Duration::from_millis(50)).await;
            say(stream, &ok(b"file")).await;
        })
    };
    for (per_host, concurrent, expected) in [(3, 16, 3), (8, 2, 2)] {
        let server = slow().await;
        let fetcher = open(&server, Limits { per_host, concurrent, ..limits() });
        let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/{n}"))).collect();
        let all = futures::future::join_all(urls.iter().map(|url| fetcher.fetch(url))).await;
        assert!(all.iter().all(Result::is_ok));
        // Connections that are just closing overlap with the next ones.
        let most = server.most.load(Ordering::SeqCst);
        assert!((expected..=2 * expected).contains(&most), "{most}");
    }
}
