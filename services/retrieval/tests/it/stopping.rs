//! The way out of a leaf: SIGTERM to the real service, whatever its callers do.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use fondue_proto::retrieval::DescribeRequest;
use fondue_serving::upstream;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::net::TcpStream;

use crate::service::{Client, index};

/// Nothing here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);

/// The service in a process of its own; killed when dropped.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(root: &std::path::Path, drain_seconds: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fondue-retrieval"))
            .args(["--listen", "127.0.0.1:0", "--log-filter", "error", "--drain-seconds", drain_seconds])
            .arg("--index")
            .arg(root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the service ended before it listened").unwrap();
        let address = line.strip_prefix("listening ").unwrap().to_owned();
        Self { child, address }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    async fn ends(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < HANGS, "the service does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Callers with nothing under way: of HTTP/2, and one that never says anything.
async fn idle(service: &Service) -> (Client, TcpStream) {
    let mut client = Client::new(upstream::connect_lazy(&service.address).unwrap());
    client.describe(DescribeRequest::default()).await.unwrap();
    (client, TcpStream::connect(&service.address).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_callers_do_not_hold_the_service_and_open_streams_no_longer_than_the_drain() {
    let (root, _) = index(3);
    let mut service = Service::start(root.path(), "60");
    let _idle = idle(&service).await;
    service.signal(Signal::SIGTERM);
    let (status, took) = service.ends().await;
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}, of 60 s");

    let mut service = Service::start(root.path(), "1");
    let (mut client, _silent) = idle(&service).await;
    let ingest = tokio::spawn(async move { client.ingest(tokio_stream::pending()).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!ingest.is_finished());
    service.signal(Signal::SIGTERM);
    let (status, took) = service.ends().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}, of 1 s");
    ingest.await.unwrap().unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once() {
    let (root, _) = index(3);
    let mut service = Service::start(root.path(), "60");
    let (mut client, _silent) = idle(&service).await;
    let _ingest = tokio::spawn(async move { client.ingest(tokio_stream::pending()).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    service.signal(Signal::SIGTERM);
    // It has heard of it when it takes no connection any more.
    while TcpStream::connect(&service.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.signal(Signal::SIGTERM);
    let (status, took) = service.ends().await;
    assert_eq!(status.code(), Some(143));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
