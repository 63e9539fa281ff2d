//! What is refused, and in which words.

use http_body_util::Full;
use serde_json::{Value, json};

use super::{CHAT, chat, get, post, posted, question, request, send, stream::Sse};
use crate::{
    fakes::language::Step::{Text, Wait},
    scene::Scene,
};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_name_the_field() {
    let scene = Scene::new().await;
    let said = |messages: Value| json!({ "messages": messages });
    let user = |content: Value| said(json!([{ "role": "user", "content": content }]));
    let picture = |url: &str| user(json!([{ "type": "image_url", "image_url": { "url": url } }]));
    let url = "messages[0].content[0].image_url.url";
    for (more, code, param) in [
        (json!({ "colour": 1 }), "unknown_parameter", "colour"),
        (json!({ "fondue": { "colour": 1 } }), "unknown_parameter", "fondue.colour"),
        (
            json!({ "fondue": { "conditions": [{ "colour": 1 }] } }),
            "unknown_parameter",
            "fondue.conditions[0].colour",
        ),
        (json!({ "temperature": "hot" }), "invalid_type", "temperature"),
        (json!({ "temperature": -1 }), "invalid_value", "temperature"),
        (json!({ "max_tokens": 0 }), "invalid_value", "max_tokens"),
        (json!({ "max_completion_tokens": 0 }), "invalid_value", "max_completion_tokens"),
        (json!({ "max_completion_tokens": 1, "max_tokens": 1 }), "invalid_value", "max_tokens"),
        (json!({ "stop": ["a", ""] }), "invalid_value", "stop[1]"),
        (json!({ "seed": 1.5 }), "invalid_type", "seed"),
        (json!({ "n": 2 }), "unsupported_value", "n"),
        (json!({ "tools": [{ "type": "function" }] }), "unsupported_value", "tools"),
        (json!({ "logprobs": true }), "unsupported_value", "logprobs"),
        (json!({ "response_format": { "type": "json_object" } }), "unsupported_value", "response_format"),
        (json!({ "stream_options": {} }), "invalid_value", "stream_options"),
        (json!({ "fondue": { "max_images": 33 } }), "invalid_value", "fondue.max_images"),
        (json!({ "fondue": { "index": "none" } }), "invalid_value", "fondue.index"),
        (json!({ "fondue": { "compat": "exact" } }), "invalid_type", "fondue.compat"),
        (json!({ "fondue": { "generation": "x".repeat(300) } }), "invalid_value", "fondue.generation"),
        (said(json!([])), "invalid_value", "messages"),
        (said(json!([{ "role": "assistant", "content": "a" }])), "invalid_value", "messages[0]"),
        (said(json!([{ "role": "user" }])), "invalid_value", "messages[0].content"),
        (said(json!([{ "role": "tool", "content": "a" }])), "invalid_type", "messages[0].role"),
        (user(json!(" ")), "invalid_value", "messages[0].content"),
        (user(json!([{ "type": "text" }])), "invalid_value", "messages[0].content[0].text"),
        (user(json!([{ "type": "audio" }])), "invalid_type", "messages[0].content[0].type"),
        (picture("data:image/png;base64,%%%"), "invalid_image_url", url),
        (picture("data:text/plain;base64,aGk="), "invalid_image_url", url),
        (picture("ftp://a.org/b.png"), "invalid_image_url", url),
        (picture("data:image/png;base64,YmFk"), "invalid_value", url),
        (picture("https://a.org/b.png"), "invalid_value", url),
    ] {
        let got = chat(&scene, more.clone()).await;
        let expected = (400, code.to_owned(), param.to_owned());
        assert_eq!(got.error(), expected, "{more}: {}", got.json());
    }
    assert!(scene.language.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_the_history_is_found_there() {
    let scene = Scene::new().await;
    let bad = json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,YmFk" } }]);
    let messages = json!([
        { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
        { "role": "user", "content": bad }, { "role": "assistant", "content": "c" }, { "role": "user", "content": "d" },
    ]);
    let got = chat(&scene, json!({ "messages": messages })).await;
    assert_eq!(got.error().2, "messages[2].content[0].image_url.url", "{}", got.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_and_what_is_too_large_413() {
    let scene = Scene::with(&["--max-message-bytes", "2048", "--model-name", "small"]).await;
    let got = chat(&scene, json!({ "model": "gpt" })).await;
    assert_eq!(got.error(), (404, "model_not_found".to_owned(), "model".to_owned()));
    assert_eq!(chat(&scene, json!({ "model": "small" })).await.status, 200);
    assert_eq!(get(&scene, "/v1/nothing").await.error().0, 404);
    let got = get(&scene, CHAT).await;
    assert_eq!((got.error().0, got.header("allow")), (405, "POST"));
    let large = chat(&scene, json!({ "model": "small", "user": "x".repeat(3000) })).await;
    assert_eq!(large.error().0, 413);
    let text = request("POST", CHAT).body(Full::from("hi")).unwrap();
    assert_eq!(send(&scene, text).await.error().0, 415);
    let broken = request("POST", CHAT).header("content-type", "application/json; charset=utf-8");
    let got = send(&scene, broken.body(Full::from("{\"model\": ")).unwrap()).await;
    assert_eq!((got.error().0, got.error().1.as_str()), (400, "invalid_json"));
    // Probes and gRPC are where they were.
    let livez = super::open(&scene, request("GET", "/livez").body(Full::default()).unwrap()).await;
    assert_eq!(livez.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_refuse_in_the_same_words() {
    let scene = Scene::new().await;
    let page = send(&scene, request("POST", "/").body(Full::default()).unwrap()).await;
    assert_eq!((page.error().0, page.error().1.as_str()), (405, "method_not_allowed"));
    assert_eq!(page.header("allow"), "GET,HEAD");
    for path in ["/assets/none.js", "/assets/index.html", "/assets/", "/assets/%ff", "/assets/a/b"] {
        assert_eq!(get(&scene, path).await.error().0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encoded_bodies_are_not_decoded() {
    let scene = Scene::new().await;
    let json = question(json!({})).to_string();
    for (encoding, status) in [("gzip", 415), ("identity, br", 415), ("Identity", 200)] {
        let request = request("POST", CHAT).header("content-type", "application/json");
        let request = request.header("content-encoding", encoding).body(Full::from(json.clone())).unwrap();
        let got = send(&scene, request).await;
        assert_eq!(got.status, status, "{encoding}");
        if status == 415 {
            assert_eq!(got.error().1, "unsupported_media_type");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pictures_host_that_is_down_is_told_by_the_field_and_without_its_address() {
    let scene = Scene::with(&["--image-host", "*"]).await;
    let field = "messages[0].content[1].image_url.url";
    // One name resolves to an address that is not public, the other to none.
    let mut told = Vec::new();
    for host in ["localhost", "nothing.invalid"] {
        let content = json!([
            { "type": "text", "text": "what?" },
            { "type": "image_url", "image_url": { "url": format!("http://{host}/a.png") } },
        ]);
        let got = chat(&scene, json!({ "messages": [{ "role": "user", "content": content }] })).await;
        assert_eq!(got.error(), (503, "unavailable".to_owned(), field.to_owned()), "{}", got.json());
        let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(field) && !message.contains("turn.parts"), "{message}");
        told.push(message.replace(host, "HOST"));
    }
    assert_eq!(told[0], told[1], "which it is stays here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_when_to_come_back() {
    let scene = Scene::with(&["--max-concurrent-turns", "1"]).await;
    scene.language.will([Text("a"), Wait]);
    let mut first = Sse::open(&scene, json!({})).await;
    first.next().await;
    for (path, asked) in [
        (CHAT, question(json!({}))),
        ("/v1/embeddings", json!({ "model": "fondue", "input": "a" })),
        ("/v1/images/search", json!({ "input": "a" })),
    ] {
        let got = send(&scene, posted(path, &asked)).await;
        assert_eq!(got.error().0, 429, "{path}");
        assert_eq!(got.header("retry-after"), "1");
        assert_eq!(got.json()["error"]["type"], "rate_limit_error");
    }
    scene.language.go_on.add_permits(1);
    while first.next().await.is_some() {}
    assert_eq!(post(&scene, CHAT, question(json!({}))).await.status, 200);
}
