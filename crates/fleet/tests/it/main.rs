//! Processes that are killed, frozen and started again, and proxies that misbehave, with a program that echoes.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod proxies;
mod replicas;

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use fondue_fleet::{FleetPlan, Service};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for whatever must come.
const LONG: Duration = Duration::from_secs(20);

/// The program that stands for all services.
fn echo() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("examples/echo")
}

/// A folder of programs, and a plan that starts them.
fn plan(replicas: usize, proxied: bool) -> (TempDir, FleetPlan) {
    let folder = tempfile::tempdir().unwrap();
    for service in Service::ALL {
        symlink(echo(), folder.path().join(format!("fondue-{service}"))).unwrap();
    }
    let plan = FleetPlan {
        programs: folder.path().to_owned(),
        model: "model".into(),
        index: "index".into(),
        logs: folder.path().join("logs"),
        replicas,
        proxied,
        flags: Vec::new(),
        patience: LONG,
    };
    (folder, plan)
}

/// Sends bytes and waits until as many have come back.
async fn echoed(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    timeout(LONG, stream.read_exact(&mut back)).await.unwrap()?;
    Ok(back)
}

/// Asks over a connection of its own.
async fn answers(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    assert_eq!(echoed(&mut stream, b"hello").await?, b"hello");
    Ok(())
}
