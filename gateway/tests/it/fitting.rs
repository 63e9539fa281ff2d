//! Services that do not fit together: never the client's fault, and told to those who can mend it.

use fondue_domain::{Fault, Violation};
use fondue_proto::dialogue::{RetrieveRequest, ScoreRequest, event::Kind};
use fondue_serving::status::{from_parts, violations_of};
use tonic::{Code, Status};

use crate::{
    fakes::language::Step::{Fail, Ret, Text},
    scene::{Scene, done, image, images, text, turn, unavailable},
};

fn refusal(field: &str) -> Status {
    from_parts(Fault::Invalid, "wrong", vec![Violation::new(field, "is wrong")])
}

async fn retrieve(scene: &Scene) -> Result<usize, Status> {
    let request =
        RetrieveRequest { parts: vec![text("a")], include_data: true, ..RetrieveRequest::default() };
    Ok(scene.client.clone().retrieve(request).await?.into_inner().images.len())
}

async fn score(scene: &Scene) -> Status {
    let request = ScoreRequest {
        parts: vec![image("a"), text("b")],
        candidates: vec!["c".into()],
        ..ScoreRequest::default()
    };
    scene.client.clone().score(request).await.unwrap_err()
}

#[track_caller]
fn tells(status: &Status, code: Code, fields: &[&str]) {
    let told: Vec<_> = violations_of(status).into_iter().map(|violation| violation.field).collect();
    assert_eq!((status.code(), told.iter().map(String::as_str).collect::<Vec<_>>()), (code, fields.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_fields_of_the_client_are_told_to_it() {
    let scene = Scene::new().await;
    scene.retrieval.refuse(refusal("query"));
    let status = retrieve(&scene).await.unwrap_err();
    tells(&status, Code::Internal, &[]);
    assert!(!status.message().contains("query"), "{status:?}");
    scene.retrieval.refuse(refusal("k"));
    tells(&retrieve(&scene).await.unwrap_err(), Code::InvalidArgument, &["k"]);
    let gone = from_parts(Fault::NotFound, "gone", vec![Violation::new("generation", "is not there")]);
    scene.retrieval.refuse(gone);
    tells(&retrieve(&scene).await.unwrap_err(), Code::NotFound, &["generation"]);

    for (field, code, told) in [
        ("parts[1].text", Code::InvalidArgument, &["parts[1].text"][..]),
        ("candidates[0]", Code::InvalidArgument, &["candidates[0]"]),
        ("parts[0].image.values", Code::Internal, &[]),
        ("something.new", Code::Internal, &[]),
    ] {
        scene.language.refuse(refusal(field));
        tells(&score(&scene).await, code, told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_dimension_costs_the_turn_its_pictures_alone() {
    let scene = Scene::new().await;
    scene.retrieval.refuse(refusal("query"));
    scene.language.will([Text("a"), Ret(1.0)]);
    let kinds = scene.reply(turn([text("hi")])).await.unwrap().turn().await;
    let [lack] = unavailable(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!(lack.reason().as_str_name(), "REASON_UNAVAILABLE");
    assert!(!lack.message.contains("query"), "{}", lack.message);
    assert_eq!(done(&kinds).text, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_decoded_is_no_fault_of_the_client() {
    let scene = Scene::new().await;
    let bare = Status::invalid_argument("failed to decode Protobuf message: Done.reason: invalid wire type");
    scene.language.will([Fail(bare.clone())]);
    tells(&scene.reply(turn([text("hi")])).await.err().unwrap(), Code::Internal, &[]);
    scene.retrieval.refuse(bare.clone());
    tells(&retrieve(&scene).await.unwrap_err(), Code::Internal, &[]);
    scene.language.refuse(bare);
    tells(&score(&scene).await, Code::Internal, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pictures_than_vision_takes_are_no_fault_of_the_client() {
    let scene = Scene::with(&["--vision-batch", "21", "--max-images-per-turn", "30"]).await;
    let pictures: Vec<_> = (0..30).map(|n| image(&n.to_string())).collect();
    tells(&scene.reply(turn(pictures)).await.err().unwrap(), Code::Internal, &[]);

    let scene = Scene::with(&["--max-images-per-turn", "30"]).await;
    let pictures: Vec<_> = (0..30).map(|n| image(&n.to_string())).collect();
    scene.reply(turn(pictures)).await.unwrap().turn().await;
    assert_eq!(scene.vision.batches(), [16, 14]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_model_is_not_searched_until_it_is_rebuilt() {
    let scene = Scene::new().await;
    scene.language.be("new model");
    scene.retrieval.made_by("old model");
    scene.language.will([Text("look"), Ret(1.0)]);
    let kinds = scene.reply(turn([text("hi")])).await.unwrap().turn().await;
    let [lack] = unavailable(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!(lack.reason().as_str_name(), "REASON_UNAVAILABLE");
    assert!(
        lack.message.contains("another model") && lack.message.contains("fondue index build"),
        "{lack:?}"
    );
    assert_eq!(done(&kinds).text, "look");
    let status = retrieve(&scene).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("fondue index build"), "{status:?}");
    assert!(scene.retrieval.asked().is_empty(), "nothing was searched");

    scene.retrieval.made_by("new model");
    assert!(retrieve(&scene).await.is_ok(), "at once");
    let n_described = scene.retrieval.n_described();
    assert!(retrieve(&scene).await.is_ok());
    assert_eq!(scene.retrieval.n_described(), n_described, "what fits is not asked each time");

    scene.retrieval.activate("second");
    scene.retrieval.made_by("old model");
    assert_eq!(retrieve(&scene).await.unwrap_err().code(), Code::Unavailable, "another generation is");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_vision_tower_is_not_searched_either() {
    let mut scene = Scene::new().await;
    scene.language.be("model");
    scene.retrieval.made_by("model");
    scene.vision.be("new tower");
    scene.retrieval.seen_by("old tower");
    let status = retrieve(&scene).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let message = status.message();
    assert!(
        message.contains("the vision service runs") && message.contains("fondue index build"),
        "{status:?}"
    );
    assert!(scene.retrieval.asked().is_empty(), "nothing was searched");

    // What one of both does not know is not compared.
    scene.retrieval.seen_by("");
    assert!(retrieve(&scene).await.is_ok());
    scene.retrieval.activate("second");
    scene.retrieval.seen_by("old tower");
    assert_eq!(retrieve(&scene).await.unwrap_err().code(), Code::Unavailable);
    scene.vision.be("old tower");
    assert!(retrieve(&scene).await.is_ok());
    // Texts find pictures while vision is down.
    scene.retrieval.activate("third");
    scene.retrieval.seen_by("any tower");
    scene.vision_server.kill();
    assert!(retrieve(&scene).await.is_ok());
    let n_described = scene.retrieval.n_described();
    assert!(retrieve(&scene).await.is_ok());
    assert_eq!(scene.retrieval.n_described(), n_described, "and it is not asked for at each search");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_search_left_out_are_fetched() {
    let scene = Scene::new().await;
    scene.retrieval.omit();
    scene.language.will([Ret(1.0), Ret(2.0)]);
    let kinds = scene.reply(turn([text("hi")])).await.unwrap().turn().await;
    let [found] = images(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!((found.id.as_str(), &*found.data), ("one", &b"one"[..]));
    // The second cannot be fetched.
    let [lack] = unavailable(&kinds)[..] else { panic!("{kinds:?}") };
    assert_eq!((lack.ret_index, lack.reason().as_str_name()), (1, "REASON_UNAVAILABLE"));
    assert!(matches!(kinds.last(), Some(Kind::Done(_))));
    let expected = ["one", "two"].map(|id| (id.to_owned(), "first".to_owned()));
    assert_eq!(scene.retrieval.fetched(), expected, "of the generation that was searched");

    assert_eq!(retrieve(&scene).await.unwrap(), 3, "all but the one that cannot be had");
}
