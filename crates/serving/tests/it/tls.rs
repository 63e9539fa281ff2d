//! Who is let in over TLS, and what the others are told; certificates that change under open streams.

use std::{fs, time::Duration};

use fondue_authority::Authority;
use fondue_serving::{
    server::ServeError,
    settings::ServingSettings,
    upstream::{ClientFiles, ClientTls, connect_lazy_with},
};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::server::{Http1, NAME, Papers, check, check_plain, free_address, metric, start};

/// Refusals after a handshake can be overtaken by the end of their connection; so that the reason comes is tried a few times.
async fn told(ask: impl AsyncFn() -> Status, expected: &str) -> Status {
    let mut last = ask().await;
    for _ in 0..20 {
        if last.message().contains(expected) {
            break;
        }
        last = ask().await;
    }
    assert!(last.message().contains(expected), "{last:?}");
    last
}

#[tokio::test]
async fn a_client_calls_with_tls_and_refuses_whom_it_does_not_trust() {
    let papers = Papers::new();
    let server = start(papers.settings()).await;
    assert_eq!(check(papers.channel(&server.https(), None)).await.unwrap(), 1);
    // Addresses are in the certificate, too.
    assert_eq!(check(papers.channel(&format!("https://{}", server.address), None)).await.unwrap(), 1);

    let stranger = Papers::new();
    let refused = check(stranger.channel(&server.https(), None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().starts_with("TLS with localhost:"), "{refused:?}");
    assert!(refused.message().contains("ca.pem; name its authority's file"), "{refused:?}");

    let mut settings = papers.settings();
    let old =
        papers.authority.issue_expired(&["localhost"]).unwrap().write(papers.folder.path(), "old").unwrap();
    (settings.tls.tls_certificate, settings.tls.tls_key) = (Some(old.certificate), Some(old.key));
    let server = start(settings).await;
    let refused = check(papers.channel(&server.https(), None)).await.unwrap_err();
    assert!(refused.code() == Code::Unavailable && refused.message().contains("has expired"), "{refused:?}");
}

#[tokio::test]
async fn with_and_without_tls_do_not_meet_and_are_told_so() {
    let papers = Papers::new();
    let server = start(papers.settings()).await;
    let refused = check_plain(&server.address).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, "this port speaks TLS alone; use https://")
    );
    let answer = Http1::connect(&server.address).await.get("/livez").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("use https://"), "{answer}");

    let plain = start(ServingSettings::default()).await;
    let refused = check(papers.channel(&plain.https(), None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("does not speak TLS there; use http://"), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_lets_in_whom_it_names() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    settings.tls.tls_client_ca = Some(papers.ca());
    settings.tls.tls_client_names = Some(vec!["gateway.fondue".into(), "spiffe://fondue/gateway".into()]);
    let server = start(settings).await;
    let address = server.https();
    let by_name = papers.issue(&["other", "gateway.fondue"], "by-name");
    assert_eq!(check(papers.channel(&address, Some(&by_name))).await.unwrap(), 1);
    let by_uri = papers.issue(&["spiffe://fondue/gateway"], "by-uri");
    assert_eq!(check(papers.channel(&address, Some(&by_uri))).await.unwrap(), 1);

    let wrong = papers.issue(&["bench.fondue"], "wrong");
    let refused = check(papers.channel(&address, Some(&wrong))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    let expected =
        "the client's certificate is for bench.fondue, and none of tls_client_names is; add it there";
    assert_eq!(refused.message(), expected);

    let none = async || check(papers.channel(&address, None)).await.unwrap_err();
    assert_eq!(told(none, "asks for a client's certificate").await.code(), Code::Unavailable);
    let stranger = Authority::new("stranger").unwrap();
    let forged = stranger.issue(&["gateway.fondue"]).unwrap().write(papers.folder.path(), "forged").unwrap();
    let forge = async || check(papers.channel(&address, Some(&forged))).await.unwrap_err();
    assert_eq!(told(forge, "does not accept this client's certificate").await.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_streams_stay_and_a_broken_one_is_not() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    let probes = free_address().await;
    settings.connections.probes_listen = Some(probes.clone());
    let (certificate, key) =
        (settings.tls.tls_certificate.clone().unwrap(), settings.tls.tls_key.clone().unwrap());
    let server = start(settings).await;
    let mut client = HealthClient::new(papers.channel(&server.https(), None));
    let asked = HealthCheckRequest { service: NAME.to_owned() };
    let mut watching = client.watch(asked).await.unwrap().into_inner();
    assert_eq!(watching.message().await.unwrap().unwrap().status, 1);

    // From another authority, so that it shows which one a connection gets.
    let renewed = Papers::new();
    let issued = renewed.issue(&["localhost"], "server");
    fs::copy(&issued.certificate, &certificate).unwrap();
    fs::copy(&issued.key, &key).unwrap();
    let mut taken = false;
    for _ in 0..300 {
        taken = check(renewed.channel(&server.https(), None)).await.is_ok();
        if taken {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(taken, "after 30 s the old certificate is in use");
    let refused = check(papers.channel(&server.https(), None)).await.unwrap_err();
    assert!(refused.message().contains("signed by none of those"), "{refused:?}");
    // The stream over the old certificate goes on.
    server.readiness.not_ready("index gone");
    assert_eq!(watching.message().await.unwrap().unwrap().status, 2);

    fs::write(&certificate, "half of a certi").unwrap();
    for _ in 0..300 {
        let metrics = Http1::connect(&probes).await.get("/metrics").await.unwrap();
        let count = |outcome: &str| {
            metric(&metrics, &format!("fondue_tls_reloads_total{{role=\"server\",outcome=\"{outcome}\"}}"))
        };
        if metrics.contains("outcome=\"refused\"") {
            assert_eq!((count("reloaded"), count("refused")), (1.0, 1.0));
            // A new connection is served by what was there.
            assert_eq!(check(renewed.channel(&server.https(), None)).await.unwrap(), 2);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("after 30 s the broken certificate is not told");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_when_a_server_starts() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    settings.tls.tls_key = Some(papers.folder.path().join("none.key"));
    let error = start(settings).await.ended.await.unwrap().unwrap_err();
    assert!(
        matches!(error, ServeError::Tls(_)) && error.to_string().contains("none.key: No such file"),
        "{error}"
    );
}

#[tokio::test]
async fn the_name_of_a_service_can_be_told_where_its_address_does_not() {
    let papers = Papers::new();
    let mut settings = papers.settings();
    let files = papers.issue(&["language.fondue"], "language");
    (settings.tls.tls_certificate, settings.tls.tls_key) = (Some(files.certificate), Some(files.key));
    let server = start(settings).await;
    let refused = check(papers.channel(&server.https(), None)).await.unwrap_err();
    assert!(refused.message().contains("not for localhost, but for: "), "{refused:?}");
    let files = ClientFiles { ca: Some(papers.ca()), pair: None, name: Some("language.fondue".into()) };
    let tls = ClientTls::load(files).unwrap();
    assert_eq!(check(connect_lazy_with(&server.https(), Some(&tls)).unwrap()).await.unwrap(), 1);
}
