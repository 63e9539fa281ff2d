//! Whole answers.

use serde_json::json;

use super::{CHAT, chat, post};
use crate::{
    fakes::language::Step::{Limit, Ret, Text},
    scene::Scene,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_openais_shape_and_more() {
    let scene = Scene::new().await;
    scene.language.will([Text(" Grö"), Text("ße"), Ret(1.0), Text(" da")]);
    let got = chat(&scene, json!({})).await;
    let body = got.json();
    assert_eq!(got.status, 200, "{body}");
    let fondue = &body["fondue"];
    assert_eq!(body["id"], format!("chatcmpl-{}", fondue["turn_id"].as_str().unwrap()));
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("fondue")));
    assert!(body["created"].as_u64().is_some_and(|it| it > 1_700_000_000));
    let choice = &body["choices"][0];
    let content = "Größe\n![picture one](/v1/images/first/one#ret=0&at=5)\n da";
    assert_eq!(choice["message"], json!({ "role": "assistant", "content": content, "refusal": null }));
    assert_eq!((&choice["finish_reason"], &choice["index"]), (&json!("stop"), &json!(0)));
    let usage = json!({
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": { "cached_tokens": 4 }
    });
    assert_eq!(body["usage"], usage);
    assert_eq!(got.header("x-request-id"), fondue["trace_id"], "one id in all logs");
    assert_eq!((&fondue["text"], &fondue["transcript"]), (&json!("Größe da"), &json!("Größe [RET] da")));
    assert_eq!((&fondue["image_ids"], &fondue["finish_reason"]), (&json!(["one"]), &json!("STOP")));
    let image = json!({
        "id": "one", "generation": "first", "index": "", "score": 0.75, "caption": "picture one",
        "media_type": "image/png", "url": "/v1/images/first/one", "text_offset": 5, "ret_index": 0, "rank": 0,
    });
    assert_eq!(fondue["images"], json!([image]));
    assert_eq!((&fondue["history_cut"], &fondue["unavailable"]), (&json!(null), &json!([])));
    assert_eq!(fondue["usage"]["images_found"], 1);
    let timings = &fondue["timings"];
    assert_eq!((&timings["queue_ms"], &timings["prefill_ms"]), (&json!(1.5), &json!(2.5)));
    assert_eq!(timings["searches"][0]["ret_index"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_reach_the_model() {
    let scene = Scene::new().await;
    let asked = json!({
        "max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.75, "seed": -1, "stop": "x",
        "prompt_cache_key": "me", "n": 1, "tools": [], "logprobs": false, "response_format": { "type": "text" },
        "fondue": {
            "max_images": 6, "max_images_per_ret": 2, "ret_bias": -1.5, "ret_scale_factor": 1.25,
            "min_word_tokens": 3, "timeout_ms": 5000,
        },
    });
    assert_eq!(chat(&scene, asked).await.status, 200);
    let asked = &scene.language.asked()[0];
    let sampling = asked.sampling.unwrap();
    assert_eq!((asked.max_new_tokens, sampling.temperature, sampling.top_p), (9, 0.5, 0.75));
    assert_eq!((sampling.seed, &asked.stop[..]), (Some(u64::MAX), &["x".to_owned()][..]));
    assert_eq!((asked.cache_key.as_str(), sampling.ret_bias), ("me", -1.5));
    assert_eq!((sampling.ret_scale_factor, sampling.min_word_tokens), (Some(1.25), 3));
    assert!(sampling.max_rets.is_some_and(|n| n >= 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_a_generation_reach_the_search() {
    let scene = Scene::new().await;
    scene.language.will([Ret(1.0)]);
    let conditions = json!([{ "field": "year", "range": { "atLeast": 1900 } }, { "field": "group", "equals": { "text": "a" } }]);
    let got = chat(&scene, json!({ "fondue": { "conditions": conditions, "generation": "older" } })).await;
    assert_eq!(got.status, 200, "{got:?}");
    let asked = &scene.retrieval.asked()[0];
    assert_eq!((asked.conditions.len(), asked.generation.as_str()), (2, "older"));
    assert_eq!(got.json()["fondue"]["images"][0]["generation"], "older");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_run_out_are_a_length() {
    let scene = Scene::new().await;
    scene.language.will([Text("a"), Limit]);
    let body = chat(&scene, json!({})).await.json();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["fondue"]["finish_reason"], "LENGTH");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_speaks_before_the_users_first_text() {
    let scene = Scene::new().await;
    let picture = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,YXBwbGU=", "detail": "low" } });
    let messages = json!([
        { "role": "system", "content": "Be kind." },
        { "role": "developer", "content": [{ "type": "text", "text": "Be brief." }] },
        { "role": "user", "content": [picture, { "type": "text", "text": "What is it?" }] },
    ]);
    let got =
        post(&scene, CHAT, json!({ "model": "fondue", "messages": messages, "fondue": { "fit": "squash" } }))
            .await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(scene.language.prompt(0), ["<[97.0, 5.0]>", "Q: Be kind.\nBe brief.\nWhat is it?\nA:"]);
    assert_eq!(scene.vision.encoded(), [(b"apple".to_vec(), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_index_can_be_shown_by_its_address() {
    let scene = Scene::new().await;
    let url = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let content = json!([
        url("/v1/images/first/one"),
        url("http://gateway/v1/images/first/one"),
        url("/v1/images/first/three")
    ]);
    let asked = json!({ "model": "fondue", "messages": [{ "role": "user", "content": content }] });
    let got = post(&scene, CHAT, asked).await;
    assert_eq!(got.status, 200, "{got:?}");
    let pair = |id: &str| (id.to_owned(), "first".to_owned());
    assert_eq!(scene.retrieval.fetched(), [pair("one"), pair("three")], "each once");
    let content = json!([url("/v1/images/first/none")]);
    let asked = json!({ "model": "fondue", "messages": [{ "role": "user", "content": content }] });
    let (status, code, param) = post(&scene, CHAT, asked).await.error();
    assert_eq!((status, code.as_str()), (400, "invalid_image_url"));
    assert_eq!(param, "messages[0].content[0].image_url.url");
}
