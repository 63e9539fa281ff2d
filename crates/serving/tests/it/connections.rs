//! How many connections there may be, how long each may be silent, and that none waits for another.

use std::time::Duration;

use fondue_serving::settings::ServingSettings;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use crate::server::{Http1, Papers, check, check_plain, free_address, metric, start};

#[tokio::test]
async fn connections_up_to_the_limit_are_served_and_one_more_is_closed_at_once() {
    let mut settings = ServingSettings::default();
    settings.connections.max_connections = Some(3);
    let server = start(settings).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = Http1::connect(&server.address).await;
        assert!(connection.get("/livez").await.unwrap().starts_with("HTTP/1.1 200"));
        open.push(connection);
    }
    for _ in 0..5 {
        Http1::connect(&server.address).await.closed().await;
    }
    let metrics = open[0].get("/metrics").await.unwrap();
    assert_eq!(metric(&metrics, "fondue_connections"), 3.0);
    assert_eq!(metric(&metrics, "fondue_connections_refused_total{reason=\"limit\"}"), 5.0);
    // Who goes makes room; the server hears of it a little later.
    drop(open.pop());
    for _ in 0..1000 {
        if Http1::connect(&server.address).await.get("/livez").await.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the room of a connection that went is not used");
}

#[tokio::test]
async fn a_connection_that_does_not_say_what_it_speaks_is_closed() {
    let mut settings = ServingSettings::default();
    settings.connections.header_timeout_ms = Some(300);
    let server = start(settings).await;
    // These have said what they speak in time, and stay.
    let mut slow = Http1::connect(&server.address).await;
    slow.0.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let kept = fondue_serving::upstream::connect_lazy(&server.address).unwrap();
    assert_eq!(check(kept.clone()).await.unwrap(), 1);

    Http1::connect(&server.address).await.closed().await;
    let mut half = Http1::connect(&server.address).await;
    half.0.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    half.closed().await;

    slow.0.write_all(b"Host: x\r\n\r\n").await.unwrap();
    assert!(slow.answer().await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(check(kept).await.unwrap(), 1);
    let metrics = slow.get("/metrics").await.unwrap();
    assert_eq!(metric(&metrics, "fondue_connections_refused_total{reason=\"silent\"}"), 2.0);
    assert_eq!(metric(&metrics, "fondue_connections"), 2.0);
}

#[tokio::test]
async fn handshakes_that_stall_keep_nobody_waiting_and_end() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    settings.connections.header_timeout_ms = Some(5000);
    let server = start(settings).await;
    let mut stalled = Vec::new();
    for n in 0..40 {
        let mut connection = Http1(TcpStream::connect(&server.address).await.unwrap());
        // Silent, or in the middle of a record.
        if n % 2 == 0 {
            connection.0.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        stalled.push(connection);
    }
    let begun = std::time::Instant::now();
    assert_eq!(check(papers.channel(&server.https(), None)).await.unwrap(), 1);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for mut connection in stalled {
        connection.closed().await;
    }
}

#[tokio::test]
async fn probes_have_a_port_of_their_own_where_clients_need_certificates() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    settings.tls.tls_client_ca = Some(papers.ca());
    let probes = free_address().await;
    settings.connections.probes_listen = Some(probes.clone());
    let server = start(settings).await;
    let own = papers.issue(&["gateway"], "gateway");
    // Once the server's own port answers, the other does.
    assert_eq!(check(papers.channel(&server.https(), Some(&own))).await.unwrap(), 1);
    let mut connection = Http1::connect(&probes).await;
    assert!(connection.get("/livez").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(connection.get("/readyz").await.unwrap().starts_with("HTTP/1.1 200"));
    let metrics = connection.get("/metrics").await.unwrap();
    let expiry = metric(&metrics, "fondue_tls_certificate_expiry_timestamp_seconds{role=\"server\"}");
    assert_eq!(expiry, 4_070_908_800.0, "the first of January 2099");
    assert!(connection.get("/v1/anything").await.unwrap().starts_with("HTTP/1.1 404"));
    assert_eq!(check_plain(&probes).await.unwrap(), 1);
    server.readiness.not_ready("index gone");
    assert!(connection.get("/readyz").await.unwrap().contains("index gone"));
}

#[tokio::test]
async fn a_port_for_probes_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = ServingSettings::default();
    settings.connections.probes_listen = Some(taken.local_addr().unwrap().to_string());
    let error = start(settings).await.ended.await.unwrap().unwrap_err().to_string();
    assert!(error.starts_with("probes_listen: cannot listen on 127.0.0.1:"), "{error}");
}
