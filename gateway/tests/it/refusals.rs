//! Each wrong input's code and field, over the wire. What is in range is checked by the unit tests.

use fondue_proto::dialogue::{
    Exchange, Image, Part, ReplyRequest, RetrieveRequest, ScoreRequest, Turn, TurnOptions, part,
};
use fondue_serving::status::violations_of;
use tonic::{Code, Status};

use crate::scene::{Scene, image, text, turn, turn_with};

#[track_caller]
fn refused(status: &Status, field: &str) {
    let fields: Vec<_> = violations_of(status).into_iter().map(|violation| violation.field).collect();
    assert_eq!((status.code(), fields.as_slice()), (Code::InvalidArgument, [field.to_owned()].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_means_nothing_is_refused_by_its_field() {
    let scene = Scene::with(&["--max-images-per-turn", "2", "--max-text-bytes", "100"]).await;
    let unknown_fit =
        Part { kind: Some(part::Kind::Image(Image { data: "x".into(), fit: 77, url: String::new() })) };
    let negative = TurnOptions { max_new_tokens: Some(-5), ..TurnOptions::default() };
    let endless = TurnOptions { max_new_tokens: Some(i32::MAX), ..TurnOptions::default() };
    let wild = TurnOptions { temperature: Some(f32::NAN), ..TurnOptions::default() };
    let wrong: [(Turn, &str); 10] = [
        (turn([]), "turn.parts"),
        (turn([text(" \n")]), "turn.parts"),
        (turn([text("a"), Part { kind: None }]), "turn.parts[1]"),
        (turn([text("a"), image("")]), "turn.parts[1].image.data"),
        (turn([unknown_fit]), "turn.parts[0].image.fit"),
        (turn([image("a"), image("b"), image("c")]), "turn.parts"),
        (turn([text("a"), text(&"b".repeat(100))]), "turn.parts[1].text"),
        (turn_with([text("a")], negative), "turn.options.max_new_tokens"),
        (turn_with([text("a")], endless), "turn.options.max_new_tokens"),
        (turn_with([text("a")], wild), "turn.options.temperature"),
    ];
    for (turn, field) in wrong {
        refused(&scene.reply(turn).await.err().unwrap(), field);
    }
    assert!(scene.vision.encoded().is_empty() && scene.language.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_around_a_turn_are_refused_by_their_field() {
    let scene = Scene::with(&["--max-turns", "2"]).await;
    let mut client = scene.client.clone();
    let status = client.reply(ReplyRequest::default()).await.unwrap_err();
    refused(&status, "turn");

    let exchange = Exchange { parts: vec![text("hi")], ..Exchange::default() };
    let with = |history| ReplyRequest { turn: Some(turn([text("hi")])), history, ..ReplyRequest::default() };
    refused(&client.reply(with(vec![exchange.clone(); 2])).await.unwrap_err(), "history");
    let bad = Exchange { parts: vec![text("a"), image("")], ..Exchange::default() };
    refused(&client.reply(with(vec![bad])).await.unwrap_err(), "history[0].parts[1].image.data");
    assert!(client.reply(with(vec![exchange])).await.is_ok());

    let raw = RetrieveRequest { parts: vec![text("a")], k: Some(-1), ..RetrieveRequest::default() };
    refused(&client.retrieve(raw).await.unwrap_err(), "k");
    let raw = RetrieveRequest { parts: vec![text("a"), image("")], ..RetrieveRequest::default() };
    refused(&client.retrieve(raw).await.unwrap_err(), "parts[1].image.data");
    let raw = ScoreRequest {
        parts: vec![text("a")],
        candidates: vec!["b".into(), String::new()],
        ..ScoreRequest::default()
    };
    refused(&client.score(raw).await.unwrap_err(), "candidates[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_the_limit_is_refused() {
    let scene = Scene::with(&["--max-message-bytes", "2000"]).await;
    let status = scene.reply(turn([image(&"x".repeat(3000))])).await.err().unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let mut talk = scene.converse().await;
    talk.say(turn([image(&"x".repeat(3000))]));
    let status = talk.events.next().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}
