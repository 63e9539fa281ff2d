//! The names that a server goes by which this machine alone reaches, and which asks nobody who they are.

use http_body_util::Full;
use tonic::Code;

use super::{ALICE, Folder, asked};
use crate::{
    http::{open, request},
    scene::Scene,
};

async fn status(scene: &Scene, host: &str, path: &str) -> u16 {
    let mut asked = request("GET", path).body(Full::default()).unwrap();
    asked.headers_mut().insert("host", host.parse().unwrap());
    open(scene, asked).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_was_led_here_by_a_strange_name_gets_nothing() {
    let flags = ["--allowed-host", "fondue.lan", "--public-url", "https://fondue.example.org"];
    let scene = Scene::with(&flags).await;
    for path in ["/", "/v1/models", "/metrics", "/livez", "/nothing"] {
        assert_eq!(status(&scene, "evil.example:7400", path).await, 403, "{path}");
    }
    // A tunnel has another port, a container another address.
    for host in [
        "localhost",
        "localhost:9000",
        "127.0.0.1:7400",
        "[::1]",
        "172.17.0.2:7400",
        "fondue.lan:7400",
        "fondue.example.org",
    ] {
        assert_eq!(status(&scene, host, "/v1/models").await, 200, "{host}");
    }
    let by_name = |name: &str| {
        let endpoint = tonic::transport::Endpoint::from_shared(scene.address.clone()).unwrap();
        endpoint.origin(format!("http://{name}").parse().unwrap()).connect_lazy()
    };
    use fondue_proto::dialogue::dialogue_client::DialogueClient;
    let refused = DialogueClient::new(by_name("evil.example")).reply(asked()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("allowed_hosts"), "{refused:?}");
    assert!(DialogueClient::new(by_name("localhost:1")).reply(asked()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_show_a_key_may_use_any_name() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&[]).await;
    let mut asked = super::get_by(ALICE, "/v1/models");
    asked.headers_mut().insert("host", "chat.example.org".parse().unwrap());
    assert_eq!(open(&scene, asked).await.status(), 200);
    let open_scene = Scene::with(&["--listen", "0.0.0.0:0", "--open-to-network"]).await;
    assert_eq!(status(&open_scene, "chat.example.org", "/v1/models").await, 200);
}
