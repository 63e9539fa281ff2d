//! API keys: who is let in, what is open, what a changed file does.

use fondue_domain::Fault;
use fondue_proto::{
    dialogue::{RetrieveRequest, ScoreRequest},
    retrieval::{DeleteRequest, Picture},
};
use fondue_serving::status::fault_of;
use http_body_util::Full;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{ALICE, BOB, Folder, answer, becomes, by, complete, entry, get_by};
use crate::{
    http::{get, open, request, send},
    scene::{Scene, text},
};

#[tokio::test(flavor = "multi_thread")]
async fn only_a_right_key_is_let_in_by_grpc() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&[]).await;
    for (key, said) in [("", "must know who calls"), ("fdk_carol", "not valid"), ("a.b.c", "not valid")] {
        let refused = answer(&scene, key).await.unwrap_err();
        assert_eq!((refused.code(), fault_of(&refused)), (Code::Unauthenticated, Fault::Unauthenticated));
        assert!(refused.message().contains(said), "{refused:?}");
        assert!(!refused.message().contains("carol"), "what was sent is not told");
        let mut client = scene.client.clone();
        let raw = RetrieveRequest { parts: vec![text("a")], ..RetrieveRequest::default() };
        assert_eq!(client.retrieve(by(key, raw)).await.unwrap_err().code(), Code::Unauthenticated);
        let raw = ScoreRequest { parts: vec![text("a")], ..ScoreRequest::default() };
        assert_eq!(client.score(by(key, raw)).await.unwrap_err().code(), Code::Unauthenticated);
        let talk = client.converse(by(key, tokio_stream::pending())).await;
        assert_eq!(talk.unwrap_err().code(), Code::Unauthenticated);
    }
    assert!(scene.language.asked().is_empty());
    answer(&scene, ALICE).await.unwrap();
    answer(&scene, BOB).await.unwrap();
    // A method that does not exist is nobody's business either.
    let path = "/fondue.dialogue.v1.Dialogue/Nothing";
    let asked =
        request("POST", path).header("content-type", "application/grpc").body(Full::default()).unwrap();
    assert_eq!(open(&scene, asked).await.headers()["grpc-status"], "16");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_right_key_is_let_in_by_http() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&["--public-url", "https://a.org"]).await;
    for key in ["", "fdk_carol"] {
        let refused = complete(&scene, key).await;
        assert_eq!(refused.error(), (401, "invalid_api_key".to_owned(), String::new()));
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert_eq!(refused.header("x-request-id").len(), 32);
    }
    for path in ["/v1/models", "/v1/fondue", "/openapi.json", "/v1/images/first/one", "/metrics", "/nothing"]
    {
        let asked = request("GET", path).body(Full::default()).unwrap();
        assert_eq!(open(&scene, asked).await.status(), 401, "{path}");
    }
    assert_eq!(complete(&scene, ALICE).await.status, 200);
    assert_eq!(send(&scene, get_by(ALICE, "/v1/models")).await.status, 200);
    assert_eq!(open(&scene, get_by(ALICE, "/metrics")).await.status(), 200);
    let picture = send(&scene, get_by(ALICE, "/v1/images/first/one")).await;
    assert!(picture.header("cache-control").starts_with("private"), "{picture:?}");
    // gRPC in the frames of browsers comes by the same door.
    let asked = request("POST", "/fondue.dialogue.v1.Dialogue/Reply");
    let asked = asked.header("content-type", "application/grpc-web+proto").body(Full::default()).unwrap();
    assert_eq!(open(&scene, asked).await.headers()["grpc-status"], "16");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_health_and_the_page_need_no_key() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&["--metrics-open", "--cors-origin", "https://chat.example.org"]).await;
    let invented = request("POST", "/fondue.invented/Method").header("content-type", "application/grpc");
    assert_eq!(open(&scene, invented.body(Full::default()).unwrap()).await.headers()["grpc-status"], "16");
    for path in ["/livez", "/readyz", "/metrics", "/", "/assets/main.js"] {
        let asked = request("GET", path).body(Full::default()).unwrap();
        assert_eq!(open(&scene, asked).await.status(), 200, "{path}");
    }
    let channel =
        tonic::transport::Channel::from_shared(scene.address.clone()).unwrap().connect().await.unwrap();
    let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    assert_eq!(health.unwrap().into_inner().status, 1);
    let asked = request("OPTIONS", "/v1/models")
        .header("origin", "https://chat.example.org")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    let leave = open(&scene, asked.body(Full::default()).unwrap()).await;
    assert_eq!(
        (leave.status().as_u16(), &leave.headers()["access-control-allow-headers"]),
        (200, &"authorization".parse().unwrap())
    );
    let asked = request("GET", "/v1/models").header("origin", "https://chat.example.org");
    let refused = open(&scene, asked.body(Full::default()).unwrap()).await;
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://chat.example.org",
        "a page can read why"
    );
    assert_eq!(refused.status(), 401);
    let mut metrics = String::new();
    becomes(async || {
        let asked = request("GET", "/metrics").body(Full::default()).unwrap();
        let body = open(&scene, asked).await.into_body();
        let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        metrics = String::from_utf8_lossy(&bytes).into_owned();
        metrics.contains("code=\"UNAUTHENTICATED\"")
    })
    .await;
    assert!(metrics.contains("fondue_auth_refused_total{reason=\"missing\"}"), "{metrics}");
    let refused = metrics.lines().find(|line| line.contains("code=\"UNAUTHENTICATED\"")).unwrap();
    assert!(refused.contains("method=\"unknown\""), "{refused}");
    assert!(!metrics.contains("invented"), "what a stranger names is no label: {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_everybody_is_let_in_and_a_key_does_no_harm() {
    let scene = Scene::new().await;
    answer(&scene, "").await.unwrap();
    answer(&scene, "none").await.unwrap();
    assert_eq!(complete(&scene, "none").await.status, 200);
    assert!(get(&scene, "/v1/images/first/one").await.header("cache-control").starts_with("public"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_holds_without_a_restart_and_a_broken_one_does_not() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&[]).await;
    answer(&scene, ALICE).await.unwrap();
    folder.write(&entry("carol", "fdk_carol", "acme", ""));
    becomes(async || answer(&scene, "fdk_carol").await.is_ok()).await;
    assert_eq!(answer(&scene, ALICE).await.unwrap_err().code(), Code::Unauthenticated);
    folder.write("[[key]]\nid = 7");
    // As long as it takes to look at the file, twice.
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
    answer(&scene, "fdk_carol").await.unwrap();
    folder.write(&entry("alice", ALICE, "acme", ""));
    becomes(async || answer(&scene, ALICE).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_stops_the_gateway_at_its_start() {
    use clap::Parser;
    let folder = Folder::new("burst = 1", "");
    let path = folder.path();
    let args = ["fondue-gateway", "--listen", "127.0.0.1:0", "--api-keys", path.to_str().unwrap()];
    let config = fondue_gateway::config::Args::parse_from(args).resolve().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = fondue_gateway::run(config, listener, std::future::pending()).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("keys.toml") && said.contains("key 1 (`alice`): `burst` needs"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gallery_is_changed_by_those_who_have_leave() {
    let folder = Folder::new("gallery = true", "");
    let scene = folder.scene(&["--gallery-writable"]).await;
    let picture = || Picture { id: "a".to_owned(), data: "apple".into(), ..Picture::default() };
    for (key, code) in [("", Code::Unauthenticated), (BOB, Code::PermissionDenied)] {
        let refused = scene.gallery.clone().ingest(by(key, tokio_stream::iter([picture()]))).await;
        assert_eq!(refused.unwrap_err().code(), code);
        let refused =
            scene.gallery.clone().delete(by(key, DeleteRequest { ids: vec!["one".to_owned()] })).await;
        assert_eq!(refused.unwrap_err().code(), code);
    }
    assert!(scene.retrieval.ingested().is_empty());
    let done = scene.gallery.clone().ingest(by(ALICE, tokio_stream::iter([picture()]))).await.unwrap();
    assert_eq!(done.into_inner().accepted, 1);
    let removed =
        scene.gallery.clone().delete(by(ALICE, DeleteRequest { ids: vec!["one".to_owned()] })).await;
    assert_eq!(removed.unwrap().into_inner().deleted, 1);
}
