//! Tenants: nobody's prompts share what the model remembers with another's.

use std::collections::HashSet;

use fondue_proto::dialogue::{ReplyRequest, RetrieveRequest, ScoreRequest, TurnOptions};
use serde_json::json;

use super::{
    ALICE, BOB, Folder, by,
    limits::{converse, said},
};
use crate::{
    http::{CHAT, posted, question, send},
    scene::{Events, Scene, text, turn_with},
};

async fn asked_with(scene: &Scene, key: &str, cache_key: &str) -> String {
    let options = TurnOptions { cache_key: Some(cache_key.to_owned()), ..TurnOptions::default() };
    let asked = ReplyRequest { turn: Some(turn_with([text("hi")], options)), ..ReplyRequest::default() };
    let response = scene.client.clone().reply(by(key, asked)).await.unwrap();
    Events(response.into_inner()).turn().await;
    scene.language.asked().last().unwrap().cache_key.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_cache_keys_are_its_own() {
    let folder = Folder::new("", "");
    let scene = folder.scene(&[]).await;
    let long = "k".repeat(128);
    let mut met = HashSet::new();
    for key in [ALICE, BOB] {
        for cache_key in ["", "acme", "k", &long] {
            let sent = asked_with(&scene, key, cache_key).await;
            assert!(sent.len() <= 128 && !sent.contains("acme") && !sent.contains("emca"), "{sent}");
            assert_eq!(asked_with(&scene, key, cache_key).await, sent);
            assert!(met.insert(sent), "{key} {cache_key}");
        }
    }
    let alice = asked_with(&scene, ALICE, "").await;
    let (say, mut events) = converse(&scene, ALICE).await;
    say.send(said()).unwrap();
    events.turn().await;
    assert_eq!(scene.language.asked().last().unwrap().cache_key, alice, "a conversation's too");

    let mut chat = posted(CHAT, &question(json!({ "prompt_cache_key": "k" })));
    chat.headers_mut().insert("authorization", format!("Bearer {BOB}").parse().unwrap());
    assert_eq!(send(&scene, chat).await.status, 200);
    let sent = scene.language.asked().last().unwrap().cache_key.clone();
    assert_eq!(sent, asked_with(&scene, BOB, "k").await, "and HTTP's");

    let raw =
        RetrieveRequest { parts: vec![text("a")], cache_key: "k".to_owned(), ..RetrieveRequest::default() };
    scene.client.clone().retrieve(by(ALICE, raw)).await.unwrap();
    let alice_k = asked_with(&scene, ALICE, "k").await;
    assert_eq!(scene.language.queried_with(), alice_k);
    let candidates = vec!["b".to_owned()];
    let raw = ScoreRequest {
        parts: vec![text("a")],
        candidates,
        cache_key: "k".to_owned(),
        ..ScoreRequest::default()
    };
    scene.client.clone().score(by(ALICE, raw)).await.unwrap();
    assert_eq!(scene.language.scored_with(), alice_k);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_asked_the_clients_word_holds() {
    let scene = Scene::new().await;
    assert_eq!(asked_with(&scene, "", "mine").await, "mine");
}
