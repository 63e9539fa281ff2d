//! Rows of retrieval space and searches, models, and what the server tells of itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{get, post};
use crate::scene::Scene;

const EMBEDDINGS: &str = "/v1/embeddings";
const SEARCH: &str = "/v1/images/search";

fn picture(base64: &str) -> Value {
    json!({ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{base64}") } })
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_queries_and_pictures_are_where_the_index_has_them() {
    let scene = Scene::new().await;
    let got = post(&scene, EMBEDDINGS, json!({ "model": "fondue", "input": "a cat" })).await;
    let body = got.json();
    assert_eq!((&body["object"], &body["model"]), (&json!("list"), &json!("fondue")), "{body}");
    assert_eq!(body["data"], json!([{ "object": "embedding", "index": 0, "embedding": [0.5] }]));
    assert_eq!(scene.language.queried(), ["a cat[RET]"]);

    let input =
        json!([[picture("YXBwbGU=")], [picture("YmVl"), { "type": "text", "text": "like [RET] this" }]]);
    let asked = json!({ "model": "fondue", "input": input, "encoding_format": "base64" });
    let body = post(&scene, EMBEDDINGS, asked).await.json();
    let row = |index: usize| {
        let bytes = STANDARD.decode(body["data"][index]["embedding"].as_str().unwrap()).unwrap();
        let numbers = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        numbers.collect::<Vec<_>>()
    };
    assert_eq!((row(0), row(1)), (vec![97.0, 5.0, 7.0], vec![0.5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_inputs_are_named() {
    let scene = Scene::new().await;
    for (more, param) in [
        (json!({ "input": [] }), "input"),
        (json!({ "input": ["a", " "] }), "input[1]"),
        (json!({ "input": [[picture("YQ=="), picture("Yg==")]] }), "input[0]"),
        (json!({ "input": [[picture("YmFk")]] }), "input[0][0].image_url.url"),
        (json!({ "input": [1, 2] }), "input[0]"),
        (json!({ "input": "a", "dimensions": 3 }), "dimensions"),
        (json!({ "input": "a", "encoding_format": "hex" }), "encoding_format"),
    ] {
        let mut asked = json!({ "model": "fondue" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let got = post(&scene, EMBEDDINGS, asked).await;
        assert_eq!((got.error().0, got.error().2.as_str()), (400, param), "{}", got.json());
    }
    let asked = json!({ "model": "fondue", "input": "a", "dimensions": 1 });
    assert_eq!(post(&scene, EMBEDDINGS, asked).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_found_for_a_text_and_like_a_picture() {
    let scene = Scene::new().await;
    let got = post(&scene, SEARCH, json!({ "input": "a cat", "k": 2, "exclude_ids": ["one"] })).await;
    let body = got.json();
    let ids: Vec<_> = body["data"].as_array().unwrap().iter().map(|image| image["id"].clone()).collect();
    assert_eq!(ids, ["two", "three"], "{body}");
    assert_eq!(body["data"][0]["url"], "/v1/images/first/two");
    assert_eq!(body["fondue"]["trace_id"], got.header("x-request-id"));
    let body =
        post(&scene, SEARCH, json!({ "input": [picture("YXBwbGU=")], "generation": "older" })).await.json();
    assert_eq!(body["data"][1]["rank"], 1, "{body}");
    let asked = &scene.retrieval.asked()[1];
    assert_eq!((asked.query.as_slice(), asked.k), ([97.0, 5.0, 7.0].as_slice(), 10));
    assert_eq!(asked.generation, "older");
    for (asked, param) in [
        (json!({ "input": "a", "k": 0 }), "k"),
        (json!({ "input": [picture("YmFk")] }), "input[0].image_url.url"),
        (json!({ "input": "a", "exclude_ids": [""] }), "exclude_ids[0]"),
        (json!({ "input": "a", "index": "none" }), "index"),
    ] {
        assert_eq!(post(&scene, SEARCH, asked).await.error().2, param);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_the_server_are_described() {
    let scene = Scene::with(&["--model-name", "small/one", "--max-images", "3"]).await;
    let body = get(&scene, "/v1/models").await.json();
    assert_eq!((&body["object"], &body["data"][0]["id"]), (&json!("list"), &json!("small/one")));
    assert_eq!(get(&scene, "/v1/models/small%2Fone").await.json(), body["data"][0]);
    assert_eq!(get(&scene, "/v1/models/gpt").await.error().1, "model_not_found");
    let body = get(&scene, "/v1/fondue").await.json();
    assert_eq!(body["models"], json!(["small/one"]));
    assert_eq!(body["indexes"], json!([{ "name": "", "generation": "first", "rows": 0 }]));
    assert_eq!((&body["defaults"]["max_images"], &body["limits"]["max_tokens"]), (&json!(3), &json!(1024)));
    let document = get(&scene, "/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/openapi.json",
            "/v1/chat/completions",
            "/v1/embeddings",
            "/v1/fondue",
            "/v1/images/search",
            "/v1/images/{generation}/{id}",
            "/v1/models",
            "/v1/models/{id}",
        ]
    );
}
