//! JSON Web Tokens at the gateway: files that change, tokens that end, leave for the gallery. What a token must be is tested in
//! `fondue-auth`.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fondue_proto::{dialogue::event::Kind, retrieval::DeleteRequest};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use super::{
    ALICE, answer, becomes, by, complete, entry,
    limits::{converse, said},
};
use crate::{
    fakes::language::Step::{Text, Wait},
    scene::{Scene, done},
};

/// Whoever issues tokens.
struct Issuer {
    pair: rcgen::KeyPair,
    folder: TempDir,
}

impl Issuer {
    fn new() -> Self {
        let issuer = Self { pair: pair(), folder: tempfile::tempdir().unwrap() };
        fs::write(issuer.path("keys.pem"), issuer.pair.public_key_pem()).unwrap();
        fs::write(issuer.path("keys.toml"), entry("alice", ALICE, "acme", "")).unwrap();
        issuer
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn scene(&self, flags: &[&str]) -> Scene {
        let (pem, keys) = (self.path("keys.pem"), self.path("keys.toml"));
        let all = ["--jwt-keys", pem.to_str().unwrap(), "--api-keys", keys.to_str().unwrap()];
        let rules = ["--jwt-issuer", "issuer", "--jwt-audience", "fondue"];
        Scene::with(&[&all[..], &rules, flags].concat()).await
    }

    fn token(&self, exp: u64, more: Value) -> String {
        let mut claims =
            json!({ "iss": "issuer", "aud": "fondue", "sub": "carol", "tenant": "acme", "exp": exp });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let key = EncodingKey::from_ed_der(&self.pair.serialize_der());
        encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap()
    }
}

fn pair() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_are_let_in_side_by_side() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&[]).await;
    let token = issuer.token(now() + 600, json!({}));
    answer(&scene, &token).await.unwrap();
    assert_eq!(complete(&scene, &token).await.status, 200);
    answer(&scene, ALICE).await.unwrap();
    let refused = answer(&scene, &issuer.token(now() - 600, json!({}))).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("expired"), "{refused:?}");
    let stranger = Issuer::new().token(now() + 600, json!({}));
    let huge = issuer.token(now() + 600, json!({ "pad": "x".repeat(9000) }));
    for wrong in [stranger, huge, issuer.token(now() + 600, json!({ "aud": "other" }))] {
        assert_eq!(answer(&scene, &wrong).await.unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(complete(&scene, &wrong).await.error().0, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_hold_without_a_restart() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&[]).await;
    let next = Issuer { pair: pair(), folder: tempfile::tempdir().unwrap() };
    let token = next.token(now() + 600, json!({}));
    assert!(answer(&scene, &token).await.is_err());
    fs::write(issuer.path("keys.pem"), next.pair.public_key_pem()).unwrap();
    becomes(async || answer(&scene, &token).await.is_ok()).await;
    assert!(answer(&scene, &issuer.token(now() + 600, json!({}))).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_lets_the_running_turn_end_and_no_other_begin() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&[]).await;
    scene.language.will([Text("a"), Wait]);
    // Half a minute is allowed for clocks that differ; a few seconds of it are left.
    let expires = now() - 24;
    let (say, mut events) = converse(&scene, &issuer.token(expires, json!({}))).await;
    say.send(said()).unwrap();
    events.text().await;
    while now() < expires + 31 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scene.language.go_on.add_permits(1);
    assert!(matches!(events.kind().await, Kind::Done(_)));
    let ended = events.next().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "the conversation ends too: {ended:?}");
    assert!(ended.message().contains("expired"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_conversations_are_counted_whoever_of_it_opens_them() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&["--jwt-conversations", "1"]).await;
    let open = async |more: Value| {
        let token = issuer.token(now() + 600, more);
        scene.client.clone().converse(by(&token, tokio_stream::pending())).await
    };
    let _held = open(json!({})).await.unwrap();
    assert_eq!(open(json!({ "sub": "dave" })).await.unwrap_err().code(), Code::ResourceExhausted);
    open(json!({ "tenant": "other" })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_lets_no_other_turn_begin() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&[]).await;
    let (say, mut events) = converse(&scene, ALICE).await;
    say.send(said()).unwrap();
    assert_eq!(done(&events.turn().await).text, "ok");
    fs::write(issuer.path("keys.toml"), "").unwrap();
    becomes(async || {
        let _ = say.send(said()); // if it has not ended
        loop {
            match events.next().await {
                Err(ended) => return ended.code() == Code::Unauthenticated,
                Ok(event) if matches!(event.as_ref().unwrap().kind, Some(Kind::Done(_))) => return false,
                Ok(_) => {}
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_gives_leave_for_the_gallery() {
    let issuer = Issuer::new();
    let scene = issuer.scene(&["--gallery-writable"]).await;
    let delete = async |more: Value| {
        let token = issuer.token(now() + 600, more);
        let ids = vec!["one".to_owned()];
        scene.gallery.clone().delete(by(&token, DeleteRequest { ids })).await
    };
    assert_eq!(delete(json!({})).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(
        delete(json!({ "scope": "gallery-reader" })).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert!(delete(json!({ "scope": "chat gallery" })).await.is_ok());
}
