//! Answers as they come.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{CHAT, chat, open, posted, question};
use crate::{
    fakes::language::Step::{End, Fail, Ret, Text, Wait},
    scene::{HANGS, Scene, one},
};

/// Server-sent events, one by one.
pub(super) struct Sse {
    body: Incoming,
    read: String,
}

impl Sse {
    pub(super) async fn open(scene: &Scene, mut more: Value) -> Self {
        more["stream"] = json!(true);
        let response = open(scene, posted(CHAT, &question(more))).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-request-id"].len(), 32);
        Self { body: response.into_body(), read: String::new() }
    }

    /// The data of the next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.strip_prefix("data: ").expect("an event without data").to_owned();
                self.read = rest.to_owned();
                return Some(data);
            }
            let frame = tokio::time::timeout(HANGS, self.body.frame()).await.expect("the gateway hangs")?;
            self.read += std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap();
        }
    }

    async fn chunk(&mut self) -> Value {
        serde_json::from_str(&self.next().await.unwrap()).unwrap()
    }

    /// Passes over chunks up to one with text.
    async fn text(&mut self) -> String {
        loop {
            match self.chunk().await["choices"][0]["delta"]["content"].as_str() {
                None | Some("") => {}
                Some(text) => return text.to_owned(),
            }
        }
    }
}

/// All chunks, and whether the stream was whole.
pub(super) async fn chunks(scene: &Scene, more: Value) -> (Vec<Value>, bool) {
    let (mut sse, mut chunks) = (Sse::open(scene, more).await, Vec::new());
    while let Some(data) = sse.next().await {
        if data == "[DONE]" {
            assert_eq!(sse.next().await, None);
            return (chunks, true);
        }
        chunks.push(serde_json::from_str(&data).unwrap());
    }
    (chunks, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_come_in_order_and_end_with_done() {
    let scene = Scene::new().await;
    scene.language.will([Text(" a"), Text("b"), Ret(1.0), Ret(2.0), Ret(3.0)]);
    let more = json!({ "stream_options": { "include_usage": true } });
    let (chunks, whole) = chunks(&scene, more).await;
    assert!(whole);
    let first = &chunks[0];
    assert_eq!(first["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(first["fondue"]["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(first["fondue"]["history_cut"], json!(null));
    for chunk in &chunks {
        assert_eq!((&chunk["object"], &chunk["id"]), (&json!("chat.completion.chunk"), &first["id"]));
    }
    let content: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let pictures =
        ["one", "two"].map(|id| chunks.iter().find(|chunk| chunk["fondue"]["image"]["id"] == id).unwrap());
    assert_eq!(pictures[1]["fondue"]["image"]["ret_index"], 1);
    assert_eq!(
        pictures[0]["choices"][0]["delta"]["content"],
        "\n![picture one](/v1/images/first/one#ret=0&at=2)\n"
    );
    assert!(content.starts_with("ab") || content.contains("#ret"), "{content}");
    let lack = chunks.iter().find(|chunk| !chunk["fondue"]["unavailable"].is_null()).unwrap();
    assert_eq!(lack["fondue"]["unavailable"]["reason"], "LIMIT");
    assert_eq!(lack["choices"][0]["delta"], json!({}));
    let [.., last, usage] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&last["fondue"]["text"], &last["fondue"]["image_ids"]),
        (&json!("ab"), &json!(["one", "two"]))
    );
    assert_eq!(last["fondue"]["transcript"], "ab [RET] [RET] [RET]");
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_may_come_after_later_text() {
    let scene = Scene::new().await;
    scene.retrieval.wait();
    scene.language.will([Text("look"), Ret(1.0), Text(" here")]);
    let mut sse = Sse::open(&scene, json!({})).await;
    // No search is answered until all of the text is here.
    assert_eq!((sse.text().await, sse.text().await), ("look".to_owned(), " here".to_owned()));
    scene.retrieval.go_on.add_permits(1);
    let picture = sse.chunk().await;
    assert_eq!(picture["fondue"]["image"]["text_offset"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_the_stream_is_a_status() {
    let scene = Scene::new().await;
    scene.language.will([Fail(tonic::Status::unavailable("loading"))]);
    let got = chat(&scene, json!({ "stream": true })).await;
    assert_eq!(got.error().0, 503);
    assert_eq!(got.header("retry-after"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_within_the_stream_is_its_last_event() {
    let scene = Scene::new().await;
    scene.language.will([Text("a"), End]);
    let (chunks, whole) = chunks(&scene, json!({})).await;
    assert!(!whole, "no [DONE]");
    let error = &chunks.last().unwrap()["error"];
    assert_eq!(error["type"], "server_error", "{chunks:?}");
    assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()));
    // Whole answers have their status still.
    scene.language.will([Text("a"), End]);
    assert!(chat(&scene, json!({})).await.error().0 >= 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_turn() {
    let scene = Scene::with(&["--max-concurrent-turns", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut sse = Sse::open(&scene, json!({})).await;
    assert_eq!(sse.text().await, "a");
    drop(sse);
    one(&scene.language.dropped).await;
    // One that waits for a whole answer, too.
    scene.language.came.forget_permits(usize::MAX >> 4);
    scene.language.will([Text("a"), Wait]);
    let asked = posted(CHAT, &question(json!({})));
    for _ in 0..100 {
        tokio::select! {
            _ = open(&scene, asked.clone()) => {} // there was no room yet
            () = one(&scene.language.came) => {
                one(&scene.language.dropped).await;
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the room never came back");
}
