//! A server that is told to stop ends in time, whatever is open; and with it everything that is.

use std::time::{Duration, Instant};

use fondue_serving::{settings::ServingSettings, upstream::connect_lazy};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::server::{Http1, NAME, Papers, check, start};

#[tokio::test]
async fn connections_that_idle_do_not_outlast_the_drain() {
    let settings = ServingSettings { drain_seconds: Some(2.0), ..ServingSettings::default() };
    let server = start(settings).await;
    let mut kept = Http1::connect(&server.address).await;
    assert!(kept.get("/livez").await.is_some());
    let mut silent = Http1::connect(&server.address).await;
    let mut half = Http1::connect(&server.address).await;
    half.0.write_all(b"POST /fondue").await.unwrap();
    // It has greeted, and answers nothing more: neither settings nor the pings of the farewell.
    let mut mute = TcpStream::connect(&server.address).await.unwrap();
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let idle = connect_lazy(&server.address).unwrap();
    assert_eq!(check(idle.clone()).await.unwrap(), 1);

    let begun = Instant::now();
    server.stop.send(()).unwrap();
    server.ended.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for connection in [&mut kept, &mut silent, &mut half, &mut Http1(mute)] {
        connection.closed().await;
    }
    assert!(check(idle).await.is_err());
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn handshakes_and_streams_with_tls_do_not_outlast_the_drain() {
    let papers = Papers::new();
    let server = start(papers.settings()).await;
    let mut half = Http1::connect(&server.address).await;
    half.0.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let mut client = HealthClient::new(papers.channel(&server.https(), None));
    let asked = HealthCheckRequest { service: NAME.to_owned() };
    let mut watching = client.watch(asked).await.unwrap().into_inner();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 1);

    let begun = Instant::now();
    server.stop.send(()).unwrap();
    half.closed().await;
    assert_eq!(watching.message().await.unwrap().unwrap().status, 2, "it is told first");
    server.ended.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // What ran is cut off, not left running.
    assert!(!matches!(watching.message().await, Ok(Some(_))));
}
