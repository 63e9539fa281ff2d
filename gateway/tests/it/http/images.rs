//! Pictures by their address.

use http_body_util::{BodyExt, Full};
use sha2::{Digest, Sha256};
use tonic::transport::Channel;
use tower::ServiceExt;

use super::{get, request, send};
use crate::scene::Scene;

const ONE: &str = "/v1/images/first/one";

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_its_file_and_never_changes() {
    let scene = Scene::new().await;
    let got = get(&scene, ONE).await;
    assert_eq!(
        (got.status.as_u16(), &*got.body, got.header("content-type")),
        (200, &b"one"[..], "image/png")
    );
    let etag = format!("\"{}\"", hex::encode(Sha256::digest("one")));
    assert_eq!(got.header("etag"), etag);
    assert_eq!(got.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(got.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(scene.retrieval.fetched(), [("one".to_owned(), "first".to_owned())]);

    let head = send(&scene, request("HEAD", ONE).body(Full::default()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, "3", 0));
    for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let asked = request("GET", ONE).header("if-none-match", known);
        let got = send(&scene, asked.body(Full::default()).unwrap()).await;
        assert_eq!((got.status.as_u16(), got.body.len(), got.header("etag")), (304, 0, etag.as_str()));
    }
    let other = request("GET", ONE).header("if-none-match", "\"x\"").body(Full::default()).unwrap();
    assert_eq!(send(&scene, other).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_not_here_is_told() {
    let scene = Scene::new().await;
    for path in ["/v1/images/first/none", "/v1/images/first/one?index=none"] {
        assert_eq!(get(&scene, path).await.error().0, 404, "{path}");
    }
    assert_eq!(get(&scene, "/v1/images/first/one?size=2").await.error().0, 400);
    assert_eq!(get(&scene, "/v1/images/first/two").await.error().0, 503, "the disk is gone");
    let away = get(&scene, "/v1/images/first/away").await;
    assert_eq!(away.error().0, 404);
    assert!(away.json()["error"]["message"].as_str().unwrap().contains("https://a.org/p.png"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_not_read_are_not_more_than_may_lie_there() {
    let flags = ["--search-timeout-ms", "3000", "--max-bodies-bytes", "67108864"];
    let scene = Scene::with(&flags).await;
    // More than may lie between the two.
    scene.retrieval.pad(1 << 20);
    let endpoint = Channel::from_shared(scene.address.clone()).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let channel = endpoint.connect().await.unwrap();
    let ask = async || {
        let asked = http::Request::get(format!("{}{ONE}", scene.address));
        channel.clone().oneshot(asked.body(tonic::body::Body::empty()).unwrap()).await.unwrap()
    };
    let mut unread = Vec::new();
    // Each has a little more than a sixty-fourth of that.
    for _ in 0..63 {
        unread.push(ask().await);
        assert_eq!(unread.last().unwrap().status(), 200);
    }
    assert_eq!(ask().await.status(), 429);
    // The first has all of the connection's window.
    let read = unread.remove(0);
    drop(unread);
    assert!(read.into_body().collect().await.unwrap().to_bytes().len() > 1 << 20);
    assert_eq!(ask().await.status(), 200);
}
