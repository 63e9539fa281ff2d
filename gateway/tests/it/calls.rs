//! Retrieve and Score: no text is generated.

use fondue_proto::dialogue::{RetrieveRequest, ScoreRequest};
use tonic::Code;

use crate::scene::{Scene, image, text};

#[tokio::test(flavor = "multi_thread")]
async fn retrieve_asks_for_the_prompts_query_and_ranks_what_is_found() {
    let scene = Scene::new().await;
    let request = RetrieveRequest {
        parts: vec![image("a"), text("watercolour of this")],
        k: Some(2),
        excluded_ids: vec!["one".into()],
        generation: "mine".into(),
        ..RetrieveRequest::default()
    };
    let images = scene.client.clone().retrieve(request).await.unwrap().into_inner().images;
    let found: Vec<_> =
        images.iter().map(|image| (image.id.as_str(), image.rank, image.data.len())).collect();
    assert_eq!(found, [("two", 0, 0), ("three", 1, 0)]);
    assert_eq!((images[0].generation.as_str(), images[0].caption.as_str()), ("mine", "picture two"));
    assert_eq!(scene.language.queried(), ["<[97.0, 1.0]>", "watercolour of this[RET]"]);
    assert_eq!(scene.retrieval.asked()[0].query, [0.5]);
    assert!(scene.language.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn retrieve_without_retrieval_is_unavailable() {
    let mut scene = Scene::new().await;
    scene.retrieval_server.kill();
    let request = RetrieveRequest { parts: vec![text("a")], ..RetrieveRequest::default() };
    let status = scene.client.clone().retrieve(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn score_keeps_the_order_of_the_candidates() {
    let scene = Scene::new().await;
    let candidates = vec!["yes".into(), "no".into()];
    let mut request =
        ScoreRequest { parts: vec![image("a"), text("is it?")], candidates, ..ScoreRequest::default() };
    let scored = scene.client.clone().score(request.clone()).await.unwrap().into_inner();
    let likelihoods: Vec<_> = scored.scores.iter().map(|score| score.log_likelihood).collect();
    assert_eq!((likelihoods, scored.prompt), (vec![-3.0, -2.0], None));
    request.with_prompt = true;
    let prompt = scene.client.clone().score(request).await.unwrap().into_inner().prompt.unwrap();
    assert_eq!((prompt.log_likelihood, prompt.tokens), (-7.5, 3));
}
