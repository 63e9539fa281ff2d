//! Networks that misbehave.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use fondue_fleet::{Conduct, Fleet, Link, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{LONG, answers, echoed, plan};

const DELAY: Duration = Duration::from_millis(60);

#[tokio::test]
async fn bytes_come_late_and_as_they_were() {
    let (_folder, plan) = plan(1, true);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let one = fleet.replica(Service::Vision, 0).unwrap();
    assert_ne!(one.door(), one.address());
    let proxy = one.proxy().unwrap();
    let mut stream = TcpStream::connect(one.door()).await.unwrap();
    let many: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = stream.split();
    let mut back = vec![0; many.len()];
    let (read, written) = tokio::join!(read.read_exact(&mut back), write.write_all(&many));
    assert!(read.is_ok() && written.is_ok() && back == many);

    proxy.set(Conduct { delay: DELAY, ..Conduct::CLEAR });
    let start = Instant::now();
    echoed(&mut stream, b"x").await.unwrap();
    assert!(start.elapsed() >= 2 * DELAY);
    proxy.set(Conduct { bytes_per_second: Some(100_000), ..Conduct::CLEAR });
    let start = Instant::now();
    echoed(&mut stream, &many[..20_000]).await.unwrap();
    // The last chunk's own time comes after it.
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    proxy.set(Conduct::CLEAR);
    assert_eq!(proxy.conduct(), Conduct::CLEAR);
}

#[tokio::test]
async fn a_silent_link_loses_nothing() {
    let (_folder, plan) = plan(1, true);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let one = fleet.replica(Service::Language, 0).unwrap();
    let proxy = one.proxy().unwrap();
    let mut stream = TcpStream::connect(one.door()).await.unwrap();
    echoed(&mut stream, b"before").await.unwrap();
    proxy.set(Conduct { link: Link::Silent, ..Conduct::CLEAR });
    stream.write_all(b"held").await.unwrap();
    let mut back = [0; 4];
    assert!(timeout(Duration::from_millis(100), stream.read_exact(&mut back)).await.is_err());
    proxy.set(Conduct::CLEAR);
    timeout(LONG, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"held");
}

#[tokio::test]
async fn connections_are_cut_reset_and_refused() {
    let (_folder, plan) = plan(1, true);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let one = fleet.replica(Service::Retrieval, 0).unwrap();
    let (door, proxy) = (one.door().to_owned(), one.proxy().unwrap());
    let mut byte = [0];

    let mut stream = TcpStream::connect(&door).await.unwrap();
    echoed(&mut stream, b"x").await.unwrap();
    assert_eq!(proxy.connections(), 1);
    proxy.cut();
    assert_eq!(timeout(LONG, stream.read(&mut byte)).await.unwrap().unwrap(), 0);

    let mut stream = TcpStream::connect(&door).await.unwrap();
    echoed(&mut stream, b"x").await.unwrap();
    proxy.reset();
    let reset = timeout(LONG, stream.read(&mut byte)).await.unwrap().unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);

    proxy.set(Conduct { link: Link::Refusing, ..Conduct::CLEAR });
    assert!(answers(&door).await.is_err());
    proxy.set(Conduct::CLEAR);
    answers(&door).await.unwrap();
    while proxy.connections() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_dead_service_is_dead_behind_its_proxy_too() {
    let (_folder, plan) = plan(1, true);
    let mut fleet = Fleet::leaves(&plan).await.unwrap();
    let one = fleet.replica(Service::Vision, 0).unwrap();
    let door = one.door().to_owned();
    let mut stream = TcpStream::connect(&door).await.unwrap();
    echoed(&mut stream, b"x").await.unwrap();
    one.kill().await;
    let mut byte = [0];
    let read = timeout(LONG, stream.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(answers(&door).await.is_err());
    one.restart().await.unwrap();
    answers(&door).await.unwrap();
}
