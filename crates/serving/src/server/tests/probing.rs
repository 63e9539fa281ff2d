//! The port for probes, asked by clients that would stay.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{NAME, get};
use crate::{
    server::{Readiness, probes},
    upstream,
};

/// Nothing here takes this long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);
/// What HTTP/2 begins with, and settings that set nothing.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn nobody_stays_on_the_port_for_probes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let readiness = Readiness::new(&[NAME]);
    readiness.ready();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let stay = Duration::from_millis(600);
    let serve = probes::serve(listener, readiness, Routes::new(health), CancellationToken::new(), stay);
    tokio::spawn(serve);

    // One says hello and nothing more, the other has a call that does not end.
    let mut silent = TcpStream::connect(&address).await.unwrap();
    silent.write_all(HELLO).await.unwrap();
    let mut client = HealthClient::new(upstream::connect_lazy(&address).unwrap());
    let mut watching = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 1);

    let mut heard = Vec::new();
    let _ = timeout(HANGS, silent.read_to_end(&mut heard)).await.expect("the silent one is still there");
    let ended = timeout(HANGS, watching.message()).await.expect("the call goes on");
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
    // Whoever comes next is served.
    assert!(get(&address, "/livez").await.starts_with("HTTP/1.1 200 "));
}
