//! What a client sends back of an answer is what the model said.

use serde_json::{Value, json};

use super::{CHAT, post, stream::chunks};
use crate::{
    fakes::language::Step::{Ret, Text},
    scene::Scene,
};

fn said(scene: &Scene) {
    scene.language.will([Ret(1.0), Text(" Grö"), Text("ße"), Ret(2.0), Text(", da.")]);
}

/// Asks on, with `answer` as what was answered to `hi`.
async fn go_on(scene: &Scene, answer: Value) {
    let messages =
        json!([{ "role": "user", "content": "hi" }, answer, { "role": "user", "content": "and?" }]);
    scene.language.will([Text("end"), Ret(3.0)]);
    let got =
        post(scene, CHAT, json!({ "model": "fondue", "messages": messages, "fondue": { "max_images": 3 } }))
            .await;
    assert_eq!(got.status, 200, "{got:?}");
    let newest = scene.language.asked().len() - 1;
    assert_eq!(scene.language.prompt(newest), ["Q: hi\nA: [RET]Größe [RET], da.\nQ: and?\nA:"]);
    assert_eq!(
        scene.retrieval.asked().last().unwrap().excluded_ids,
        ["one", "two"],
        "they are not found again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_itself_comes_back() {
    let scene = Scene::new().await;
    said(&scene);
    let body = super::chat(&scene, json!({})).await.json();
    go_on(&scene, body["choices"][0]["message"].clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streamed_text_comes_back() {
    let scene = Scene::new().await;
    said(&scene);
    let (chunks, _) = chunks(&scene, json!({})).await;
    let content: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(content.contains("![picture two](/v1/images/first/two#ret=1&at=5)"), "{content}");
    go_on(&scene, json!({ "role": "assistant", "content": content })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_exact() {
    let scene = Scene::new().await;
    let past = json!({ "transcript": " [RET]Größe [RET], da.", "image_ids": ["one", "two"] });
    go_on(&scene, json!({ "role": "assistant", "content": null, "fondue": past })).await;
}
